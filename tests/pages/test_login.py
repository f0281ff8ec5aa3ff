"""How signing in holds against guesses, bad proxies, and a Redis that is away or full."""

import contextlib
import dataclasses

import pytest
from sqlalchemy import select

from portal import bell, config, create_app
from portal.conductor import tick
from portal.db import session
from portal.models import Status, Task
from portal.services import passwords, users
from tests.cloud import PASSWORD
from tests.conftest import install
from tests.crowd import at_once
from tests.pages.conftest import Browser
from tests.routes import plain
from tests.servers import RedisServer

PAGE = "/account/password"
NEW_PASSWORD = "lantern gravel 41 oboe"


def test_of_many_guesses_at_once_no_more_are_judged_than_one_after_another(cloud):
    """Positive control: the first five are judged, and found wrong."""
    judged = at_once(24, lambda _: users.prove("alice", "wrong", address="198.51.100.7"))
    most = config.current().login_attempts_per_minute
    assert judged == {"done": most, "TooMany": 24 - most}


def test_a_right_password_uses_nothing_up(app):
    for _ in range(3 * config.current().login_attempts_per_minute):
        Browser(app).sign_in("alice")


def test_the_present_password_cannot_be_guessed_by_changing_it(alice):
    fields = {"current": "wrong", "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    for _ in range(config.current().login_attempts_per_minute):
        assert alice.send(PAGE, fields).status_code == 422
    refused = alice.send(PAGE, fields | {"current": PASSWORD})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1


def test_a_crowd_at_the_door_waits_outside_and_not_in_the_threads(app):
    """As many wait for a hash as may; the next one is told to try again, and is not counted."""
    with contextlib.ExitStack() as crowd:
        for _ in range(passwords.WAITING_MOST):
            crowd.enter_context(contextlib.closing(_Waiting()))
        refused = Browser(app).send("/login", {"name": "alice", "password": "wrong"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert Browser(app).send("/login", {"name": "alice", "password": "w"}).status_code == 401


class _Waiting:
    def __init__(self):
        assert passwords._room.acquire(blocking=False)

    def close(self):
        passwords._room.release()


@pytest.mark.parametrize("name", ["alice", "nobody-of-this-name"])
def test_wrong_passwords_are_counted_also_for_who_does_not_exist(app, name):
    answers = []
    for _ in range(config.current().login_attempts_per_minute):
        answers.append(Browser(app).send("/login", {"name": name, "password": "wrong"}))
        assert answers[-1].status_code == 401
    refused = Browser(app).send("/login", {"name": name, "password": PASSWORD})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "Too many" in refused.text


def test_who_does_not_exist_is_answered_like_who_does(app):
    pages = [
        plain(Browser(app).send("/login", {"name": name, "password": "wrong"}).text).replace(
            name, "NAME"
        )
        for name in ("alice", "nobody-of-this-name")
    ]
    assert pages[0] == pages[1]


def test_wrong_passwords_are_counted_by_address_too(app):
    for number in range(config.current().login_attempts_per_minute):
        Browser(app).send("/login", {"name": f"guess-{number}", "password": "wrong"})
    assert Browser(app).send("/login", {"name": "alice", "password": PASSWORD}).status_code == 429


def test_a_client_cannot_choose_the_address_that_is_counted(app):
    for number in range(config.current().login_attempts_per_minute):
        fields = {"name": f"guess-{number}", "password": "wrong"}
        Browser(app).send("/login", fields, **{"X-Forwarded-For": f"198.51.100.{number}"})
    fields = {"name": "alice", "password": PASSWORD}
    answer = Browser(app).send("/login", fields, **{"X-Forwarded-For": "198.51.100.99"})
    assert answer.status_code == 429


@pytest.fixture
def own_redis(tmp_path_factory):
    """A Redis that a test may stop."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


def test_without_redis_work_goes_on_and_what_was_asked_for_is_done_later(
    own_redis, tmp_path, clock
):
    url = f"sqlite:///{tmp_path}/portico.db"
    cloud = install(tmp_path, own_redis.url, clock, url)
    cloud.add_host("kvm-1")
    app = create_app(config.current())
    alice = Browser(app).sign_in("alice")
    own_redis.stop()
    place = f"/projects/{cloud.project('red').id}/instances"

    answer = Browser(app).send("/login", {"name": "bob", "password": PASSWORD})
    assert answer.status_code == 503
    assert "Redis" in answer.text
    assert answer.headers["Retry-After"] == "10", "it may be back by then"
    assert alice.open(place).status_code == 200
    made = alice.send(place, alice.fields(f"{place}/new"), page=f"{place}/new")
    assert made.status_code == 303
    assert Status.BUILDING.word in alice.open(made.location).text

    own_redis.start()
    cloud.settle()
    assert Status.RUNNING.word in alice.open(made.location).text
    Browser(app).sign_in("bob")


@pytest.fixture
def filling_cloud(own_redis, tmp_path, clock):
    """A cloud whose Redis a test may fill."""
    cloud = install(tmp_path, own_redis.url, clock, f"sqlite:///{tmp_path}/portico.db")
    cloud.add_host("kvm-1")
    bell.ring()  # what an earlier test's Redis did not take is forgotten
    return cloud


def test_where_tries_cannot_be_counted_none_is_allowed(filling_cloud):
    app = create_app(config.current())
    alice = Browser(app).sign_in("alice")
    filling_cloud.redis.config_set("maxmemory", 1)
    assert filling_cloud.redis.ping()
    for password in (PASSWORD, "wrong"):
        answer = Browser(app).send("/login", {"name": "bob", "password": password})
        assert answer.status_code == 503
        assert "takes nothing, since tries could not be counted" in answer.text
    fields = {"current": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert alice.send(PAGE, fields).status_code == 503
    assert alice.open(PAGE).status_code == 200
    filling_cloud.redis.config_set("maxmemory", 0)
    Browser(app).sign_in("bob")


def test_a_redis_that_takes_nothing_loses_no_change_and_the_pages_say_that_it_waits(
    filling_cloud,
):
    cloud, app = filling_cloud, create_app(config.current())
    alice, ada = Browser(app).sign_in("alice"), Browser(app).sign_in("ada")
    place = f"/projects/{cloud.project('red').id}/instances"
    assert "Changes wait." not in alice.open(place).text
    cloud.redis.config_set("maxmemory", 1)

    made = alice.send(place, alice.fields(f"{place}/new"), page=f"{place}/new")
    assert made.status_code == 303
    page = alice.open(made.location).text
    assert Status.BUILDING.word in page
    assert "Changes wait." in page
    assert "maxmemory" not in page
    assert "maxmemory" in ada.open("/admin/hosts").text
    for _ in range(20):
        tick.tick(cloud.wire)
        cloud.clock.forward(seconds=5)
    session.rollback()
    waiting = session.scalars(select(Task).where(Task.finished_at.is_(None))).all()
    assert waiting
    assert {task.attempt for task in waiting} == {0}

    cloud.redis.config_set("maxmemory", 0)
    bell.ring()  # as the bell does by itself every few seconds
    cloud.settle()
    page = alice.open(made.location).text
    assert Status.RUNNING.word in page
    assert "Changes wait." not in page
    session.rollback()
    for task in session.scalars(select(Task).where(Task.job == "instances.apply")):
        assert task.attempt == 1  # each once


def test_a_form_that_a_proxy_makes_look_foreign_says_what_to_change(alice, caplog):
    """The proxy drops the port, or the scheme. Positive control: it passes on both."""
    given = {"Host": "localhost:8443", "Origin": "http://localhost:8443"}
    token = {"csrf_token": alice.token(PAGE)}
    assert alice.client.post("/account/theme", data=token, headers=given).status_code == 303
    told = alice.send("/account/theme", page=PAGE, Origin="http://localhost:8443")
    assert told.status_code == 403
    for words in ("http://localhost:8443", "Host as localhost", "header Host $http_host;"):
        assert words in told.text
    assert "Origin 'http://localhost:8443', Host 'localhost'" in caplog.text
    told = alice.send("/account/theme", page=PAGE, Origin="https://localhost")
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in told.text
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    foreign = alice.send("/account/theme", page=PAGE, **evil)
    assert foreign.status_code == 403
    assert "proxy" not in foreign.text


def test_by_http_a_portal_with_secure_cookies_says_that_nobody_can_sign_in(cloud):
    config.use(dataclasses.replace(config.current(), secure_cookies=True))
    visitor = Browser(create_app(config.current()))
    assert "Nobody can sign in by this address." in visitor.open("/login").text
    by_https = visitor.client.get("/login", base_url="https://localhost").text
    assert "Nobody can sign in" not in by_https
