"""From signing in to the end of a session, by whatever it ends."""

import contextlib
import dataclasses
import re
from urllib.parse import urljoin, urlsplit

import pytest

from portal import config, create_app
from portal.models import Role, Status
from portal.services import projects, users
from tests.cloud import PASSWORD
from tests.conftest import install
from tests.crowd import at_once
from tests.pages.conftest import Browser
from tests.routes import plain
from tests.servers import RedisServer

PAGE = "/account/password"
NEW_PASSWORD = "lantern gravel 41 oboe"
HOSTILE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https://evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/%09/evil.example",
    " //evil.example",
    "/ /evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "//localhost@evil.example",
    "/\u3000/evil.example",
    "",
]


def cookie(browser) -> str:
    return browser.client.get_cookie("portico").value


def with_cookie(app, value: str) -> Browser:
    browser = Browser(app)
    browser.client.set_cookie("portico", value)
    return browser


def signed_in(browser) -> bool:
    return browser.open(PAGE).status_code == 200


def somewhere_else(location: str) -> bool:
    """Whether a browser that follows this leaves the site. It drops tabs and line ends and takes
    a backslash for a slash (WHATWG URL, 4.4)."""
    taken = re.sub(r"[\t\r\n]", "", location.strip()).replace("\\", "/")
    return urlsplit(urljoin("http://localhost/login", taken)).netloc != "localhost"


def test_signing_in_leads_to_no_other_site(app):
    for target in HOSTILE:
        fields = {"name": "alice", "password": PASSWORD, "next": target}
        answer = Browser(app).send("/login", fields)
        assert answer.status_code == 303, target
        assert not somewhere_else(answer.location), target


def test_no_form_and_no_link_carries_another_site_on(visitor, alice):
    for target in HOSTILE:
        page = visitor.client.get("/login", query_string={"next": target})
        carried = re.search(r'name="next"[^>]*value="([^"]*)"', page.text)[1]
        assert not somewhere_else(carried), target
        answer = alice.send("/account/theme", {"theme": "dark", "next": target}, page=PAGE)
        assert not somewhere_else(answer.location), target


def test_the_hostile_list_would_be_noticed():
    """`somewhere_else` knows a way out when it sees one."""
    for target in ("//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example"):
        assert somewhere_else(target)


def test_signing_in_leads_back_to_where_one_was(visitor, red):
    there = visitor.open(f"{red}/instances?sort=name")
    page = visitor.open(there.location)
    target = re.search(r'name="next"[^>]*value="([^"]*)"', page.text)[1]
    fields = {"name": "alice", "password": PASSWORD, "next": target}
    assert visitor.send("/login", fields).location == f"{red}/instances?sort=name"


def test_a_session_that_was_planted_is_not_the_one_that_is_signed_in(app, visitor):
    token = visitor.token("/login")
    planted = cookie(visitor)
    visitor.sign_in("alice")
    assert cookie(visitor) != planted
    assert not signed_in(with_cookie(app, planted))
    stale = visitor.client.post("/account/theme", data={"csrf_token": token})
    assert stale.status_code == 400


def test_signing_in_twice_gives_two_sessions(app, sign_in):
    first, second = sign_in("alice"), sign_in("alice")
    assert cookie(first) != cookie(second)
    first.sign_in("alice")
    assert signed_in(second)


def test_signing_out_ends_every_copy_of_the_cookie(app, alice):
    copy = with_cookie(app, cookie(alice))
    assert signed_in(copy)
    alice.send("/logout", page=PAGE)
    assert not signed_in(alice)
    answer = copy.open(PAGE)
    assert answer.status_code == 303
    assert answer.location.startswith("/login")


def test_a_session_ends_by_silence(alice, cloud):
    minutes = config.current().session_idle_minutes
    cloud.clock.forward(minutes=minutes - 1)
    assert signed_in(alice)
    cloud.clock.forward(minutes=minutes - 1)
    assert signed_in(alice)
    cloud.clock.forward(minutes=minutes + 1)
    assert not signed_in(alice)


def test_a_session_ends_by_its_age_however_it_is_used(alice, cloud):
    hours = config.current().session_hours
    for _ in range(hours - 1):
        cloud.clock.forward(hours=1)
        assert signed_in(alice)
    cloud.clock.forward(hours=1, seconds=1)
    assert not signed_in(alice)


def test_a_new_password_ends_all_other_sessions(app, sign_in):
    here, elsewhere = sign_in("alice"), sign_in("alice")
    fields = {"current": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert here.send(PAGE, fields).status_code == 303
    assert signed_in(here)
    assert not signed_in(elsewhere)
    Browser(app).sign_in("alice", NEW_PASSWORD)


def test_ending_all_sessions_ends_all(sign_in):
    here, elsewhere = sign_in("alice"), sign_in("alice")
    here.send("/account/sessions/end", page=PAGE)
    assert not signed_in(here)
    assert not signed_in(elsewhere)


ENDINGS = {
    "the role in the cloud is gone": lambda ada, project, bob: (
        users.set_cloud_role(ada, bob.user_id, Role.READER),
        users.set_cloud_role(ada, bob.user_id, None),
    ),
    "the user is locked": lambda ada, project, bob: users.enable(ada, bob.user_id, enabled=False),
    "the password is reset": lambda ada, project, bob: users.reset_password(
        ada, bob.user_id, NEW_PASSWORD
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_session_ends_when(sign_in, cloud, ending):
    browser, other = sign_in("bob"), sign_in("alice")
    ENDINGS[ending](cloud.actor("ada"), cloud.project("red"), cloud.actor("bob"))
    assert not signed_in(browser)
    assert signed_in(other)


def test_a_stronger_role_ends_no_session_and_counts_at_once(sign_in, cloud, red):
    rita = sign_in("rita")
    assert rita.open(f"{red}/instances/new").status_code == 403
    projects.set_member(cloud.actor("ada"), cloud.project("red").id, "rita", Role.MEMBER)
    assert rita.open(f"{red}/instances/new").status_code == 200


@pytest.mark.parametrize("whom", ["ada", "charlie"])
def test_a_project_ends_only_what_it_gave(sign_in, cloud, red, whom):
    """Adding somebody, making them less and removing them signs nobody out, wherever they belong
    and whoever they are; what they had in this project is gone at their next request."""
    person = sign_in(whom)
    alice, project_id = cloud.actor("alice"), cloud.project("red").id
    projects.set_member(alice, project_id, whom, Role.MEMBER)
    assert person.open(f"{red}/instances/new").status_code == 200
    projects.set_member(alice, project_id, whom, Role.READER)
    assert signed_in(person)
    assert person.open(f"{red}/instances/new").status_code == 403 or whom == "ada"
    projects.remove_member(alice, project_id, cloud.actor(whom).user_id)
    assert signed_in(person)
    assert person.open(f"{red}/instances").status_code == 404 or whom == "ada"


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
        for _ in range(users.WAITING_MOST):
            crowd.enter_context(contextlib.closing(_Waiting()))
        refused = Browser(app).send("/login", {"name": "alice", "password": "wrong"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert Browser(app).send("/login", {"name": "alice", "password": "w"}).status_code == 401


class _Waiting:
    def __init__(self):
        assert users._room.acquire(blocking=False)

    def close(self):
        users._room.release()


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
    assert signed_in(alice)
    filling_cloud.redis.config_set("maxmemory", 0)
    Browser(app).sign_in("bob")


def test_a_short_session_is_as_short_as_it_was_set(cloud, app, alice):
    config.use(dataclasses.replace(config.current(), session_idle_minutes=1))
    cloud.clock.forward(seconds=61)
    assert not signed_in(alice)
