"""Who changes what somebody else has changed meanwhile is told so, and changes nothing."""

import uuid

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import Activity, Image, Instance, Network, Subnet
from portal.services import instances, marks
from portal.services.details import Details
from tests.api.shapes import assert_fault
from tests.crowd import at_once

SERVERS = "/compute/v2.1/servers"
DNS = {"subnet": {"dns_nameservers": ["9.9.9.9"]}}


@pytest.fixture
def server(cloud) -> str:
    return f"{SERVERS}/{cloud.running('web').id}"


def renamed(program, path: str, name: str, mark: str):
    return program.put(path, {"server": {"name": name}}, headers={"If-Match": mark})


def test_the_second_writer_is_told_and_changes_nothing(alice, program, server, cloud):
    bob = program("bob", "red")
    mark = alice.get(server).headers["ETag"]
    assert bob.get(server).headers["ETag"] == mark
    first = renamed(alice, server, "hers", mark)
    assert first.status_code == 200
    assert first.headers["ETag"] not in ("", mark)
    assert "Somebody has changed it" in assert_fault(renamed(bob, server, "his", mark), 412)
    assert alice.get(server).json["server"]["name"] == "hers"
    assert renamed(bob, server, "his", first.headers["ETag"]).status_code == 200


def test_of_many_at_once_one_is_made(any_cloud):
    any_cloud.add_host("kvm-1")
    instance = any_cloud.running("web")
    actor, mark = any_cloud.actor("alice"), marks.mark(any_cloud.see(instance))
    project_id, instance_id = instance.project_id, instance.id

    def act(person: int) -> None:
        marks.change_only(Instance, instance_id, {mark})
        instances.rename(actor, project_id, instance_id, f"web-{person}")

    assert at_once(6, act) == {"done": 1, "Changed": 5}


def test_what_a_host_says_changes_no_mark(alice, cloud):
    instance = cloud.create("web")
    path = f"{SERVERS}/{instance.id}"
    mark = alice.get(path).headers["ETag"]
    cloud.settle()
    answer = alice.get(path)
    assert answer.json["server"]["status"] == "ACTIVE"
    assert answer.headers["ETag"] == mark


def test_a_change_with_no_mark_is_made(alice, server):
    assert alice.put(server, {"server": {"name": "other"}}).status_code == 200
    assert renamed(alice, server, "again", "*").status_code == 200


def test_properties_and_actions_are_guarded_too(alice, server, cloud):
    mark = alice.get(server).headers["ETag"]
    headers = {"If-Match": mark}
    answer = alice.post(f"{server}/metadata", {"metadata": {"a": "1"}}, headers=headers)
    assert answer.status_code == 200
    for ask in (
        lambda: alice.post(f"{server}/metadata", {"metadata": {"b": "2"}}, headers=headers),
        lambda: alice.put(f"{server}/metadata", {"metadata": {}}, headers=headers),
        lambda: alice.post(f"{server}/action", {"os-stop": None}, headers=headers),
        lambda: alice.delete(server, headers=headers),
    ):
        assert_fault(ask(), 412)
    assert alice.get(f"{server}/metadata").json["metadata"] == {"a": "1"}
    assert alice.get(server).json["server"]["status"] == "ACTIVE"


def test_other_nouns_bear_marks_and_are_guarded(alice, program, cloud):
    mine = Network.project_id == cloud.project().id
    network_id = session.scalar(select(Network.id).where(mine))
    user, ada = cloud.actor("rita").user_id, program("ada", "system")
    for who, path in (
        (alice, f"/network/v2.0/networks/{network_id}"),
        (ada, f"/identity/v3/users/{user.hex}"),
    ):
        mark = who.get(path).headers["ETag"]
        assert mark.startswith('"')
        old = {"If-Match": f'"{"0" * 32}"'}
        body = {"user": {"enabled": False}}
        guarded = (
            who.delete(path, headers=old) if who is alice else who.patch(path, body, headers=old)
        )
        assert_fault(guarded, 412)
        assert who.get(path).headers["ETag"] == mark
    assert ada.patch(f"/identity/v3/users/{user.hex}", body, headers={"If-Match": mark}).json
    assert ada.get(f"/identity/v3/users/{user.hex}").headers["ETag"] != mark
    image = session.scalar(select(Image.id).where(Image.name == "Demo Linux"))
    assert alice.get(f"/image/v2/images/{image}").headers["ETag"]
    project = cloud.project().id.hex
    assert alice.get(f"/identity/v3/projects/{project}").headers["ETag"]


def test_whatever_a_program_changes_changes_the_mark(alice, program, server, cloud):
    """Seen: the name servers of a subnet were changed, and its mark stayed."""
    mine = Network.project_id == cloud.project().id
    subnet = session.scalar(select(Subnet.id).join(Network).where(mine))
    ada, user = program("ada", "system"), cloud.actor("rita").user_id.hex
    for who, change, path, body in (
        (alice, alice.put, server, {"server": {"accessIPv4": "192.0.2.7"}}),
        (alice, alice.put, f"/network/v2.0/subnets/{subnet}", DNS),
        (ada, ada.patch, f"/identity/v3/users/{user}", {"user": {"email": "rita@example.org"}}),
    ):
        mark = who.get(path).headers["ETag"]
        assert change(path, body).status_code == 200
        assert who.get(path).headers["ETag"] != mark, path


def test_what_would_be_refused_anyway_is_refused_so(alice, program, server):
    """A mark tells nobody what there is."""
    wrong = f'"{"0" * 32}"'
    charlie, rita = program("charlie", "blue"), program("rita", "red")
    foreign = renamed(charlie, server, "mine", wrong)
    missing = renamed(charlie, f"{SERVERS}/{uuid.uuid4()}", "mine", wrong)
    assert assert_fault(foreign, 404) == assert_fault(missing, 404)
    assert_fault(renamed(rita, server, "mine", wrong), 403)
    answer = alice.put(server, {"server": {"name": 1}}, headers={"If-Match": wrong})
    assert_fault(answer, 400)


def test_a_refused_change_is_in_the_record_and_the_next_is_free(alice, server, cloud):
    assert_fault(renamed(alice, server, "hers", '"old"'), 412)
    session.rollback()
    entries = session.scalars(select(Activity).where(Activity.refused != "")).all()
    assert [each.action for each in entries] == ["instances.update"]
    details = Details(description="mine")
    instance_id = uuid.UUID(server.rpartition("/")[2])
    instances.describe(cloud.actor("alice"), cloud.project().id, instance_id, details)


def test_where_nothing_bears_a_mark_none_is_taken(alice):
    body = {"keypair": {"name": "laptop"}}
    answer = alice.post("/compute/v2.1/os-keypairs", body, headers={"If-Match": '"x"'})
    assert_fault(answer, 400)
