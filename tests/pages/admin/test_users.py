"""People as administrators manage them, without scripts."""

import re

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal.db import session, transaction
from portal.errors import NotFound, Refused
from portal.models import Activity, Role, RoleAssignment, Session, User
from portal.policies import COMMAND_LINE
from portal.services import departures, key_pairs, projects
from tests.services.test_key_pairs import ED25519

PEOPLE = "/admin/users"
CHOSEN = "violet anchor 27 maple"


@pytest.fixture
def place():
    """The path of somebody's page: `place("bob")`."""
    return lambda name: f"{PEOPLE}/{person(name).id}"


def person(name: str) -> User:
    session.rollback()
    return session.scalar(select(User).where(User.name == name))


def shown_password(page: str) -> str:
    return re.search(r"<pre[^>]*>([^<]+)</pre>", page)[1]


def test_a_made_password_is_shown_once_and_lets_in_once(ada, visitor):
    answer = ada.send(PEOPLE, {"name": "dora", "new": ""}, page=f"{PEOPLE}/new")
    password = shown_password(answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    assert password not in ada.open(f"{PEOPLE}/{person('dora').id}").text
    visitor.sign_in("dora", password)
    assert visitor.open("/").location == "/account/password"
    records = session.scalars(select(Activity)).all()
    assert not any(password in str((each.before, each.after)) for each in records)


def test_a_chosen_password_is_judged_and_never_shown(ada, visitor):
    answer = ada.send(PEOPLE, {"name": "dora", "new": "password1234"}, page=f"{PEOPLE}/new")
    assert answer.status_code == 422
    assert "would soon be guessed" in answer.text
    answer = ada.send(PEOPLE, {"name": "dora", "new": CHOSEN}, page=f"{PEOPLE}/new")
    assert answer.status_code == 303
    assert CHOSEN not in ada.open(answer.location).text
    visitor.sign_in("dora", CHOSEN)


def test_two_people_have_two_names(ada):
    answer = ada.send(PEOPLE, {"name": "bob", "new": ""}, page=f"{PEOPLE}/new")
    assert answer.status_code == 409
    assert "There is a user named bob already." in answer.text


def test_a_reset_ends_every_session_and_the_old_password(ada, sign_in, visitor, place):
    bob = sign_in("bob")
    password = shown_password(ada.send(f"{place('bob')}/password", page=place("bob")).text)
    assert bob.open("/account/ssh-keys").location.startswith("/login")
    refused = visitor.send("/login", {"name": "bob", "password": "tomato bicycle 93 quill"})
    assert refused.status_code == 401
    visitor.sign_in("bob", password)


def test_whoever_is_disabled_is_out_at_once_until_enabled(ada, sign_in, visitor, place):
    bob = sign_in("bob")
    assert ada.send(f"{place('bob')}/disable", page=place("bob")).status_code == 303
    assert "Disabled" in ada.open(place("bob")).text
    assert bob.open("/account/ssh-keys").location.startswith("/login")
    ada.send(f"{place('bob')}/enable", page=place("bob"))
    visitor.sign_in("bob")


def test_nobody_locks_themselves_out(ada, place):
    answer = ada.send(f"{place('ada')}/disable", page=place("ada"))
    assert answer.status_code == 422
    assert "You cannot lock yourself out." in answer.text


def test_the_cloud_keeps_its_last_administrator(ada, place):
    answer = ada.send(f"{place('ada')}/role", {"role": ""}, page=place("ada"))
    assert answer.status_code == 422
    assert "ada is the last administrator of the cloud" in answer.text
    assert ada.send(f"{place('bob')}/role", {"role": "admin"}, page=place("bob")).status_code == 303
    assert (
        ada.send(f"{place('ada')}/role", {"role": "reader"}, page=place("ada")).status_code == 303
    )
    assert ada.open(PEOPLE).location.startswith("/login")


def test_a_role_in_the_cloud_ends_with_its_sessions(ada, sign_in, place):
    ada.send(f"{place('bob')}/role", {"role": "reader"}, page=place("bob"))
    bob = sign_in("bob")
    assert bob.open(PEOPLE).status_code == 200
    ada.send(f"{place('bob')}/role", {"role": ""}, page=place("bob"))
    assert bob.open(PEOPLE).location.startswith("/login")
    assert sign_in("bob").open(PEOPLE).status_code == 403


def test_the_list_is_filtered_and_shows_text_as_text(ada):
    ada.send(PEOPLE, {"name": "<b>%_dora", "new": ""}, page=f"{PEOPLE}/new")
    page = ada.open(f"{PEOPLE}?q=%25_").text
    assert "&lt;b&gt;%_dora" in page
    assert "<b>%_dora" not in page
    assert ">bob<" not in page
    assert "red" in ada.open(f"{PEOPLE}?q=bob").text


def test_only_the_clouds_people_see_all_people(alice, auditor, place):
    paths = [f"{place('bob')}/{act}" for act in ("password", "role", "enable", "disable")]
    for someone, may_look in ((alice, 403), (auditor, 200)):
        assert someone.open(PEOPLE).status_code == may_look
        assert someone.open(place("bob")).status_code == may_look
        assert someone.open(f"{PEOPLE}/new").status_code == 403
        for path in (PEOPLE, *paths):
            fields = {"name": "eve", "new": CHOSEN, "role": "admin"}
            assert someone.send(path, fields, page="/account/ssh-keys/new").status_code == 403
    page = auditor.open(place("bob")).text
    assert '/password"' not in page.replace('href="/account/password"', "")
    assert "/disable" not in page
    assert person("eve") is None


@pytest.mark.parametrize("name", ["Alice", "a1ice", "alice\u200b", "\u0430lice", "ada\u202e"])
def test_nobody_is_made_whose_name_reads_like_somebody_elses(ada, name):
    answer = ada.send(PEOPLE, {"name": name, "new": ""}, page=f"{PEOPLE}/new")
    assert answer.status_code in (409, 422)
    assert not session.scalar(select(User).where(User.name == name))
    assert ada.send(PEOPLE, {"name": "Zoë", "new": ""}, page=f"{PEOPLE}/new").status_code == 200


def test_the_database_keeps_names_apart_that_read_alike(cloud):
    domain_id = cloud.project().domain_id
    with pytest.raises(IntegrityError), transaction():
        session.add(User(domain_id=domain_id, name="ALICE", password_hash=""))


def test_a_person_is_deleted_by_their_name_and_is_out_at_once(ada, sign_in, visitor, place):
    bob = sign_in("bob")
    path = place("bob")
    assert f"{path}/delete" in ada.open(path).text
    page = ada.open(f"{path}/delete").text
    assert "The role member in red" in page
    assert ada.send(f"{path}/delete", {"confirm": "bobby"}).status_code == 422
    assert ada.send(f"{path}/delete", {"confirm": "bob"}).status_code == 303
    assert bob.open("/account/ssh-keys").location.startswith("/login")
    refused = visitor.send("/login", {"name": "bob", "password": "tomato bicycle 93 quill"})
    assert refused.status_code == 401
    assert ada.open(path).status_code == 404
    assert ">bob<" not in ada.open(PEOPLE).text
    row = person("bob")
    assert (row.assignments, row.key_pairs, row.password_hash) == ([], [], "")
    assert session.scalar(select(Session).where(Session.user_id == row.id)) is None


def test_no_key_is_kept_for_somebody_who_was_deleted_while_they_sent_it(cloud):
    bob = cloud.actor("bob")
    departures.delete(COMMAND_LINE, bob.user_id)
    for take in (key_pairs.create, key_pairs.keep):
        with pytest.raises(NotFound):
            take(bob, "late", ED25519)
    assert person("bob").key_pairs == []


def test_what_somebody_made_stays_and_says_that_they_are_gone(ada, alice, sign_in, place, cloud):
    web = cloud.running("web", by="bob")
    shown = f"/projects/{web.project_id}/instances/{web.id}"
    assert ada.send(f"{place('bob')}/delete", {"confirm": "bob"}).status_code == 303
    page = alice.open(shown).text
    assert "bob (deleted)" in page
    assert "Running" in page
    page = alice.open(f"{shown.partition('/instances')[0]}/activity").text
    assert f"(deleted, {str(person('bob').id)[:8]})" in page


def test_a_name_that_is_given_again_is_another_person_also_in_the_audit(ada, visitor, place, cloud):
    cloud.running("web", by="bob")
    first = person("bob").id
    ada.send(f"{place('bob')}/delete", {"confirm": "bob"})
    answer = ada.send(PEOPLE, {"name": "bob", "new": CHOSEN}, page=f"{PEOPLE}/new")
    assert answer.status_code == 303
    second = answer.location.rpartition("/")[2]
    assert second != str(first)
    visitor.sign_in("bob", CHOSEN)
    assert "You are in no project yet" not in ada.open("/").text
    page = ada.open("/admin/audit").text
    row = re.search(r'data-label="Who">bob <span.*?</tr>', page, re.DOTALL)[0]
    assert f"(deleted, {str(first)[:8]})" in row
    assert "Created instance" in row
    signed_in = re.search(r'data-label="Who">bob</td>.*?</tr>', page, re.DOTALL)[0]
    assert "deleted" not in signed_in
    red = cloud.project()
    projects.set_member(cloud.actor("ada"), red.id, "bob", Role.READER)
    held = session.scalars(select(RoleAssignment).where(RoleAssignment.project_id == red.id)).all()
    assert second in {str(each.user_id) for each in held}
    assert first not in {each.user_id for each in held}


def test_nobody_deletes_themselves_nor_the_last_administrator(ada, place, cloud):
    page = ada.open(place("ada")).text
    assert "/delete" not in page
    answer = ada.send(f"{place('ada')}/delete", {"confirm": "ada"}, page=place("bob"))
    assert answer.status_code == 422
    assert "You cannot delete yourself." in answer.text
    with pytest.raises(Refused, match="ada is the last administrator of the cloud"):
        departures.delete(COMMAND_LINE, person("ada").id)


def test_whoever_is_the_only_admin_of_a_project_is_said_before_they_go(ada, place, alice):
    page = ada.open(f"{place('alice')}/delete").text
    assert "Nobody else is admin of red." in page


def test_only_administrators_of_the_cloud_delete_people(alice, auditor, place):
    for someone in (alice, auditor):
        assert someone.open(f"{place('bob')}/delete").status_code == 403
        answer = someone.send(
            f"{place('bob')}/delete", {"confirm": "bob"}, page="/account/ssh-keys/new"
        )
        assert answer.status_code == 403
    assert person("bob").deleted_at is None
