"""Zones, and what else hosts have in common."""

import pytest
from sqlalchemy import select

from portal.db import session
from portal.errors import Conflict, Forbidden, NoRoom, NotFound, Refused
from portal.models import Aggregate, Host
from portal.services import aggregates, instances
from tests.cloud import host_row


@pytest.fixture
def two_hosts(cloud):
    cloud.add_host("kvm-2")
    cloud.settle()
    return cloud


def zones() -> dict[str, str]:
    return dict(map(tuple, session.execute(select(Host.name, Host.zone).order_by(Host.name))))


def put(cloud, name: str, zone: str) -> None:
    aggregates.put_into_zone(cloud.actor("ada"), host_row(name).id, zone)


def test_a_host_is_in_the_zone_of_its_aggregate(two_hosts):
    ada = two_hosts.actor("ada")
    assert zones() == {"kvm-1": "nova", "kvm-2": "nova"}
    rack = aggregates.create(ada, "rack 7", "east")
    aggregates.add_host(ada, rack.id, "kvm-2")
    assert zones() == {"kvm-1": "nova", "kvm-2": "east"}
    aggregates.change(ada, rack.id, zone="west")
    assert zones() == {"kvm-1": "nova", "kvm-2": "west"}
    with pytest.raises(Conflict, match="rack 7 has kvm-2 in it"):
        aggregates.delete(ada, rack.id)
    aggregates.remove_host(ada, rack.id, "kvm-2")
    assert zones() == {"kvm-1": "nova", "kvm-2": "nova"}
    aggregates.delete(ada, rack.id)
    assert aggregates.every(ada) == []


def test_a_host_is_in_one_zone(two_hosts):
    ada = two_hosts.actor("ada")
    east, west = (aggregates.create(ada, name, name) for name in ("east", "west"))
    quick = aggregates.create(ada, "quick disks")
    aggregates.add_host(ada, east.id, "kvm-1")
    aggregates.add_host(ada, quick.id, "kvm-1")
    with pytest.raises(Conflict, match="kvm-1 would be in the zones east and west"):
        aggregates.add_host(ada, west.id, "kvm-1")
    with pytest.raises(Conflict, match="kvm-1 would be in the zones east and west"):
        aggregates.change(ada, quick.id, zone="west")
    assert [each.name for each in aggregates.of_host(ada, host_row().id)] == ["east", "quick disks"]


def test_putting_a_host_into_a_zone_makes_its_aggregate_and_leaves_others(two_hosts):
    ada = two_hosts.actor("ada")
    quick = aggregates.create(ada, "quick disks")
    aggregates.add_host(ada, quick.id, "kvm-1")
    put(two_hosts, "kvm-1", "east")
    put(two_hosts, "kvm-2", "east")
    put(two_hosts, "kvm-1", "west")
    assert zones() == {"kvm-1": "west", "kvm-2": "east"}
    put(two_hosts, "kvm-1", "")
    assert zones()["kvm-1"] == "nova"
    assert [each.name for each in aggregates.of_host(ada, host_row().id)] == ["quick disks"]
    assert session.scalars(select(Aggregate.name).order_by(Aggregate.name)).all() == [
        *("east", "quick disks", "west")
    ]


def test_an_instance_is_placed_in_the_zone_that_it_asks_for_and_keeps_it(two_hosts):
    put(two_hosts, "kvm-2", "east")
    made = [two_hosts.create(f"web-{number}", zone="east") for number in range(3)]
    assert {two_hosts.see(each).host_id for each in made} == {host_row("kvm-2").id}
    assert two_hosts.create("elsewhere", zone="nova").host_id == host_row("kvm-1").id
    with pytest.raises(Conflict, match="3 instances on kvm-2 asked for the zone east"):
        put(two_hosts, "kvm-2", "west")
    two_hosts.settle()
    for each in made:
        instances.delete(two_hosts.actor("alice"), each.project_id, each.id)
    put(two_hosts, "kvm-2", "west")
    assert zones()["kvm-2"] == "west"


def test_a_zone_without_room_is_named(two_hosts):
    put(two_hosts, "kvm-2", "east")
    two_hosts.hosts["kvm-2"].put("host", "size", {"vcpus": 64, "memory_mib": 1024 + 512})
    two_hosts.look()
    with pytest.raises(NoRoom) as refused:
        two_hosts.create("web", zone="east", count=2)
    assert str(refused.value).startswith("1 of 2 fits now, then no host has room: ")
    two_hosts.create("web", zone="east")
    with pytest.raises(NoRoom) as refused:
        two_hosts.create("web", zone="east")
    assert str(refused.value) == (
        "No host in the zone east has room: 1 of 2 hosts is in another zone; 1 of 2 hosts is short "
        "of 512 MiB of memory. Choose another zone, delete something, or try again later."
    )


def test_a_zone_that_is_not_there_is_refused(two_hosts):
    put(two_hosts, "kvm-2", "east")
    with pytest.raises(
        Refused, match=r"There is no zone north. There is east and nova\."
    ) as refused:
        two_hosts.create("web", zone="north")
    assert refused.value.field == "zone"


def test_administrators_of_the_cloud_may_name_a_host_behind_its_zone(two_hosts):
    for name in ("kvm-2", "kvm-1", "kvm-2"):
        made = two_hosts.create("web", by="ada", zone=f"nova:{name}")
        assert (made.host_id, made.zone) == (host_row(name).id, "nova")
    with pytest.raises(Refused, match="There is no host kvm-9"):
        two_hosts.create("web", by="ada", zone="nova:kvm-9")
    with pytest.raises(Refused, match="There is no zone nova:kvm-1"):
        two_hosts.create("web", zone="nova:kvm-1")


def test_only_administrators_of_the_cloud_change_aggregates(cloud):
    alice = cloud.actor("alice")
    rack = aggregates.create(cloud.actor("ada"), "rack 7")
    for act in (
        lambda: aggregates.every(alice),
        lambda: aggregates.create(alice, "mine"),
        lambda: aggregates.change(alice, rack.id, name="mine"),
        lambda: aggregates.add_host(alice, rack.id, "kvm-1"),
        lambda: aggregates.remove_host(alice, rack.id, "kvm-1"),
        lambda: aggregates.put_into_zone(alice, host_row().id, "east"),
        lambda: aggregates.delete(alice, rack.id),
    ):
        with pytest.raises(Forbidden):
            act()


def test_what_cannot_be_is_refused_in_a_sentence(cloud):
    ada = cloud.actor("ada")
    rack = aggregates.create(ada, "rack 7")
    with pytest.raises(Conflict, match="There is an aggregate named rack 7 already"):
        aggregates.create(ada, "rack 7")
    with pytest.raises(Refused, match="has no colon"):
        aggregates.create(ada, "rack 8", "a:b")
    with pytest.raises(NotFound, match="There is no such host"):
        aggregates.add_host(ada, rack.id, "kvm-9")
    with pytest.raises(NotFound, match="kvm-1 is not in rack 7"):
        aggregates.remove_host(ada, rack.id, "kvm-1")
    aggregates.add_host(ada, rack.id, "kvm-1")
    with pytest.raises(Conflict, match="kvm-1 is in rack 7 already"):
        aggregates.add_host(ada, rack.id, "kvm-1")


def test_properties_are_kept_until_they_are_taken_away(cloud):
    ada = cloud.actor("ada")
    rack = aggregates.create(ada, "rack 7")
    aggregates.change(ada, rack.id, properties={"disk": "quick", "owner": "lab"})
    kept = aggregates.change(ada, rack.id, properties={"owner": None, "disk": "slow"})
    assert (kept.name, kept.properties) == ("rack 7", {"disk": "slow"})
