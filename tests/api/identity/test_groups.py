"""Groups, as clients read and change them, and what people have by them."""

import pytest
from sqlalchemy import func, select

from portal.api import roles
from portal.db import session
from portal.models import Group, GroupMember, Role, RoleAssignment, User
from portal.policies import ACCOUNT, PROJECT, SYSTEM
from portal.services import departures, grants, projects
from portal.services.grants import Holder, Level
from tests.api.identity.people import V3, granted, id_of, names, role_of
from tests.api.shapes import assert_fault
from tests.programs import by_password

LEVELS = {
    "reader": Level(Role.READER),
    "member": Level(Role.MEMBER),
    "manager": Level(Role.ADMIN),
    "admin": Level(Role.ADMIN, of_cloud=True),
}


@pytest.fixture
def ada(program):
    return program("ada", "red")


@pytest.fixture
def crew(ada) -> str:
    """The path of a group that Charlie is in."""
    made = ada.post(f"{V3}/groups", {"group": {"name": "crew"}}).json["group"]
    path = f"{V3}/groups/{made['id']}"
    assert ada.put(f"{path}/users/{id_of('charlie')}").status_code == 204
    return path


def of_crew(cloud, crew: str, role: str, where: str = "red") -> str:
    place = "system" if where == "system" else f"projects/{cloud.project(where).id.hex}"
    return f"{V3}/{place}/groups/{crew.rpartition('/')[2]}/roles/{roles.IDS[role].hex}"


def test_groups_are_made_found_changed_and_deleted(ada, program):
    wish = {"group": {"name": "crew", "description": "of the ship", "domain_id": "default"}}
    answer = ada.post(f"{V3}/groups", wish)
    assert answer.status_code == 201
    made = answer.json["group"]
    assert (made["name"], made["description"], made["domain_id"]) == (
        "crew",
        "of the ship",
        "default",
    )
    assert_fault(ada.post(f"{V3}/groups", wish), 409)
    assert ada.get(f"{V3}/groups?name=crew&domain_id=default").json["groups"] == [made]
    path = f"{V3}/groups/{made['id']}"
    changed = ada.patch(path, {"group": {"name": "sailors"}}).json["group"]
    assert (changed["name"], changed["description"]) == ("sailors", "of the ship")
    assert ada.get(path).json["group"] == changed
    for each in (program("alice", "red"), program("rita", "red")):
        assert_fault(each.get(f"{V3}/groups"), 403)
    assert ada.delete(path).status_code == 204
    assert_fault(ada.get(path), 404)


def test_people_are_put_into_a_group_and_taken_out(ada, crew, program):
    assert names(ada.get(f"{crew}/users"), "users") == ["charlie"]
    member = f"{crew}/users/{id_of('bob')}"
    assert_fault(ada.get(member), 404)
    for _ in range(2):
        assert ada.put(member).status_code == 204
    assert ada.ask("HEAD", member).status_code == 204
    assert names(ada.get(f"{crew}/users"), "users") == ["bob", "charlie"]
    bob = program("bob", "red")
    assert names(bob.get(f"{V3}/users/{id_of('bob')}/groups"), "groups") == ["crew"]
    assert_fault(bob.put(member), 403)
    assert ada.delete(member).status_code == 204
    assert_fault(ada.delete(member), 404)
    assert_fault(ada.put(f"{crew}/users/{'0' * 32}"), 404)


def test_what_a_group_is_given_everybody_in_it_has_and_loses(cloud, ada, crew, program):
    path = of_crew(cloud, crew, "member")
    assert ada.put(path).status_code == 204
    assert ada.get(path).status_code == 204
    assert names(ada.get(path.rpartition("/")[0]), "roles") == ["member"]
    charlie = program("charlie", "red")
    token = program().post(f"{V3}/auth/tokens", by_password("charlie", "red")).json["token"]
    assert [each["name"] for each in token["roles"]] == ["member", "reader"]
    assert names(charlie.get(f"{V3}/auth/projects"), "projects") == ["blue", "red"]
    assert names(ada.get(f"{V3}/users/{id_of('charlie')}/projects"), "projects") == ["blue", "red"]
    assert ada.delete(path).status_code == 204
    assert_fault(charlie.get(f"{V3}/auth/catalog"), 401)
    assert role_of(cloud, "charlie") is None


def test_the_strongest_counts_of_what_somebody_has_and_their_groups_have(cloud, ada, crew):
    ada.put(f"{crew}/users/{id_of('bob')}")
    ada.put(of_crew(cloud, crew, "reader"))
    assert role_of(cloud, "bob") is Role.MEMBER
    ada.put(of_crew(cloud, crew, "manager"))
    assert role_of(cloud, "bob") is Role.ADMIN
    ada.delete(granted(cloud, "bob", "member"))
    assert role_of(cloud, "bob") is Role.ADMIN


@pytest.mark.parametrize("role", LEVELS)
@pytest.mark.parametrize("where", ["red", None])
def test_by_a_group_people_may_just_what_they_may_by_themselves(cloud, program, crew, role, where):
    """The same for every permission there is, on pages and by a token."""
    level = LEVELS[role]
    if where is None and role == "manager":
        pytest.skip("there is none in the cloud")
    ada, place = cloud.actor("ada"), cloud.project("red").id if where else None
    level = level if where else Level(level.role)
    group = session.scalar(select(Group.id).where(Group.name == "crew"))
    found = []
    for holder in (Holder(User, cloud.actor("charlie").user_id), Holder(Group, group)):
        grants.give(ada, place, holder, level)
        session.rollback()
        token = program("charlie", "red")
        found.append((everything(cloud), said(token)))
        grants.take(ada, place, holder, level)
    assert found[0] == found[1]
    assert True in found[0][0].values()


def everything(cloud) -> dict[str, bool]:
    """What Charlie may in the project red, and what with the cloud."""
    charlie, red = cloud.actor("charlie"), cloud.project("red").id
    return {each: charlie.may(each, red) for each in (*PROJECT, *SYSTEM, *ACCOUNT)}


def said(program) -> list[str]:
    """The roles that a token says it has."""
    headers = {"X-Subject-Token": program.token}
    token = program.get(f"{V3}/auth/tokens", headers=headers).json["token"]
    return [each["name"] for each in token["roles"]]


def test_a_group_in_the_whole_cloud_administers_it(cloud, ada, crew, program):
    assert ada.put(of_crew(cloud, crew, "admin", "system")).status_code == 204
    assert program("charlie", "system").get(f"{V3}/users").status_code == 200
    member = f"{crew}/users/{id_of('charlie')}"
    own = f"{V3}/system/users/{id_of('ada')}/roles/{roles.IDS['admin'].hex}"
    assert ada.delete(own).status_code == 204
    charlie = program("charlie", "red")
    for refused in (
        charlie.delete(member),
        charlie.delete(crew),
        charlie.delete(of_crew(cloud, crew, "admin", "system")),
    ):
        assert "last administrator" in assert_fault(refused, 400)
    assert charlie.put(own).status_code == 204
    assert charlie.delete(member).status_code == 204
    assert_fault(charlie.get(f"{V3}/users"), 401)


def test_who_has_a_role_by_a_group_is_listed_one_by_one_where_that_is_asked(cloud, ada, crew):
    ada.put(of_crew(cloud, crew, "member"))
    red, path = cloud.project().id.hex, f"{V3}/role_assignments?include_names"
    group, charlie = crew.rpartition("/")[2], id_of("charlie")
    [found] = ada.get(f"{path}&group.id={group}").json["role_assignments"]
    assert (found["group"]["name"], found["role"]["name"]) == ("crew", "member")
    assert "user" not in found
    assert (
        ada.get(f"{path}&scope.project.id={red}&user.id={charlie}").json["role_assignments"] == []
    )
    effective = f"{path}&effective&scope.project.id={red}&user.id={charlie}"
    found = ada.get(effective).json["role_assignments"]
    assert [each["role"]["name"] for each in found] == ["member", "reader"]
    assert found[0]["links"]["membership"].endswith(f"/groups/{group}/users/{charlie}")
    assert found[0]["links"]["assignment"].endswith(of_crew(cloud, crew, "member"))


def test_a_group_that_is_deleted_takes_its_roles_along_and_nobody_in_it(cloud, ada, crew):
    ada.put(of_crew(cloud, crew, "member"))
    assert ada.delete(crew).status_code == 204
    session.rollback()
    assert role_of(cloud, "charlie") is None
    assert session.scalar(select(func.count(GroupMember.id))) == 0
    held = RoleAssignment.group_id.is_not(None)
    assert session.scalar(select(func.count(RoleAssignment.id)).where(held)) == 0
    assert ada.get(f"{V3}/users/{id_of('charlie')}").status_code == 200


def test_whoever_leaves_is_in_no_group_any_more(cloud, ada, crew):
    departures.delete(cloud.actor("ada"), cloud.actor("charlie").user_id)
    assert ada.get(f"{crew}/users").json["users"] == []


def test_a_project_may_lose_an_admin_who_is_one_by_a_group_too(cloud, ada, crew, program):
    alice = program("alice", "red")
    assert_fault(alice.delete(granted(cloud, "alice", "manager")), 400)
    ada.put(of_crew(cloud, crew, "manager"))
    assert projects.member_counts([cloud.project().id])[cloud.project().id] == 4
    assert alice.delete(granted(cloud, "alice", "manager")).status_code == 204
