"""Tags of servers, as Nova has them from 2.26 on."""

import functools

import pytest

from tests.api.compute.test_servers import running
from tests.api.shapes import assert_fault

VERSION = {"headers": {"OpenStack-API-Version": "compute 2.26"}}


@pytest.fixture
def path(cloud, alice):
    return running(cloud, alice) + "/tags"


@pytest.fixture
def ask(alice):
    return functools.partial(alice.ask, **VERSION)


def tags(ask, path: str) -> list[str]:
    return ask("GET", path).json["tags"]


def test_a_tag_is_put_on_seen_and_taken_off(path, ask):
    assert tags(ask, path) == []
    new = ask("PUT", f"{path}/blue green")
    assert (new.status_code, new.data) == (201, b"")
    assert new.headers["Location"] == f"http://localhost{path}/blue%20green"
    again = ask("PUT", f"{path}/blue green")
    assert (again.status_code, "Location" in again.headers) == (204, True)
    assert tags(ask, path) == ["blue green"]
    assert ask("GET", f"{path}/blue green").status_code == 204
    assert ask("DELETE", f"{path}/blue green").status_code == 204
    assert_fault(ask("GET", f"{path}/blue green"), 404)
    assert_fault(ask("DELETE", f"{path}/blue green"), 404)


def test_all_tags_are_replaced_and_cleared(path, ask):
    ask("PUT", f"{path}/old")
    replaced = ask("PUT", path, json={"tags": ["a", "b", "a"]})
    assert (replaced.status_code, replaced.json) == (200, {"tags": ["a", "b"]})
    assert ask("DELETE", path).status_code == 204
    assert tags(ask, path) == []


@pytest.mark.parametrize(
    "wrong", [["x" * 61], ["a/b"], ["a,b"], [""], [1], "web", [str(each) for each in range(51)]]
)
def test_tags_that_none_can_be_are_refused(path, ask, wrong):
    assert_fault(ask("PUT", path, json={"tags": wrong}), 400)


def test_one_tag_is_judged_like_all(path, ask):
    assert_fault(ask("PUT", f"{path}/a,b"), 400)
    assert_fault(ask("PUT", f"{path}/%00"), 400)
    assert_fault(ask("PUT", f"{path}/{'x' * 61}"), 400)
    ask("PUT", path, json={"tags": [str(each) for each in range(50)]})
    assert_fault(ask("PUT", f"{path}/one-more"), 400)
    assert ask("PUT", f"{path}/49").status_code == 204


def test_before_their_version_there_are_none(path, alice):
    assert_fault(alice.get(path), 404)


def test_who_may_only_look_puts_on_none(path, program):
    rita = functools.partial(program("rita", "red").ask, **VERSION)
    assert tags(rita, path) == []
    assert_fault(rita("PUT", f"{path}/mine"), 403)


def test_a_locked_servers_tags_are_its_administrators_alone(cloud, alice, program, path, ask):
    alice.post(path.replace("/tags", "/action"), {"lock": None})
    bob = functools.partial(program("bob", "red").ask, **VERSION)
    assert_fault(bob("PUT", f"{path}/mine"), 409)
    assert ask("PUT", f"{path}/ours").status_code == 201
