"""Quotas in Nova's words: seen by whose they are, set by administrators of the cloud."""

import functools

import pytest

from portal.services import quotas
from tests.api.compute.test_servers import running
from tests.api.shapes import assert_fault

NETWORKS = {"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}
FILES = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
ALWAYS = {"instances", "cores", "ram", "metadata_items", "key_pairs"} | {
    "server_groups",
    "server_group_members",
}


@pytest.fixture
def path(cloud):
    return f"/compute/v2.1/os-quota-sets/{cloud.project('red').id.hex}"


@pytest.fixture
def ada(program):
    return program("ada", "red")


def at(version: str) -> dict:
    return {"headers": {"OpenStack-API-Version": f"compute {version}"}}


def set_of(answer) -> dict:
    assert answer.status_code == 200, answer.text
    return answer.json["quota_set"]


@pytest.mark.parametrize("part", ["", "/defaults", "/detail"])
@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("2.1", ALWAYS | NETWORKS | FILES),
        ("2.36", ALWAYS | FILES),
        ("2.57", ALWAYS),
    ],
)
def test_a_quota_is_seen_in_the_words_of_each_version(alice, path, part, version, names):
    shown = set_of(alice.get(path + part, **at(version)))
    assert shown.keys() == names | {"id"}
    assert shown["id"] == path.rpartition("/")[2]


def test_what_is_used_is_told_beside_what_may_be(cloud, alice, path):
    running(cloud, alice)
    shown = set_of(alice.get(f"{path}/detail"))
    assert shown["instances"] == {"limit": 20, "in_use": 1, "reserved": 0}
    assert set_of(alice.get(path)) == set_of(alice.get(f"{path}/defaults"))


def test_a_quota_is_set_and_taken_back(cloud, alice, ada, path):
    changed = ada.put(path, {"quota_set": {"instances": 7, "cores": "-1"}})
    assert set_of(changed)["cores"] == -1
    assert "id" not in set_of(changed)
    assert set_of(alice.get(path))["instances"] == 7
    assert set_of(alice.get(f"{path}/detail"))["cores"]["limit"] == -1
    assert ada.delete(path).status_code == 202
    assert set_of(alice.get(path)) == set_of(alice.get(f"{path}/defaults"))


def test_less_than_is_used_has_to_be_forced(cloud, alice, ada, path):
    running(cloud, alice)
    said = assert_fault(ada.put(path, {"quota_set": {"instances": 0}}), 400)
    assert "greater than or equal to already used" in said
    assert set_of(ada.put(path, {"quota_set": {"instances": 0, "force": True}}))["instances"] == 0


@pytest.mark.parametrize(
    ("wish", "version"),
    [
        ({"instances": -2}, "2.1"),
        ({"instances": "many"}, "2.1"),
        ({"tables": 3}, "2.1"),
        ({"key_pairs": 3}, "2.1"),
        ({"security_groups": 3}, "2.36"),
        ({"injected_files": 0}, "2.57"),
        ({"instances": 10**10}, "2.1"),
    ],
    ids=str,
)
def test_a_quota_that_cannot_be_is_refused(ada, path, wish, version):
    assert_fault(ada.put(path, {"quota_set": wish}, **at(version)), 400)


def test_administrators_of_a_project_set_none(alice, path, program):
    assert_fault(alice.put(path, {"quota_set": {"instances": 7}}), 403)
    assert_fault(alice.delete(path), 403)
    charlie = functools.partial(program("charlie", "blue").ask, "GET")
    for part in ("", "/defaults", "/detail"):
        assert_fault(charlie(path + part), 404)


def test_a_limit_that_was_taken_back_is_in_the_record(cloud, ada, path):
    ada.put(path, {"quota_set": {"instances": 7}})
    ada.delete(path)
    assert quotas.usage(cloud.project("red").id)["instances"].limit == 20
