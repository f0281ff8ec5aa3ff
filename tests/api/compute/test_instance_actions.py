"""What was asked to be done to a server is listed by the numbers of the requests."""

import pytest

from portal.db import session
from portal.services import instances
from tests.api.compute.test_servers import act, create, running
from tests.api.shapes import assert_fault
from tests.test_flat import statements

MOST = 6  # statements of a list, the token's among them


def at(version: str) -> dict:
    return {"headers": {"OpenStack-API-Version": f"compute {version}"}}


@pytest.fixture
def path(cloud, alice):
    return running(cloud, alice) + "/os-instance-actions"


def names(program, path: str, version: str = "2.1") -> list[str]:
    return [each["action"] for each in program.get(path, **at(version)).json["instanceActions"]]


def test_actions_are_listed_newest_first_and_found_by_their_requests(cloud, alice):
    made = create(alice)
    request_id = made.headers["X-Compute-Request-Id"]
    path = f"/compute/v2.1/servers/{made.json['server']['id']}"
    cloud.settle()
    act(alice, path, reboot={"type": "HARD"})
    assert names(alice, f"{path}/os-instance-actions") == ["reboot", "create"]
    found = alice.get(f"{path}/os-instance-actions/{request_id}").json["instanceAction"]
    assert (found["action"], found["request_id"]) == ("create", request_id)
    assert found["instance_uuid"] == made.json["server"]["id"]
    assert found["message"] is None
    assert "events" not in found
    assert_fault(alice.get(f"{path}/os-instance-actions/999"), 404)


def test_what_people_click_is_there_too(cloud, alice, path):
    actor, project_id = cloud.actor("alice"), cloud.project("red").id
    instance = instances.find(actor, project_id, "web")
    instances.force_stop(actor, project_id, instance.id)
    cloud.settle()
    assert names(alice, path) == ["stop", "create"]


def test_events_are_for_administrators_and_from_2_51_for_all(cloud, program, alice, path):
    [action] = alice.get(path).json["instanceActions"]
    one = f"{path}/{action['request_id']}"
    ada = program("ada", "red")
    [*events] = ada.get(one).json["instanceAction"]["events"]
    assert {each["result"] for each in events} == {"Success"}
    assert set(events[0]) == {"event", "start_time", "finish_time", "result", "traceback"}
    [later, *_] = alice.get(one, **at("2.51")).json["instanceAction"]["events"]
    assert "traceback" not in later
    [latest, *_] = alice.get(one, **at("2.84")).json["instanceAction"]["events"]
    assert set(latest) - set(later) == {"hostId", "details"}
    assert ada.get(one, **at("2.62")).json["instanceAction"]["events"][0]["host"] == "kvm-1"


def test_a_deleted_server_is_remembered_from_2_21_on(cloud, alice, path):
    alice.delete(path.replace("/os-instance-actions", ""))
    cloud.settle()
    assert_fault(alice.get(path, **at("2.20")), 404)
    assert names(alice, path, "2.21") == ["delete", "create"]


def test_a_long_list_is_read_a_part_at_a_time(cloud, alice, path):
    for _ in range(3):
        act(alice, path.replace("/os-instance-actions", ""), reboot={"type": "HARD"})
        cloud.settle()
    seen, following = [], f"{path}?limit=2"
    while following:
        answer = alice.get(following.removeprefix("http://localhost"), **at("2.58")).json
        seen += [each["request_id"] for each in answer["instanceActions"]]
        assert all("updated_at" in each for each in answer["instanceActions"])
        following = answer["links"][0]["href"] if "links" in answer else ""
    assert len(seen) == len(set(seen)) == 4
    assert_fault(alice.get(f"{path}?marker=req-none", **at("2.58")), 400)
    assert_fault(alice.get(f"{path}?limit=-1", **at("2.58")), 400)
    assert_fault(alice.get(f"{path}?changes-since=soon", **at("2.58")), 400)
    future = f"{path}?changes-since=2100-01-01T00:00:00Z"
    assert names(alice, future, "2.58") == []
    assert len(names(alice, f"{path}?changes-before=2100-01-01T00:00:00Z", "2.66")) == 4


def test_a_list_takes_as_many_statements_however_long_it_is(cloud, alice, path):
    counts = []
    for _ in range(3):
        session.rollback()
        with statements() as sent:
            alice.get(path)
        counts.append(len(sent))
        act(alice, path.replace("/os-instance-actions", ""), reboot={"type": "HARD"})
        cloud.settle()
    assert len(set(counts)) == 1
    assert counts[0] <= MOST, sent


def test_what_is_anothers_is_not_there(program, path):
    charlie = program("charlie", "blue")
    assert_fault(charlie.get(path), 404)
    assert_fault(charlie.get(path, **at("2.21")), 404)
