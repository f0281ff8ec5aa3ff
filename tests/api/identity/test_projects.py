"""Projects, as clients read and change them."""

import pytest

from tests.api.identity.people import V3, id_of, names
from tests.api.shapes import assert_fault


@pytest.fixture
def ada(program):
    return program("ada", "red")


def test_projects_are_made_and_found_by_name(ada):
    wish = {"project": {"name": "green", "description": "of trees", "domain_id": "default"}}
    answer = ada.post(f"{V3}/projects", wish)
    assert answer.status_code == 201
    made = answer.json["project"]
    assert (made["name"], made["description"]) == ("green", "of trees")
    assert_fault(ada.get(f"{V3}/projects/green"), 404)
    assert ada.get(f"{V3}/projects?name=green").json["projects"] == [made]
    assert ada.get(f"{V3}/projects/{made['id']}").json["project"] == made
    assert_fault(ada.post(f"{V3}/projects", wish), 409)


@pytest.mark.parametrize(
    ("more", "status"),
    [({"domain_id": "other"}, 404), ({"parent_id": "0" * 32}, 400), ({"odd": 1}, 400)],
)
def test_a_project_is_in_the_one_domain_and_in_no_other_project(ada, more, status):
    assert_fault(ada.post(f"{V3}/projects", {"project": {"name": "green"} | more}), status)


def test_of_changes_to_a_project_all_are_made_or_none(cloud, program):
    ada = program("ada", "blue")
    path = f"{V3}/projects/{cloud.project().id.hex}"
    changes = {"name": "scarlet", "description": "of roses", "enabled": False, "tags": ["b", "a"]}
    changed = ada.patch(path, {"project": changes}).json["project"]
    assert changed == ada.get(path).json["project"]
    assert (changed["name"], changed["enabled"], changed["tags"]) == ("scarlet", False, ["a", "b"])
    for wrong, status in (({"name": "blue"}, 409), ({"tags": ["a", "a"]}, 400), ({"odd": 1}, 400)):
        assert_fault(ada.patch(path, {"project": {"description": "other"} | wrong}), status)
    assert ada.get(path).json["project"] == changed


def test_a_project_is_born_as_it_was_asked_for(ada):
    wish = {"name": "green", "enabled": False, "tags": ["of trees"], "options": {}}
    made = ada.post(f"{V3}/projects", {"project": wish}).json["project"]
    assert wish.items() <= made.items()
    assert names(ada.get(f"{V3}/projects?enabled=false"), "projects") == ["green"]


def test_a_project_that_is_being_deleted_is_gone_at_once(cloud, ada, program):
    cloud.running("web")
    path = f"{V3}/projects/{cloud.project().id.hex}"
    assert_fault(program("alice", "red").delete(path), 403)
    ada = program("ada", "blue")
    assert ada.delete(path).status_code == 204
    assert_fault(ada.get(path), 404)
    assert_fault(ada.delete(path), 404)
    assert_fault(ada.patch(path, {"project": {"name": "scarlet"}}), 404)
    assert names(ada.get(f"{V3}/projects"), "projects") == ["blue"]


def test_projects_are_tagged_one_by_one(cloud, ada, program):
    path = f"{V3}/projects/{cloud.project().id.hex}/tags"
    assert ada.put(f"{path}/night").status_code == 201
    assert ada.put(path, {"tags": ["night", "day"]}).json["tags"] == ["day", "night"]
    rita = program("rita", "red")
    assert rita.get(path).json["tags"] == ["day", "night"]
    assert rita.get(f"{path}/day").status_code == 204
    assert_fault(rita.delete(f"{path}/day"), 403)
    assert ada.delete(f"{path}/day").status_code == 204
    assert_fault(ada.get(f"{path}/day"), 404)
    assert_fault(ada.put(f"{path}/a,b"), 400)
    assert ada.delete(path).status_code == 204
    assert ada.get(path).json["tags"] == []


def test_projects_are_narrowed_by_domain_and_by_who_is_in_them(ada):
    for query, expected in (
        ("domain_id=default", ["blue", "red"]),
        ("domain_id=other", []),
        ("parent_id=default", ["blue", "red"]),
        ("is_domain=true", []),
        (f"user_id={id_of('bob')}", ["red"]),
    ):
        assert names(ada.get(f"{V3}/projects?{query}"), "projects") == expected
