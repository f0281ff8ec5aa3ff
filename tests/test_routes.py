"""What holds for every route there is, whoever wrote it: forms, reading, headers, errors."""

import dataclasses
import re

import pytest
import redis
from sqlalchemy import select

from portal import create_app, keys
from portal.db import Base, session
from portal.models import Session
from portal.pages import CONTENT_SECURITY_POLICY
from tests.cloud import PASSWORD
from tests.pages.conftest import Browser
from tests.routes import FIELDS, routes
from workers.drivers.fake import FakeHost

pytestmark = pytest.mark.xdist_group("house")  # one worker furnishes it

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
NEVER_KEPT = {"login.create", "images.create"}  # open to all, and a file
OTHER_SITES = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:8081"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.fixture
def app(house):
    return house.app


@pytest.fixture
def ada(house):
    """Who may open every page."""
    return house.browser("ada")


@pytest.fixture
def paths(house):
    """(method, path) of every route, for things that exist in the project red."""
    return [(route.method, route.path(house.app, house.red)) for route in routes(house.app)]


@pytest.fixture
def reading(house):
    """(browser, path) of every page there is, opened by somebody who may."""
    return [
        (house.browser(route.visitor), route.path(house.app, house.red))
        for route in routes(house.app)
        if route.method == "GET"
    ]


@pytest.fixture
def changing(paths):
    found = [(method, path) for method, path in paths if method != "GET"]
    assert found
    return found


def dump() -> dict:
    """Every row of every table, but when sessions were last seen."""
    session.rollback()
    seen = {Session.__table__: {"last_seen", "updated_at"}}
    rows = {
        table.name: sorted(
            repr({key: value for key, value in row.items() if key not in seen.get(table, ())})
            for row in session.execute(select(table)).mappings()
        )
        for table in Base.metadata.sorted_tables
    }
    session.rollback()
    return rows


def test_what_lies_below_admin_is_what_is_in_the_package_of_that_name(app):
    for route in routes(app):
        below = route.rule.rule.startswith("/admin/")
        assert below == route.endpoint.startswith("admin."), route.name


def test_no_form_is_taken_without_its_token(ada, changing):
    before = dump()
    for method, path in changing:
        assert ada.client.open(path, method=method, data=FIELDS).status_code == 400, path
        wrong = {"X-CSRFToken": "IjEyMyI.Zg.x"}
        answer = ada.client.open(path, method=method, data=FIELDS, headers=wrong)
        assert answer.status_code == 400, path
    assert dump() == before


def test_the_token_of_one_session_is_worth_nothing_in_another(house, ada, changing):
    token = house.browser("alice").token("/account/password")
    for method, path in changing:
        answer = ada.client.open(path, method=method, data=FIELDS, headers={"X-CSRFToken": token})
        assert answer.status_code == 400, path


def test_a_form_that_came_back_through_a_sign_in_is_shown_and_not_carried_out(house, app, ada):
    before = dump()
    for route in routes(app):
        if not route.endpoint.endswith(".create") or route.endpoint in NEVER_KEPT:
            continue
        browser = house.browser(route.visitor)
        token = browser.token("/account/password")
        fields = {**FIELDS, "look_again": "1", "csrf_token": token}
        answer = browser.client.post(route.path(app, house.red), data=fields)
        assert answer.status_code == 200, route.name
        assert 'value="of-red"' in answer.text or 'value="rita"' in answer.text, route.name
        assert "look_again" not in answer.text, route.name
    assert dump() == before


@pytest.mark.parametrize("headers", OTHER_SITES, ids=str)
def test_nothing_is_changed_for_another_site(ada, changing, headers):
    before, token = dump(), ada.token("/account/password")
    for method, path in changing:
        answer = ada.client.open(
            path, method=method, data=FIELDS, headers={"X-CSRFToken": token, **headers}
        )
        assert answer.status_code == 403, path
        assert "sent from another site" in answer.text, path
    assert dump() == before


def test_a_form_of_this_site_is_taken(ada):
    here = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    token = ada.token("/account/password")
    answer = ada.client.post(
        "/account/theme", data={"theme": "dark"}, headers={"X-CSRFToken": token, **here}
    )
    assert answer.status_code == 303


def test_reading_changes_nothing(reading, house):
    house.clock.forward(minutes=2)  # so that being seen is written, and is all that is
    for browser, path in reading:
        before = dump()
        for headers in ({}, {"HX-Request": "true", "HX-Request-Type": "partial"}):
            assert browser.open(path, **headers).status_code in (200, 303), path
        assert dump() == before, path


def test_reading_asks_neither_a_host_nor_redis(reading, monkeypatch):
    touched = []
    monkeypatch.setattr(FakeHost, "_connect", lambda host: touched.append("a host"))
    monkeypatch.setattr(
        redis.connection.AbstractConnection,
        "send_packed_command",
        lambda *_, **__: touched.append("Redis"),
    )
    for browser, path in reading:
        assert browser.open(path).status_code in (200, 303), path
        assert not touched, path


def test_a_change_rings_for_the_conductor_and_asks_no_host(ada, house, monkeypatch):
    rung = []
    monkeypatch.setattr(
        redis.connection.AbstractConnection,
        "send_packed_command",
        lambda *_, **__: rung.append(1) or (_ for _ in ()).throw(redis.ConnectionError()),
    )
    monkeypatch.setattr(FakeHost, "_connect", lambda host: pytest.fail("a host was asked"))
    place = f"/projects/{house.red['project_id']}/instances"
    answer = ada.send(place, ada.fields(f"{place}/new"), page=f"{place}/new")
    assert answer.status_code == 303
    assert rung


def test_every_answer_bears_the_headers(app, ada, paths):
    nobody = Browser(app)
    for browser in (ada, nobody):
        for method, path in paths:
            answer = browser.client.open(path, method=method)
            for name, value in HEADERS.items():
                given = answer.headers.getlist(name)
                screen = path == "/screen" or (path.endswith("/console") and browser is ada)
                if screen:  # it may open a WebSocket, too
                    given = [each.replace("'self' ws://localhost;", "'self';") for each in given]
                assert given == [value], (path, name)
            if not path.startswith("/static/"):
                assert answer.headers["Cache-Control"] == "no-store", path
                assert answer.headers["X-Request-Id"].startswith("req-"), path
            answer.close()
    for path in ("/nothing", "/static/nothing"):
        assert ada.open(path).headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_the_policy_lets_nothing_in_that_is_not_ours():
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY


def test_over_https_the_cookie_is_for_this_host_alone(house):
    secure = create_app(dataclasses.replace(house.settings, secure_cookies=True))
    answer = secure.test_client().get("/login", base_url="https://localhost")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-portico=")
    for flag in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert flag in cookie, flag
    assert "Domain" not in cookie
    assert "max-age=" in answer.headers["Strict-Transport-Security"]


def test_over_https_forms_are_sent_without_a_referer_as_browsers_do(house):
    secure = create_app(dataclasses.replace(house.settings, secure_cookies=True))
    browser, there = secure.test_client(), {"base_url": "https://localhost"}
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/login", **there).text)[1]
    form = {"csrf_token": token, "name": "alice", "password": PASSWORD}
    answer = browser.post("/login", data=form, headers={"Origin": "null"}, **there)
    assert answer.status_code == 303
    refused = browser.post("/logout", headers={"Origin": "https://evil.example"}, **there)
    assert refused.status_code == 403


def test_a_name_that_is_not_ours_is_refused(app, paths):
    client = app.test_client()
    for method, path in paths:
        answer = client.open(path, method=method, headers={"Host": "evil.example"})
        assert answer.status_code == 400, path
        assert "evil" not in answer.text, path


@pytest.mark.parametrize("somebody", ["ada", None])
def test_what_breaks_is_told_by_its_number_and_nothing_else(
    house, app, caplog, monkeypatch, somebody
):
    def broken(**_):
        raise ValueError("canary-7c1d")

    for endpoint in ("projects.show", "login.show"):
        monkeypatch.setitem(app.view_functions, endpoint, broken)
    browser = house.browser(somebody) if somebody else Browser(app)
    path = f"/projects/{house.red['project_id']}/" if somebody else "/login"
    answer = browser.open(path)
    assert answer.status_code == 500
    number = re.search(r"req-[0-9a-f]{16}", answer.text)[0]
    assert answer.headers["X-Request-Id"] == number
    assert "canary-7c1d" not in answer.text
    assert "Traceback" not in answer.text
    assert number in caplog.text
    assert "canary-7c1d" in caplog.text


def test_every_error_page_bears_the_number_of_its_request(house, ada):
    red = f"/projects/{house.red['project_id']}"
    rita = house.browser("rita")
    answers = {
        400: ada.client.post("/account/theme"),
        403: rita.open("/admin/hosts"),
        404: ada.open(f"{red}/nothing"),
        405: ada.client.delete(f"{red}/instances"),
        413: ada.client.post("/account/theme", data={"theme": "x" * 2**21}),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["X-Request-Id"] in answer.text, status


def test_a_database_that_does_not_answer_is_told_like_anything_else(ada, monkeypatch):
    monkeypatch.setattr(session, "scalars", lambda *_, **__: 1 / 0)
    monkeypatch.setattr(session, "scalar", lambda *_, **__: 1 / 0)
    answer = ada.open("/account/password")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "ZeroDivisionError" not in answer.text


def test_nothing_secret_lies_readable_in_the_cookie(ada):
    payload = ada.client.get_cookie("portico").value
    assert "ada" not in payload
    assert keys.signing_key() not in payload
