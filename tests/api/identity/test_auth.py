"""Signing in by program: tokens, what they are good for, and what ends them."""

import dataclasses

import pytest
from sqlalchemy import event, select

from portal import config
from portal.db import session, transaction
from portal.models import Activity, Role, RoleAssignment, Token, User
from portal.services import projects, tokens, users
from tests.api.shapes import assert_fault
from tests.cloud import PASSWORD
from tests.programs import DOMAIN, TOKENS, Program, by_password

NEW_PASSWORD = "lantern 7 gravel orchid moth"


def roles_of(answer) -> list[str]:
    return [role["name"] for role in answer.json["token"]["roles"]]


def validated(program: Program, subject: str):
    return program.get(TOKENS, headers={"X-Subject-Token": subject})


def works(program: Program) -> bool:
    return program.get("/identity/v3/auth/projects").status_code == 200


@pytest.mark.parametrize(
    ("name", "scope", "expected"),
    [
        ("rita", "red", ["reader"]),
        ("bob", "red", ["member", "reader"]),
        ("alice", "red", ["manager", "member", "reader"]),
        ("ada", "red", ["admin", "manager", "member", "reader"]),
        ("ada", "system", ["admin", "manager", "member", "reader"]),
    ],
)
def test_a_token_says_the_roles_that_its_user_has_in_what_it_is_for(program, name, scope, expected):
    answer = program().post(TOKENS, by_password(name, scope))
    assert answer.status_code == 201
    token = answer.json["token"]
    assert roles_of(answer) == expected
    assert token["user"]["name"] == name
    assert ("project" in token, "system" in token) == (scope == "red", scope == "system")
    assert [entry["type"] for entry in token["catalog"]][:1] == ["identity"]
    assert token["expires_at"].endswith("Z")


def test_a_token_for_nothing_has_neither_roles_nor_a_catalog(program):
    token = program().post(TOKENS, by_password("alice")).json["token"]
    assert not {"roles", "catalog", "project", "system"} & token.keys()


def test_the_catalog_can_be_left_out(program):
    answer = program().post(f"{TOKENS}?nocatalog", by_password("alice", "red"))
    assert "catalog" not in answer.json["token"]


def test_users_and_projects_are_named_by_id_as_well(cloud, program):
    body = by_password("alice", "red")
    user = cloud.actor("alice").user_id
    body["auth"]["identity"]["password"]["user"] = {"id": user.hex, "password": PASSWORD}
    body["auth"]["scope"] = {"project": {"id": cloud.project().id.hex}}
    assert program().post(TOKENS, body).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        by_password("alice", "red", "wrong password"),
        by_password("nobody", "red"),
        by_password("charlie", "red"),
        by_password("alice", "system"),
        by_password("alice", "no such project"),
    ],
)
def test_whoever_is_not_who_they_say_or_has_no_role_there_is_not_let_in(program, body):
    assert_fault(program().post(TOKENS, body), 401)


@pytest.mark.parametrize("scope", [{"name": "none", "domain": DOMAIN}, {"id": "0" * 32}])
def test_nobody_learns_which_projects_there_are_by_asking_to_speak_for_them(program, scope):
    theirs = assert_fault(program().post(TOKENS, by_password("alice", "blue")), 401)
    unknown = by_password("alice")
    unknown["auth"]["scope"] = {"project": scope}
    assert assert_fault(program().post(TOKENS, unknown), 401) == theirs


def test_a_domain_is_nothing_to_have_a_role_in(program):
    body = by_password("alice")
    body["auth"]["scope"] = {"domain": {"id": "default"}}
    assert_fault(program().post(TOKENS, body), 401)


def test_a_user_of_another_domain_is_nobody(program):
    body = by_password("alice", "red")
    body["auth"]["identity"]["password"]["user"]["domain"] = {"name": "elsewhere"}
    assert_fault(program().post(TOKENS, body), 401)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"auth": {}},
        {"auth": {"identity": {"methods": []}}},
        {"auth": {"identity": {"methods": ["password"]}}},
        {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "alice"}}}}},
        {"auth": {"identity": {"methods": "password"}}},
    ],
)
def test_a_request_that_says_too_little_is_refused(program, body):
    assert_fault(program().post(TOKENS, body), 400)


def test_tries_of_programs_and_of_pages_are_counted_together(cloud, program):
    most = config.current().login_attempts_per_minute
    for _ in range(most):
        assert_fault(program().post(TOKENS, by_password("alice", "red", "wrong")), 401)
    answer = program().post(TOKENS, by_password("alice", "red"))
    assert "Too many" in assert_fault(answer, 401)
    assert int(answer.headers["Retry-After"]) > 0
    with pytest.raises(Exception, match="Too many wrong passwords"):
        users.prove("alice", PASSWORD, address="192.0.2.1")


def test_a_password_that_was_given_is_good_for_choosing_another_alone(program):
    with transaction():
        session.scalar(select(User).where(User.name == "bob")).must_change_password = True
    assert "of your own" in assert_fault(program().post(TOKENS, by_password("bob", "red")), 401)


def test_signing_in_is_in_the_record_and_so_is_being_refused(cloud, program):
    program("alice", "red")
    program().post(TOKENS, by_password("alice", "red", "wrong"))
    session.rollback()
    entries = session.scalars(select(Activity).where(Activity.action == "sessions:sign_in")).all()
    assert sorted((entry.user_name, bool(entry.refused)) for entry in entries) == [
        ("alice", False),
        ("nobody", True),
    ]


def test_what_is_kept_of_a_token_is_not_the_token(alice):
    kept = session.scalar(select(Token))
    assert alice.token not in repr(vars(kept))


def test_a_token_is_exchanged_for_one_of_another_scope_that_lasts_no_longer(program, cloud):
    unscoped = program("alice")
    cloud.clock.forward(hours=1)
    identity = {"methods": ["token"], "token": {"id": unscoped.token}}
    scope = {"project": {"id": cloud.project().id.hex}}
    body = {"auth": {"identity": identity, "scope": scope}}
    answer = program().post(TOKENS, body)
    assert roles_of(answer) == ["manager", "member", "reader"]
    first, second = session.scalars(select(Token).order_by(Token.created_at)).all()
    assert second.expires_at == first.expires_at
    assert second.audit_ids[-1] == first.audit_ids[-1]
    assert answer.json["token"]["methods"] == ["token", "password"]


def test_a_token_lasts_twelve_hours_at_most(cloud, alice):
    cloud.clock.forward(hours=11, minutes=59)
    assert works(alice)
    cloud.clock.forward(minutes=2)
    assert not works(alice)
    config.use(dataclasses.replace(config.current(), token_hours=1000))
    again = Program(alice.client.application).sign_in("alice", "red")
    cloud.clock.forward(hours=13)
    assert not works(again)


def test_a_token_is_shown_to_its_user_and_to_who_may_see_users(program, alice):
    assert validated(alice, alice.token).json["token"]["user"]["name"] == "alice"
    assert validated(program("ada", "system"), alice.token).status_code == 200
    assert_fault(validated(program("bob", "red"), alice.token), 403)
    assert_fault(validated(alice, "nothing"), 404)
    head = alice.ask("HEAD", TOKENS, headers={"X-Subject-Token": alice.token})
    assert (head.status_code, head.data) == (200, b"")


def test_a_token_that_is_revoked_is_worth_nothing(program, alice):
    other = program("alice", "red")
    assert_fault(
        program("bob", "red").delete(TOKENS, headers={"X-Subject-Token": alice.token}), 403
    )
    answer = other.delete(TOKENS, headers={"X-Subject-Token": alice.token})
    assert answer.status_code == 204
    assert not works(alice)
    assert works(other)


def change_password(cloud):
    users.change_password(cloud.actor("bob"), PASSWORD, NEW_PASSWORD)


def reset_password(cloud):
    users.reset_password(cloud.actor("ada"), cloud.actor("bob").user_id, NEW_PASSWORD)


def disable_and_enable(cloud):
    for enabled in (False, True):
        users.enable(cloud.actor("ada"), cloud.actor("bob").user_id, enabled=enabled)


def remove_from_project(cloud):
    bob = cloud.actor("bob").user_id
    projects.remove_member(cloud.actor("alice"), cloud.project().id, bob)


def disable_project(cloud):
    projects.enable(cloud.actor("ada"), cloud.project().id, enabled=False)


@pytest.mark.parametrize(
    "ending",
    [change_password, reset_password, disable_and_enable, remove_from_project, disable_project],
)
def test_a_token_ends_at_once_with_what_it_stands_on(cloud, program, ending):
    bob = program("bob", "red")
    assert works(bob)
    ending(cloud)
    assert not works(bob)


def test_a_role_that_is_lowered_is_lowered_in_tokens_too(cloud, program):
    bob = program("bob", "red")
    projects.set_member(cloud.actor("alice"), cloud.project().id, "bob", Role.READER)
    assert roles_of(validated(bob, bob.token)) == ["reader"]


def test_a_password_that_is_changed_while_it_is_judged_gets_no_token(cloud):
    judged = users.prove("bob", PASSWORD, address="")
    session.expunge(judged)
    change_password(cloud)
    with pytest.raises(Exception, match="changed just now"):
        tokens.issue(judged, cloud.project().id, methods=["password"])
    assert not session.scalar(select(Token.id))


def test_whoever_looks_after_the_whole_cloud_may_speak_for_any_project(program):
    ada = program("ada", "blue")
    assert roles_of(validated(ada, ada.token))[0] == "admin"


def test_a_reader_of_the_cloud_is_a_reader_in_a_project_and_sees_no_other(cloud, program):
    with transaction():
        rita = session.scalar(select(User).where(User.name == "rita"))
        rita.assignments.append(RoleAssignment(role=Role.READER))
    token = program("rita", "blue").token
    grant = tokens.find(token)
    assert (grant.role, grant.cloud_role) == (Role.READER, None)


def test_a_token_is_judged_by_one_statement(alice):
    statements = []
    engine = session.get_bind()
    listen = lambda *given: statements.append(given[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", listen)
    tokens.find(alice.token)
    event.remove(engine, "before_cursor_execute", listen)
    assert len(statements) == 1


def test_where_one_may_go_is_listed_whatever_the_token_is_for(program):
    def names(answer):
        return [each["name"] for each in answer.json["projects"]]

    assert names(program("alice").get("/identity/v3/auth/projects")) == ["red"]
    assert names(program("ada", "red").get("/identity/v3/auth/projects")) == ["blue", "red"]
    assert program("ada").get("/identity/v3/auth/system").json["system"] == [{"all": True}]
    assert program("alice").get("/identity/v3/auth/system").json["system"] == []
    assert program("alice").get("/identity/v3/auth/domains").json["domains"] == []


def test_versions_are_told_to_everybody(program):
    many = program().get("/identity")
    assert many.status_code == 300
    assert many.json["versions"]["values"][0]["id"].startswith("v3.")
    assert program().get("/identity/v3/").json["version"]["status"] == "stable"
