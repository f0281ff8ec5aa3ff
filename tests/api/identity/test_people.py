"""Users, and services, as clients read and change them."""

import dataclasses

import pytest
from sqlalchemy import event, func, select

from portal import config
from portal.db import session
from portal.models import PasswordUsed, Role
from portal.services import projects
from tests.api.identity.people import NEW_PASSWORD, THIRD_PASSWORD, V3, id_of, names
from tests.api.shapes import assert_fault
from tests.cloud import PASSWORD
from tests.programs import by_password


@pytest.fixture
def ada(program):
    return program("ada", "red")


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


def test_a_user_without_a_password_signs_in_once_one_is_set(ada, program):
    made = ada.post(f"{V3}/users", {"user": {"name": "dora"}}).json["user"]
    assert ada.patch(f"{V3}/users/{made['id']}", {"user": {"password": NEW_PASSWORD}}).json
    program().sign_in("dora", password=NEW_PASSWORD)


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
    assert ada.patch(path, both).json["user"]["enabled"] is True
    program().sign_in("bob", "red")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"name": "robert", "password": "password1234"}, 400),
        ({"name": "alice", "description": "twice"}, 409),
        ({"name": "robert", "default_project_id": "0" * 32}, 400),
        ({"name": "robert", "options": {"lock_password": True}}, 400),
        ({"name": "robert", "domain_id": "other"}, 404),
        ({"name": "robert", "id": "0" * 32}, 400),
    ],
)
def test_of_changes_to_a_user_all_are_made_or_none(ada, changes, status):
    path = f"{V3}/users/{id_of('bob')}"
    before = ada.get(path).json
    assert_fault(ada.patch(path, {"user": changes}), status)
    assert ada.get(path).json == before


def test_what_programs_say_of_a_user_is_kept_and_shown(cloud, ada, program):
    red = cloud.project().id.hex
    wish = {
        "name": "dora",
        "email": "d@example.org",
        "description": "of the night",
        "enabled": False,
        "default_project_id": red,
        "project_id": red,
    }
    made = ada.post(f"{V3}/users", {"user": wish | {"password": NEW_PASSWORD}}).json["user"]
    assert wish.items() <= made.items()
    path = f"{V3}/users/{made['id']}"
    changes = {"name": "theodora", "email": None, "enabled": True, "default_project_id": None}
    changed = ada.patch(path, {"user": changes}).json["user"]
    assert (changed["name"], changed["enabled"]) == ("theodora", True)
    assert not {"email", "default_project_id"} & set(changed)
    assert ada.get(path).json["user"] == changed
    program().sign_in("theodora", password=NEW_PASSWORD)


def test_nobody_locks_themselves_out(ada):
    path = f"{V3}/users/{id_of('ada')}"
    assert_fault(ada.patch(path, {"user": {"enabled": False}}), 400)
    assert_fault(ada.delete(path), 400)
    assert ada.get(path).status_code == 200


def test_a_user_who_is_deleted_is_gone_at_once(ada, program):
    bob = program("bob", "red")
    path = f"{V3}/users/{id_of('bob')}"
    assert_fault(program("alice", "red").delete(path), 403)
    assert ada.delete(path).status_code == 204
    assert_fault(ada.get(path), 404)
    assert_fault(bob.get(f"{V3}/auth/catalog"), 401)


def test_without_a_scope_a_token_is_for_the_default_project(cloud, ada, program):
    path = f"{V3}/users/{id_of('bob')}"
    red, blue = (cloud.project(name).id.hex for name in ("red", "blue"))
    for project, expected in ((red, "red"), (blue, None)):
        ada.patch(path, {"user": {"default_project_id": project}})
        answer = program().post(f"{V3}/auth/tokens", by_password("bob")).json["token"]
        assert answer.get("project", {}).get("name") == expected
    ada.patch(path, {"user": {"default_project_id": red}})
    body = by_password("bob")
    body["auth"]["scope"] = "unscoped"
    assert "project" not in program().post(f"{V3}/auth/tokens", body).json["token"]


def test_passwords_that_somebody_had_are_not_taken_again(cloud, program, ada):
    config.use(dataclasses.replace(config.current(), passwords_remembered=2))
    path = f"{V3}/users/{id_of('bob')}/password"

    def change(before, after):
        bob = program().sign_in("bob", "red", before)
        wish = {"original_password": before, "password": after}
        return bob.post(path, {"user": wish})

    assert change(PASSWORD, NEW_PASSWORD).status_code == 204
    assert "last 2" in assert_fault(change(NEW_PASSWORD, PASSWORD), 400)
    assert change(NEW_PASSWORD, THIRD_PASSWORD).status_code == 204
    assert change(THIRD_PASSWORD, PASSWORD).status_code == 204
    assert session.scalar(select(func.count(PasswordUsed.id))) == 1
    wish = {"user": {"password": THIRD_PASSWORD}}
    assert ada.patch(path.removesuffix("/password"), wish).status_code == 200
    ada.delete(path.removesuffix("/password"))
    session.rollback()
    assert session.scalar(select(func.count(PasswordUsed.id))) == 0


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


def test_an_administrator_who_was_told_it_changes_somebodys_password(program, ada):
    path = f"{V3}/users/{id_of('bob')}/password"
    wish = {"original_password": "wrong", "password": NEW_PASSWORD}
    assert_fault(ada.post(path, {"user": wish}), 401)
    assert ada.post(path, {"user": wish | {"original_password": PASSWORD}}).status_code == 204
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
