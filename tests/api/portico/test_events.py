"""What programs are told of a project's events."""

import pytest

from portal.services import events
from tests.api.shapes import assert_fault

EVENTS = "/portico/v1/events"


@pytest.fixture
def begun(alice) -> str:
    while events.number():
        continue
    answer = alice.get(EVENTS)
    assert answer.json["events"] == []
    return answer.json["after"]


def test_a_program_follows_a_change(alice, begun, cloud):
    cloud.running("web")
    events.number()
    answer = alice.get(f"{EVENTS}?after={begun}").json
    *both, ended = answer["events"]
    entry, began = sorted(both, key=lambda each: each["type"])
    assert entry["activity"]["action"] == "instances:create"
    assert entry["activity"]["operation_id"] == began["operation"]["id"] == ended["operation"]["id"]
    assert (began["operation"]["state"], ended["operation"]["state"]) == ("under way", "done")
    assert answer["after"] == ended["id"]
    assert alice.get(f"{EVENTS}?after={answer['after']}&wait=30").json["events"] == []


def test_pages_are_bounded(alice, begun, cloud):
    cloud.running("web")
    events.number()
    assert len(alice.get(f"{EVENTS}?after={begun}&limit=1").json["events"]) == 1
    assert len(alice.get(f"{EVENTS}?after={begun}&limit=0").json["events"]) == 1


def test_a_place_that_is_not_known_is_gone(alice, begun):
    assert "kept for 7 days" in assert_fault(alice.get(f"{EVENTS}?after=1-00000000"), 410)


@pytest.mark.parametrize("query", ["limit=x", "wait=soon", "wait=1.5"])
def test_what_is_no_number_is_refused(alice, query):
    assert_fault(alice.get(f"{EVENTS}?{query}"), 400)


def test_events_are_of_a_project(program):
    assert_fault(program("ada", "system").get(EVENTS), 400)
