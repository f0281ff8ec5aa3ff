"""From signing in to the end of a session, by whatever it ends."""

import dataclasses
import re
import time
from urllib.parse import urljoin, urlsplit

import pytest

from portal import config
from portal.models import Role
from portal.services import cloud_roles, projects, users
from tests.cloud import PASSWORD
from tests.pages.conftest import Browser

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
        cloud_roles.set_role(ada, bob.user_id, Role.READER),
        cloud_roles.set_role(ada, bob.user_id, None),
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


def test_signing_in_again_ends_the_browsers_earlier_session(app, alice):
    earlier = with_cookie(app, cookie(alice))
    assert signed_in(earlier)
    alice.sign_in("alice")
    assert signed_in(alice)
    assert not signed_in(earlier)


def test_a_static_file_that_is_missing_is_not_kept_by_any_cache(alice):
    """Its page shows who is signed in. Positive control: a file that is there is kept."""
    missing = alice.open("/static/none.css")
    assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "no-store")
    assert "max-age" in alice.open("/static/parts.css").headers["Cache-Control"]


def test_a_short_session_is_as_short_as_it_was_set(cloud, app, alice):
    config.use(dataclasses.replace(config.current(), session_idle_minutes=1))
    cloud.clock.forward(seconds=61)
    assert not signed_in(alice)


@pytest.mark.parametrize("hours", [1, -1])
def test_who_is_signed_in_stays_so_whoever_sets_the_clock(cloud, alice, red, monkeypatch, hours):
    """Seen: an hour back, cookies were signed in the future, and everybody was signed out."""
    right = time.time
    cloud.clock.set_forward(hours=hours)
    monkeypatch.setattr(time, "time", lambda: right() + hours * 3600)
    assert alice.open(f"{red}/").status_code == 200
    assert (
        alice.send(f"{red}/settings-that-are-not", page=f"{red}/instances/new").status_code == 404
    )
