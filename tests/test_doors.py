"""A front door beside the pages, as an API will be: it fails in its own way, and so do pages."""

import dataclasses

import pytest
from flask import Blueprint, jsonify
from flask_login import current_user
from werkzeug.exceptions import HTTPException

from portal import create_app, doors
from portal.errors import NotFound, Refused
from tests.pages.conftest import Browser

pytestmark = pytest.mark.xdist_group("house")  # one worker furnishes it


def said(error: Exception):
    """What went wrong, as programs read it."""
    status = getattr(error, "status", None) or getattr(error, "code", None) or 500
    sentence = error.description if isinstance(error, HTTPException) else str(error)
    return jsonify(error=sentence if status < 500 else "It broke."), status


def toy() -> Blueprint:
    door = Blueprint("toy", __name__, url_prefix="/toy")
    servers = Blueprint("servers", __name__, url_prefix="/servers")
    door.register_error_handler(Exception, said)

    @servers.get("")
    def listed():
        return jsonify(known=current_user.is_authenticated)

    @servers.post("")
    def create():
        return jsonify(made=True), 202

    @servers.get("/gone")
    def gone():
        raise NotFound("There is no such server.")

    @servers.get("/refused")
    def refused():
        raise Refused("A server has a name.")

    @servers.get("/broken")
    def broken():
        raise ValueError("canary-7c1d")

    door.register_blueprint(servers)
    return door


@pytest.fixture
def app(house):
    app = create_app(dataclasses.replace(house.settings))
    doors.open_beside(app, toy())
    return app


@pytest.fixture
def client(app):
    return app.test_client()


def test_a_program_needs_no_form_token_and_may_come_from_anywhere(client):
    for headers in ({}, {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}):
        answer = client.post("/toy/servers", json={"name": "web"}, headers=headers)
        assert (answer.status_code, answer.json) == (202, {"made": True})


def test_nobody_is_led_to_the_login_page_from_there(client):
    answer = client.get("/toy/servers")
    assert (answer.status_code, answer.json) == (200, {"known": False})


def test_a_browsers_session_counts_for_nothing_there(app, house):
    browser = Browser(app)
    browser.client.set_cookie("portico", house.browser("ada").client.get_cookie("portico").value)
    assert browser.open("/account/password").status_code == 200
    assert browser.open("/toy/servers").json == {"known": False}


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/toy/servers/gone", 404, "There is no such server."),
        ("GET", "/toy/servers/refused", 422, "A server has a name."),
        ("GET", "/toy/servers/broken", 500, "It broke."),
        ("GET", "/toy/nothing", 404, "not found"),
        ("GET", "/toy", 404, "not found"),
        ("DELETE", "/toy/servers", 405, "not allowed"),
    ],
)
def test_what_goes_wrong_there_is_said_in_its_own_way(client, method, path, status, words):
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.is_json
    assert words in answer.json["error"]
    assert answer.headers["X-Request-Id"].startswith("req-")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/toyshop", 404),
        ("DELETE", "/login", 405),
        ("POST", "/login", 400),
    ],
)
def test_pages_beside_it_fail_as_pages(client, method, path, status):
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.text.startswith("<!doctype html>")


def test_pages_beside_it_are_as_guarded_as_before(client, house):
    answer = client.get(f"/projects/{house.red['project_id']}/instances")
    assert answer.status_code == 303
    assert answer.location.startswith("/login?")
    crossed = client.post("/login", headers={"Origin": "https://elsewhere.example"})
    assert crossed.status_code == 403


def test_a_blueprint_that_is_no_door_is_guarded_like_a_page(house):
    app = create_app(dataclasses.replace(house.settings))
    stray = Blueprint("stray", __name__, url_prefix="/stray")
    stray.add_url_rule("", view_func=lambda: "seen", methods=["GET", "POST"])
    app.register_blueprint(stray)
    assert app.test_client().get("/stray").location.startswith("/login?")
    assert app.test_client().post("/stray").status_code == 400
