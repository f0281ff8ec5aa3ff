"""Users, projects, roles and who has which, as clients read and change them."""

import pytest
from sqlalchemy import event, select

from portal.api import roles
from portal.db import session
from portal.models import Role, User
from portal.services import deletions, projects
from tests.api.shapes import assert_fault
from tests.cloud import PASSWORD
from tests.programs import by_password

V3 = "/identity/v3"
NEW_PASSWORD = "lantern 7 gravel orchid moth"


@pytest.fixture
def ada(program):
    return program("ada", "red")


def id_of(name: str) -> str:
    return session.scalar(select(User.id).where(User.name == name)).hex


def names(answer, noun: str) -> list[str]:
    return [each["name"] for each in answer.json[noun]]


def granted(cloud, user: str, role: str, project: str = "red") -> str:
    there = cloud.project(project).id.hex
    return f"{V3}/projects/{there}/users/{id_of(user)}/roles/{roles.IDS[role].hex}"


def role_of(cloud, user: str, project: str = "red") -> Role | None:
    session.rollback()
    held = cloud.actor(user).projects
    return held.get(cloud.project(project).id)


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


@pytest.mark.parametrize("more", [{"domain_id": "other"}, {"parent_id": "0" * 32}, {"odd": 1}])
def test_a_project_is_in_the_one_domain_and_in_no_other_project(ada, more):
    assert_fault(ada.post(f"{V3}/projects", {"project": {"name": "green"} | more}), 400)


def test_a_user_who_is_made_signs_in_at_once(ada, program):
    wish = {"user": {"name": "dora", "password": NEW_PASSWORD, "email": "d@example.org"}}
    answer = ada.post(f"{V3}/users", wish)
    assert answer.status_code == 201
    assert NEW_PASSWORD not in answer.text
    body = by_password("dora", password=NEW_PASSWORD)
    assert program().post(f"{V3}/auth/tokens", body).status_code == 201
    assert names(ada.get(f"{V3}/users?name=dora"), "users") == ["dora"]
    assert names(ada.get(f"{V3}/users"), "users") == [
        "ada",
        "alice",
        "bob",
        "charlie",
        "dora",
        "rita",
    ]


def test_a_password_that_would_soon_be_guessed_is_refused_by_programs_too(ada):
    wish = {"user": {"name": "dora", "password": "password1234"}}
    assert "guessed" in assert_fault(ada.post(f"{V3}/users", wish), 400)


def test_an_administrator_sets_a_password_and_whether_somebody_may_sign_in(ada, program):
    bob = program("bob", "red")
    path = f"{V3}/users/{id_of('bob')}"
    assert ada.patch(path, {"user": {"password": NEW_PASSWORD}}).status_code == 200
    assert_fault(bob.get(f"{V3}/auth/catalog"), 401)
    body = by_password("bob", "red", NEW_PASSWORD)
    assert program().post(f"{V3}/auth/tokens", body).status_code == 201
    answer = ada.patch(path, {"user": {"enabled": False}})
    assert answer.json["user"]["enabled"] is False
    assert_fault(program().post(f"{V3}/auth/tokens", body), 401)
    both = {"user": {"enabled": True, "password": PASSWORD}}
    assert_fault(ada.patch(path, both), 400)


def test_one_changes_ones_own_password_by_the_one_that_one_has(program):
    bob = program("bob", "red")
    path = f"{V3}/users/{id_of('bob')}/password"
    wrong = {"user": {"original_password": "wrong", "password": NEW_PASSWORD}}
    assert_fault(bob.post(path, wrong), 401)
    right = {"user": {"original_password": PASSWORD, "password": NEW_PASSWORD}}
    assert_fault(program("alice", "red").post(path, right), 403)
    assert bob.post(path, right).status_code == 204
    assert_fault(bob.get(f"{V3}/auth/catalog"), 401)
    program().sign_in("bob", "red", NEW_PASSWORD)


def test_a_credential_changes_no_password(program):
    bob = program("bob", "red")
    path = f"{V3}/users/{id_of('bob')}"
    wish = {"application_credential": {"name": "ci"}}
    made = bob.post(f"{path}/application_credentials", wish).json["application_credential"]
    said = {"id": made["id"], "secret": made["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": said}
    answer = program().post(f"{V3}/auth/tokens", {"auth": {"identity": identity}})
    bob.token = answer.headers["X-Subject-Token"]
    right = {"user": {"original_password": PASSWORD, "password": NEW_PASSWORD}}
    assert_fault(bob.post(f"{path}/password", right), 403)


def test_users_see_themselves_and_where_they_may_go(program, ada):
    path = f"{V3}/users/{id_of('alice')}"
    alice = program("alice", "red")
    assert alice.get(path).json["user"]["name"] == "alice"
    assert_fault(program("bob", "red").get(path), 403)
    for each in (alice, ada):
        assert names(each.get(f"{path}/projects"), "projects") == ["red"]
    assert names(program("ada").get(f"{V3}/users/{id_of('ada')}/projects"), "projects") == [
        "blue",
        "red",
    ]


def test_there_are_four_roles_and_they_are_found_by_name(ada):
    assert names(ada.get(f"{V3}/roles"), "roles") == ["reader", "member", "manager", "admin"]
    [found] = ada.get(f"{V3}/roles?name=member").json["roles"]
    assert ada.get(f"{V3}/roles/{found['id']}").json["role"] == found
    assert ada.get(f"{V3}/roles?name=none").json["roles"] == []
    assert_fault(ada.get(f"{V3}/roles/{'0' * 32}"), 404)


def test_roles_are_given_looked_for_and_taken(cloud, program):
    alice = program("alice", "red")
    path = granted(cloud, "charlie", "member")
    assert_fault(alice.get(path), 404)
    for _ in range(2):
        assert alice.put(path).status_code == 204
    assert role_of(cloud, "charlie") is Role.MEMBER
    assert alice.get(path).status_code == 204
    assert alice.ask("HEAD", path).status_code == 204
    assert alice.get(granted(cloud, "charlie", "reader")).status_code == 204
    assert alice.get(granted(cloud, "charlie", "manager")).status_code == 404
    assert alice.delete(path).status_code == 204
    assert role_of(cloud, "charlie") is None
    assert_fault(alice.delete(path), 404)


def test_a_weaker_role_takes_nothing_from_a_stronger_one(cloud, program):
    alice = program("alice", "red")
    assert alice.put(granted(cloud, "bob", "reader")).status_code == 204
    assert role_of(cloud, "bob") is Role.MEMBER
    assert_fault(alice.delete(granted(cloud, "bob", "reader")), 409)
    assert alice.put(granted(cloud, "bob", "manager")).status_code == 204
    assert role_of(cloud, "bob") is Role.ADMIN


def test_a_project_keeps_an_administrator(cloud, program):
    alice = program("alice", "red")
    assert_fault(alice.delete(granted(cloud, "alice", "manager")), 400)
    assert role_of(cloud, "alice") is Role.ADMIN


def test_nobody_comes_to_look_after_the_cloud_by_way_of_a_project(cloud, program, ada):
    for each in (program("alice", "red"), ada):
        assert "page of the user" in assert_fault(each.put(granted(cloud, "bob", "admin")), 400)
    assert role_of(cloud, "bob") is Role.MEMBER
    assert cloud.actor("bob").system is None


def test_roles_in_a_project_that_is_being_deleted_stay_as_they_are(cloud, program, ada):
    deletions.delete(cloud.actor("ada"), cloud.project("blue").id)
    assert_fault(ada.put(granted(cloud, "bob", "member", "blue")), 409)


def assignments(answer) -> set[tuple]:
    return {
        (
            each["user"]["name"],
            each["role"]["name"],
            each["scope"].get("project", {}).get("name", "system"),
        )
        for each in answer.json["role_assignments"]
    }


def test_who_has_which_role_is_shown_to_who_may_know(cloud, program, ada):
    path = f"{V3}/role_assignments?include_names=True"
    red = {("alice", "manager", "red"), ("bob", "member", "red"), ("rita", "reader", "red")}
    everything = red | {("charlie", "manager", "blue"), ("ada", "admin", "system")}
    assert assignments(ada.get(path)) == everything
    mine = f"{path}&scope.project.id={cloud.project().id.hex}"
    rita = program("rita", "red")
    assert assignments(rita.get(mine)) == red
    assert assignments(rita.get(f"{path}&user.id={id_of('rita')}")) == {("rita", "reader", "red")}
    assert_fault(rita.get(path), 403)
    assert_fault(rita.get(f"{path}&user.id={id_of('bob')}"), 403)
    assert_fault(rita.get(f"{path}&scope.project.id={cloud.project('blue').id.hex}"), 404)
    manager = f"{mine}&role.id={roles.IDS['manager'].hex}"
    assert assignments(rita.get(manager)) == {("alice", "manager", "red")}
    assert assignments(ada.get(f"{path}&scope.system=all")) == {("ada", "admin", "system")}


def test_services_and_where_they_are_reached_are_those_of_the_catalog(ada):
    catalog = ada.get(f"{V3}/auth/catalog").json["catalog"]
    services = ada.get(f"{V3}/services").json["services"]
    endpoints = ada.get(f"{V3}/endpoints").json["endpoints"]
    assert [each["id"] for each in services] == [each["id"] for each in catalog]
    assert [each["id"] for each in endpoints] == [
        each["id"] for entry in catalog for each in entry["endpoints"]
    ]
    for noun, found in (("service", services), ("endpoint", endpoints)):
        assert ada.get(f"{V3}/{noun}s/{found[0]['id']}").json[noun] == found[0]
    [region] = ada.get(f"{V3}/regions").json["regions"]
    assert region["id"] == endpoints[0]["region_id"]
    assert ada.get(f"{V3}/services?type=none").json["services"] == []
    assert len(ada.get(f"{V3}/endpoints?interface=public").json["endpoints"]) == len(services)


@pytest.mark.parametrize("path", ["projects", "role_assignments?include_names"])
def test_lists_take_as_many_statements_however_long_they_are(cloud, ada, path):
    def sent():
        statements = []
        listen = lambda *given: statements.append(given[2])  # noqa: E731
        event.listen(session.get_bind(), "before_cursor_execute", listen)
        assert ada.get(f"{V3}/{path}").status_code == 200
        event.remove(session.get_bind(), "before_cursor_execute", listen)
        return len(statements)

    sent()
    few = sent()
    for number in range(12):
        made = projects.create(cloud.actor("ada"), f"more-{number}")
        projects.set_member(cloud.actor("ada"), made.id, "bob", Role.READER)
    assert sent() == few
