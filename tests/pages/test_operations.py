"""A change as people see it: how far it is."""

from portal.db import transaction
from tests.cloud import host_row


def test_a_change_says_on_how_many_hosts_it_is_done(cloud, alice, ada):
    cloud.running("first")
    cloud.add_host("kvm-2")
    with transaction():
        host_row().enabled = False
    cloud.silent.add("kvm-1")
    second = cloud.create("second", group_ids=(cloud.default_group(),))
    for _ in range(4):
        cloud.turn()
    cloud.observe()
    cloud.clock.forward(minutes=2)
    cloud.observe()
    [operation] = cloud.operations(second)
    where = f"/projects/{second.project_id}/operations/{operation.id}"
    words = " ".join(alice.open(where).text.split())
    assert "Done on 1 of 2 hosts that know of it; one that does not answer gets it" in words
    words = " ".join(ada.open(where).text.split())
    assert "Done on 1 of 2 hosts that know of it; kvm-1 gets it when it returns." in words
