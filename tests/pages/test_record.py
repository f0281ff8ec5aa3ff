"""What comes into the record from the door, and how much of it; and who is asked to wait."""

import dataclasses

import pytest
from sqlalchemy import func, select

from portal import config, throttle
from portal.db import session
from portal.models import Activity
from portal.services import activities
from tests.cloud import PASSWORD
from tests.pages.conftest import Browser

PAGE = "/account/password"


@pytest.fixture(autouse=True)
def _nothing_counted():
    throttle._here().storage.reset()


def entries(action: str) -> list[Activity]:
    session.rollback()
    query = select(Activity).where(Activity.action == action).order_by(Activity.created_at)
    return list(session.scalars(query))


def test_who_signed_in_who_did_not_and_who_signed_out_is_in_the_record(app, visitor, ada):
    visitor.send("/login", {"name": "alice", "password": "wrong"})
    visitor.send("/login", {"name": "hunter2 is my password", "password": "wrong"})
    visitor.sign_in("alice")
    visitor.send("/logout", page=PAGE)
    wrong, unknown, right = [
        each for each in entries(activities.SIGN_IN) if each.user_name != "ada"
    ]
    assert (wrong.user_name, wrong.target_name) == ("nobody", "alice")
    assert "do not go together" in wrong.refused
    assert (unknown.target_name, unknown.target_id) == ("", None)
    assert (right.user_name, right.refused, right.address) == ("alice", "", "127.0.0.1")
    assert right.request_id.startswith("req-")
    [out] = entries(activities.SIGN_OUT)
    assert out.user_name == "alice"
    page = ada.open("/admin/audit").text
    assert "127.0.0.1" in page
    assert "hunter2" not in page
    assert "wrong" not in {each.target_name for each in entries(activities.SIGN_IN)}


def test_a_session_that_was_never_there_is_not_signed_out_of_in_the_record(visitor):
    visitor.send("/logout", page="/login")
    assert entries(activities.SIGN_OUT) == []


def test_what_is_refused_again_and_again_does_not_fill_the_record(alice, red):
    before = session.scalar(select(func.count()).select_from(Activity))
    for _ in range(activities.REFUSALS_PER_MINUTE + 15):
        assert alice.send(f"{red}/instances", {"name": ""}, page=PAGE).status_code == 422
    session.rollback()
    written = session.scalar(select(func.count()).select_from(Activity)) - before
    assert written == activities.REFUSALS_PER_MINUTE
    last = session.scalars(select(Activity).order_by(Activity.created_at.desc()).limit(1)).one()
    assert "What else is refused in this minute is not listed." in last.refused


def test_guesses_at_the_door_do_not_fill_the_record(app):
    for number in range(activities.REFUSALS_PER_MINUTE + 5):
        Browser(app).send("/login", {"name": f"guess-{number}", "password": "wrong"})
    assert len(entries(activities.SIGN_IN)) == activities.REFUSALS_PER_MINUTE


def limit(**settings):
    config.use(dataclasses.replace(config.current(), **settings))


def test_whoever_sends_too_many_forms_waits_and_nobody_else_does(alice, sign_in, red):
    limit(changes_per_minute=3)
    bob = sign_in("bob")
    for _ in range(3):
        assert alice.send("/account/theme", page=PAGE).status_code == 303
    fields = alice.fields(f"{red}/instances/new")
    refused = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "More than 3 forms within a minute." in refused.text
    assert alice.open(f"{red}/instances").status_code == 200
    assert bob.send("/account/theme", page=PAGE).status_code == 303


def test_whoever_searches_too_often_waits(alice, red):
    limit(searches_per_minute=3)
    for _ in range(3):
        assert alice.open(f"{red}/instances?q=web").status_code == 200
    refused = alice.open(f"{red}/instances?q=web")
    assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
    assert alice.open(f"{red}/instances").status_code == 200


def test_no_password_is_in_the_record(app, alice):
    Browser(app).send("/login", {"name": "alice", "password": "canary of a password"})
    fields = {"current": "canary of a password", "new": "canary of a new one", "again": "canary"}
    alice.send(PAGE, fields)
    Browser(app).sign_in("alice", PASSWORD)
    session.rollback()
    for each in session.scalars(select(Activity)):
        assert "canary" not in repr(vars(each))
