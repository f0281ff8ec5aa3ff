"""How many requests one user's programs may make, and what every answer says of it."""

import dataclasses

import pytest

from portal import config, db, throttle
from tests.api.shapes import assert_fault
from tests.pages.conftest import Browser
from tests.pages.test_application_credentials import created, credential
from tests.programs import TOKENS, Program, by_password

FEW = 5
NETWORKS = "/network/v2.0/networks"
EVERYWHERE = (NETWORKS, "/identity/v3/projects", "/compute/v2.1/servers", "/image/v2/images")


@pytest.fixture
def few(cloud, monkeypatch):
    """So few may be asked within a minute, which has just begun."""
    minutes = 100 * 60
    monkeypatch.setattr(db, "steady_clock", lambda: minutes + cloud.clock.passed.total_seconds())
    config.use(dataclasses.replace(config.current(), requests_per_minute=FEW))


@pytest.fixture(autouse=True)
def redis_is_asked(monkeypatch):
    monkeypatch.setattr(throttle._Store, "away_until", 0.0)


def use_up(program: Program) -> None:
    for _ in range(FEW):
        program.get(NETWORKS)


def test_every_answer_says_what_is_left(few, app, alice):
    for number, path in enumerate(EVERYWHERE, 1):
        headers = alice.get(path).headers
        assert headers["X-RateLimit-Limit"] == str(FEW)
        assert headers["X-RateLimit-Remaining"] == str(FEW - number), path
        seconds = headers["X-RateLimit-Reset"]
        assert 1 <= int(seconds) <= 60
        assert headers["RateLimit-Policy"] == f'"user";q={FEW};w=60'
        assert headers["RateLimit"] == f'"user";r={FEW - number};t={seconds}'
    assert alice.get("/network/v2.0/nothing").headers["X-RateLimit-Remaining"] == "0"


@pytest.mark.parametrize("path", EVERYWHERE)
def test_one_too_many_is_refused_in_the_services_own_words(few, alice, path):
    use_up(alice)
    answer = alice.get(path)
    said = assert_fault(answer, 429)
    assert said.strip().startswith("More than 5 requests within a minute.")
    assert answer.headers["Retry-After"] == answer.headers["X-RateLimit-Reset"]


def test_others_are_not_concerned(few, alice, program):
    use_up(alice)
    assert alice.get(NETWORKS).status_code == 429
    assert program("bob", "red").get(NETWORKS).status_code == 200


def test_a_minute_later_there_may_be_more(few, alice, cloud):
    use_up(alice)
    assert alice.get(NETWORKS).status_code == 429
    cloud.clock.forward(seconds=60)
    assert alice.get(NETWORKS).status_code == 200


def test_another_token_or_a_credential_counts_for_its_user(few, app, alice, program, cloud):
    page = created(Browser(app).sign_in("alice"), cloud).text
    secret = page.partition("OS_APPLICATION_CREDENTIAL_SECRET=")[2].split()[0]
    said = {"id": credential().id.hex, "secret": secret}
    identity = {"methods": ["application_credential"], "application_credential": said}
    other = Program(app)
    other.token = other.post(TOKENS, {"auth": {"identity": identity}}).headers["X-Subject-Token"]
    use_up(alice)
    assert other.get(NETWORKS).status_code == 429
    assert program("alice").get("/identity/v3/auth/projects").status_code == 429


@pytest.mark.parametrize("how", ["password", "token", "application_credential"])
def test_tokens_are_given_out_no_faster_than_requests_are_taken(few, app, alice, cloud, how):
    """Each is kept in a table, and who asks for one shows none by which they could be counted."""
    page = created(Browser(app).sign_in("alice"), cloud).text
    secret = page.partition("OS_APPLICATION_CREDENTIAL_SECRET=")[2].split()[0]
    said = {
        "token": {"id": alice.token},
        "application_credential": {"id": credential().id.hex, "secret": secret},
    } | by_password("alice")["auth"]["identity"]
    body = {"auth": {"identity": said | {"methods": [how]}}}
    answers = [Program(app).post(TOKENS, body) for _ in range(FEW)]
    assert [each.status_code for each in answers] == [201] * (FEW - 1) + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_with_redis_out_of_reach_nobody_is_kept_out(few, alice):
    config.use(dataclasses.replace(config.current(), redis_url="unix:///nowhere/redis.sock"))
    for _ in range(FEW + 1):
        answer = alice.get(NETWORKS)
    assert answer.status_code == 200
    assert "RateLimit" not in answer.headers


def test_whatever_is_back_soon_says_when_to_ask_again(app):
    config.use(dataclasses.replace(config.current(), redis_url="unix:///nowhere/redis.sock"))
    answer = Program(app).post(TOKENS, by_password("alice", "red"))
    assert_fault(answer, 503)
    assert answer.headers["Retry-After"] == "10"
