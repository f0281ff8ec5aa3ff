"""Application credentials over the API: made once, shown without their secret, and signed in by."""

from datetime import timedelta

import pytest
from sqlalchemy import event, select

from portal.db import session, transaction
from portal.models import Activity, ApplicationCredential, Role, User
from portal.services import departures, projects, users
from tests.api.shapes import assert_fault
from tests.programs import TOKENS, Program

SECRET = "a secret of one's own, long enough"


def path_of(program: Program) -> str:
    token = program.get(TOKENS, headers={"X-Subject-Token": program.token}).json["token"]
    return f"/identity/v3/users/{token['user']['id']}/application_credentials"


def made(program: Program, name: str = "ci", **more) -> dict:
    answer = program.post(path_of(program), {"application_credential": {"name": name, **more}})
    assert answer.status_code == 201, answer.text
    return answer.json["application_credential"]


def by_credential(said: dict, scope: dict | None = None) -> dict:
    identity = {"methods": ["application_credential"], "application_credential": said}
    return {"auth": {"identity": identity} | ({"scope": scope} if scope else {})}


def signed_in(program, credential: dict) -> Program:
    body = by_credential({"id": credential["id"], "secret": credential["secret"]})
    answer = program().post(TOKENS, body)
    assert answer.status_code == 201, answer.text
    return Program(program().client.application, answer.headers["X-Subject-Token"])


def names(answer) -> list[str]:
    return [each["name"] for each in answer.json["application_credentials"]]


def test_the_secret_is_said_once_and_kept_by_its_hash_alone(alice):
    credential = made(alice, description="builds", expires_at="2099-01-01T00:00:00.000000")
    assert len(credential["secret"]) >= 40
    assert credential["expires_at"] == "2099-01-01T00:00:00.000000"
    shown = alice.get(f"{path_of(alice)}/{credential['id']}").json["application_credential"]
    assert shown == {name: credential[name] for name in credential if name != "secret"}
    kept = session.scalar(select(ApplicationCredential))
    assert credential["secret"] not in repr(vars(kept))
    assert credential["secret"] not in repr(
        [vars(each) for each in session.scalars(select(Activity))]
    )


def test_without_roles_a_credential_is_as_strong_as_its_user(program):
    def roles_of(name):
        return [each["name"] for each in made(program(name, "red"))["roles"]]

    assert roles_of("rita") == ["reader"]
    assert roles_of("alice") == ["manager", "member", "reader"]
    assert roles_of("ada") == ["admin", "manager", "member", "reader"]


def test_a_credential_may_be_weaker_than_its_user_and_never_stronger(program):
    bob = program("bob", "red")
    weak = made(bob, roles=[{"name": "reader"}])
    grant = signed_in(program, weak)
    assert_fault(grant.delete(f"{path_of(bob)}/{weak['id']}"), 403)
    for role in ("manager", "admin"):
        body = {"application_credential": {"name": role, "roles": [{"name": role}]}}
        assert_fault(bob.post(path_of(bob), body), 403)
    body = {"application_credential": {"name": "a", "roles": [{"name": "no such role"}]}}
    assert_fault(bob.post(path_of(bob), body), 400)


def test_a_program_signs_in_by_id_or_by_name_and_user(program, alice):
    credential = made(alice, secret=SECRET)
    user = {"name": "alice", "domain": {"id": "default"}}
    for said in ({"id": credential["id"]}, {"name": "ci", "user": user}):
        answer = program().post(TOKENS, by_credential(said | {"secret": SECRET}))
        assert answer.status_code == 201, answer.text
        token = answer.json["token"]
        assert token["project"]["name"] == "red"
        assert token["application_credential"]["name"] == "ci"
        assert token["methods"] == ["application_credential"]


def test_no_project_may_be_named_with_a_credential(program, alice):
    said = {"id": made(alice, secret=SECRET)["id"], "secret": SECRET}
    scope = {"project": {"name": "red", "domain": {"id": "default"}}}
    assert_fault(program().post(TOKENS, by_credential(said, scope)), 401)


def test_whoever_has_another_secret_is_not_let_in_and_learns_no_more(program, alice):
    id_ = made(alice)["id"]
    wrong = [
        {"id": id_, "secret": "another"},
        {"id": "0" * 32, "secret": SECRET},
        {"name": "ci", "user": {"name": "bob", "domain": {"id": "default"}}, "secret": SECRET},
        {"secret": SECRET},
    ]
    answers = [program().post(TOKENS, by_credential(each)) for each in wrong]
    assert len({assert_fault(each, 401) for each in answers}) == 1


def test_a_credential_expires_and_so_do_its_tokens(cloud, program, alice):
    moment = cloud.clock() + timedelta(hours=1)
    credential = made(alice, expires_at=moment.isoformat())
    through = signed_in(program, credential)
    cloud.clock.forward(minutes=59)
    assert through.get("/identity/v3/auth/catalog").status_code == 200
    cloud.clock.forward(minutes=2)
    assert_fault(through.get("/identity/v3/auth/catalog"), 401)
    said = {"id": credential["id"], "secret": credential["secret"]}
    assert_fault(program().post(TOKENS, by_credential(said)), 401)


@pytest.mark.parametrize("said", ["2001-01-01T00:00:00Z", "tomorrow", "9999-99-99"])
def test_one_that_expires_in_the_past_or_at_no_moment_is_refused(alice, said):
    body = {"application_credential": {"name": "late", "expires_at": said}}
    assert_fault(alice.post(path_of(alice), body), 400)


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"name": ""},
        {"name": "a", "secret": "short"},
        {"name": "a", "unrestricted": True},
        {"name": "a", "access_rules": [{"path": "/v2.1/servers"}]},
        {"name": "a", "project_id": "0" * 32},
        {"name": "a", "no such key": 1},
    ],
)
def test_what_is_not_served_is_refused(alice, wish):
    assert_fault(alice.post(path_of(alice), {"application_credential": wish}), 400)


def test_two_of_one_user_have_two_names_and_other_users_are_free_to_take_them(program, alice):
    made(alice)
    assert_fault(alice.post(path_of(alice), {"application_credential": {"name": "ci"}}), 409)
    made(program("bob", "red"))


def test_a_token_without_a_project_makes_none(program):
    for scope in ("", "system"):
        ada = program("ada", scope)
        assert_fault(ada.post(path_of(ada), {"application_credential": {"name": "ci"}}), 400)


def test_a_credential_makes_and_deletes_no_other(program, alice):
    made(alice, "second")
    through = signed_in(program, made(alice))
    assert names(through.get(path_of(alice))) == ["second", "ci"]
    body = {"application_credential": {"name": "third"}}
    assert_fault(through.post(path_of(alice), body), 403)
    [_, own] = through.get(path_of(alice)).json["application_credentials"]
    assert_fault(through.delete(f"{path_of(alice)}/{own['id']}"), 403)


def test_a_credential_that_is_deleted_ends_its_tokens(program, alice):
    credential = made(alice)
    through = signed_in(program, credential)
    assert alice.delete(f"{path_of(alice)}/{credential['id']}").status_code == 204
    assert_fault(through.get("/identity/v3/auth/catalog"), 401)
    assert_fault(alice.get(f"{path_of(alice)}/{credential['id']}"), 404)


def test_others_are_seen_by_who_may_see_users_and_made_by_nobody(program, alice):
    path, credential = path_of(alice), made(alice)
    ada, bob = program("ada", "system"), program("bob", "red")
    assert names(ada.get(path)) == ["ci"]
    assert_fault(bob.get(path), 403)
    assert_fault(bob.delete(f"{path}/{credential['id']}"), 403)
    for each in (program("ada", "red"), bob):
        assert_fault(each.post(path, {"application_credential": {"name": "theirs"}}), 403)
    assert ada.delete(f"{path}/{credential['id']}").status_code == 204


def lose_the_project(cloud):
    projects.remove_member(cloud.actor("alice"), cloud.project().id, cloud.actor("bob").user_id)


def be_disabled(cloud):
    users.enable(cloud.actor("ada"), cloud.actor("bob").user_id, enabled=False)


def be_deleted(cloud):
    departures.delete(cloud.actor("ada"), cloud.actor("bob").user_id)


@pytest.mark.parametrize("losing", [lose_the_project, be_disabled, be_deleted])
def test_what_a_user_loses_their_credentials_lose_too(cloud, program, losing):
    credential = made(program("bob", "red"))
    through = signed_in(program, credential)
    losing(cloud)
    assert_fault(through.get("/identity/v3/auth/catalog"), 401)
    said = {"id": credential["id"], "secret": credential["secret"]}
    assert_fault(program().post(TOKENS, by_credential(said)), 401)


def test_a_new_password_leaves_credentials_as_they_are(cloud, program):
    credential = made(program("bob", "red"))
    users.reset_password(
        cloud.actor("ada"), cloud.actor("bob").user_id, "lantern 7 gravel orchid moth"
    )
    signed_in(program, credential)


def test_lists_are_walked_from_one_link_to_the_next(alice):
    wanted = [f"ci-{number}" for number in range(5)]
    for name in wanted:
        made(alice, name)
    href, found = f"{path_of(alice)}?limit=2", []
    while href:
        answer = alice.get(href.removeprefix("http://localhost"))
        found += names(answer)
        href = answer.json["links"]["next"]
    assert found == wanted


def test_lists_are_narrowed_by_name(alice):
    made(alice)
    made(alice, "other")
    assert names(alice.get(f"{path_of(alice)}?name=other")) == ["other"]
    assert names(alice.get(f"{path_of(alice)}?name=none")) == []


def test_a_list_takes_as_many_statements_however_long_it_is(alice):
    def sent():
        statements = []
        listen = lambda *given: statements.append(given[2])  # noqa: E731
        event.listen(session.get_bind(), "before_cursor_execute", listen)
        alice.get(path)
        event.remove(session.get_bind(), "before_cursor_execute", listen)
        return len(statements)

    path = path_of(alice)
    made(alice)
    few = sent()
    user = session.scalar(select(User).where(User.name == "alice"))
    with transaction():
        project = session.scalar(select(ApplicationCredential.project_id))
        for number in range(30):
            session.add(
                ApplicationCredential(
                    name=f"more-{number}",
                    user_id=user.id,
                    project_id=project,
                    secret_hash="",
                    role=Role.READER,
                )
            )
    assert sent() == few
