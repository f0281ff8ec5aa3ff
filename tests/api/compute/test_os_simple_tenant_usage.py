"""What projects used, told by kept intervals: also of what is gone."""

import datetime

import pytest

from portal.db import session
from portal.models import UsageInterval
from tests.api.compute.test_servers import running
from tests.api.shapes import assert_fault
from tests.test_flat import statements

USAGE = "/compute/v2.1/os-simple-tenant-usage"
PAGED = {"headers": {"OpenStack-API-Version": "compute 2.40"}}


@pytest.fixture
def mine(cloud):
    return f"{USAGE}/{cloud.project('red').id.hex}"


@pytest.fixture
def now(cloud):
    return lambda **more: (cloud.clock() + datetime.timedelta(**more)).strftime("%Y-%m-%dT%H:%M:%S")


def used(program, path: str) -> dict:
    session.rollback()
    answer = program.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json["tenant_usage"]


def test_what_a_server_used_is_told_while_it_is_there_and_after(cloud, alice, mine, now):
    path = running(cloud, alice)
    began = now()
    cloud.clock.forward(hours=2)
    told = used(alice, f"{mine}?start={now(days=-1)}&end={now()}")
    [server] = told["server_usages"]
    assert told["total_hours"] == pytest.approx(2, abs=0.01)
    assert told["total_vcpus_usage"] == pytest.approx(2 * server["vcpus"], abs=0.01)
    assert (server["state"], server["ended_at"]) == ("active", None)
    alice.delete(path)
    cloud.settle()
    cloud.clock.forward(hours=5)
    told = used(alice, f"{mine}?start={now(days=-1)}&end={now()}")
    [server] = told["server_usages"]
    assert server["state"] == "terminated"
    assert server["hours"] == pytest.approx(2, abs=0.01)
    assert used(alice, f"{mine}?start={now(hours=-1)}&end={now()}") == {}
    half = used(alice, f"{mine}?start={began}&end={now(hours=-6)}")
    assert half["total_hours"] == pytest.approx(1, abs=0.01)


def test_what_never_ran_used_nothing(cloud, alice, mine):
    cloud.silent.add("kvm-1")
    cloud.create("web")
    assert used(alice, mine) == {}


def test_the_whole_clouds_usage_is_for_who_looks_after_it(cloud, alice, program, now):
    running(cloud, alice)
    running(cloud, program("charlie", "blue"))
    cloud.clock.forward(hours=1)
    assert_fault(alice.get(USAGE), 403)
    ada = program("ada", "red")
    told = ada.get(f"{USAGE}?start={now(days=-1)}&end={now()}").json["tenant_usages"]
    assert {each["tenant_id"] for each in told} == {
        cloud.project(name).id.hex for name in ("red", "blue")
    }
    assert all("server_usages" not in each for each in told)
    [first, _] = ada.get(f"{USAGE}?detailed=1").json["tenant_usages"]
    assert len(first["server_usages"]) == 1


def test_a_long_list_is_read_a_part_at_a_time(cloud, alice, mine):
    for name in ("one", "two", "three"):
        running(cloud, alice, name)
    seen, following = [], f"{mine}?limit=2"
    while following:
        answer = alice.get(following.removeprefix("http://localhost"), **PAGED).json
        seen += [each["name"] for each in answer["tenant_usage"]["server_usages"]]
        following = answer.get("tenant_usage_links", [{"href": ""}])[0]["href"]
    assert sorted(seen) == ["one", "three", "two"]
    assert_fault(alice.get(f"{mine}?marker=nothing", **PAGED), 400)
    assert_fault(alice.get(f"{mine}?limit=-1", **PAGED), 400)


def test_however_many_there_are_it_takes_as_many_statements(cloud, alice, mine):
    counts = []
    for name in ("one", "two"):
        running(cloud, alice, name)
        session.rollback()
        with statements() as sent:
            alice.get(mine)
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 5


@pytest.mark.parametrize(
    "asked",
    [
        "start=soon",
        "end=2026-13-01",
        "end=0001-01-01",
        "start=2026-01-02T00:00:00&end=2026-01-01T00:00:00",
    ],
)
def test_a_time_that_cannot_be_is_refused(alice, mine, asked):
    assert_fault(alice.get(f"{mine}?{asked}"), 400)


def test_moments_are_read_as_clients_write_them(alice, mine):
    for text in ("2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00.5", "2026-01-01T00:00Z"):
        assert alice.get(f"{mine}?start={text}").status_code == 200, text


def test_what_is_anothers_is_not_there(program, mine):
    assert_fault(program("charlie", "blue").get(mine), 404)


def test_one_interval_is_kept_for_an_instance(cloud, alice):
    path = running(cloud, alice)
    alice.post(f"{path}/action", {"reboot": {"type": "HARD"}})
    cloud.settle()
    session.rollback()
    [kept] = session.query(UsageInterval)
    assert kept.ended_at is None
