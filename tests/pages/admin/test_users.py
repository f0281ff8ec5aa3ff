"""People as administrators manage them, without scripts."""

import re

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal.db import session, transaction
from portal.models import Activity, User

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
