"""Who may do what: every permission for every role, and every route for everybody.

Both are printed: `REWRITE_GOLDEN=1 python -m pytest tests/test_policies.py` writes them anew. A
route that is new shows in the second table, whatever it asks for.
"""

import dataclasses
import sys
import uuid

import pytest

from portal.auth import browser
from portal.errors import Refused
from portal.models import Role
from portal.policies import ACCOUNT, PROJECT, SYSTEM, Actor, authorize
from tests import golden
from tests.pages.conftest import Browser
from tests.routes import FIELDS, OWNERS, PERSONAL, Route, plain, routes, unknown

pytestmark = pytest.mark.xdist_group("house")  # one worker furnishes it

PEOPLE = {  # seen from the project red
    "stranger": "charlie",
    "reader": "rita",
    "member": "bob",
    "admin": "alice",
    "cloud": "ada",
}
FREE = {
    "account",
    "application_credentials",
    "health",
    "help",
    "key_pairs",
    "login",
    "screens",
    "static",
}  # nouns that everybody has alone
QUESTIONS = {"boot_logs.ask"}  # a POST that alters nothing but what is known
START = "projects.start"  # leads to whatever one may see


@dataclasses.dataclass
class Row:
    """What became of one route: who was answered how, and which permissions were asked for."""

    route: Route
    asked: list[tuple[str, uuid.UUID | None]]
    cells: dict[str, str]
    bodies: dict[str, str]

    @property
    def permissions(self) -> str:
        return " ".join(dict.fromkeys(permission for permission, _ in self.asked)) or "-"


class Spy:
    """Writes down which permissions services ask for."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self.asked: list = []
        may = Actor.may

        def watched(actor, permission, project_id=None):
            if sys._getframe(1).f_code is authorize.__code__:
                self.asked.append((permission, project_id))
            return may(actor, permission, project_id)

        patch.setattr(Actor, "may", watched)

    def taken(self) -> list:
        asked, self.asked = self.asked, []
        return asked


class Visitors:
    """Everybody who may try a route, each with a form token, so that it is not for the lack of
    one that they are refused."""

    def __init__(self, house, patch: pytest.MonkeyPatch):
        self.house, self._spy = house, Spy(patch)
        people = {role: house.browser(name) for role, name in PEOPLE.items()}
        people["nobody"] = Browser(house.app)
        self._headers = {
            role: {
                "X-CSRFToken": browser.token("/login" if role == "nobody" else "/account/password"),
                "Cookie": f"portico={browser.client.get_cookie('portico').value}",
            }
            for role, browser in people.items()
        }
        self._client = house.app.test_client(use_cookies=False)  # a visit leaves none behind

    def ask(self, role: str, route: Route, path_values: dict):
        """What `role` is answered; whatever it changed is as before."""
        answer = self._client.open(
            route.path(self.house.app, path_values),
            method=route.method,
            data=None if route.method == "GET" else FIELDS,
            headers=self._headers[role],
        )
        answer.get_data()
        if route.method != "GET":
            self.house.restore()
        return answer

    def row(self, route: Route) -> Row:
        """Everybody has tried the route, with things of their own project and of others."""
        red, blue = self.house.red, self.house.blue
        self._spy.taken()
        answers = {"cloud": self.ask("cloud", route, red)}
        asked = self._spy.taken()
        for role in ("nobody", "stranger", "reader", "member", "admin"):
            answers[role] = self.ask(role, route, red)
        others = red | unknown(route.things)
        answers["stranger, unknown"] = self.ask("stranger", route, others)
        answers["admin, unknown"] = self.ask("admin", route, others)
        if "project_id" in route.arguments:
            answers["foreign"] = self.ask("admin", route, blue)
            nowhere = red | unknown({"project_id", *route.things})
            answers["foreign, unknown"] = self.ask("admin", route, nowhere)
            if route.things:
                crossed = blue | {"project_id": red["project_id"]}
                answers["crossed"] = self.ask("admin", route, crossed)
        return Row(
            route,
            asked,
            {key: said(answer) for key, answer in answers.items()},
            {key: plain(answer.text) for key, answer in answers.items()},
        )


def said(answer) -> str:
    """The answer in a word. Whatever is neither "no" nor "who are you?" is "yes": that a form
    lacks something is said only to who may send it."""
    if answer.status_code == 401 or "/login?" in (answer.location or ""):
        return "login"
    if answer.status_code == 200 and not answer.data:
        return "empty"
    if answer.status_code in (200, 303, 409, 422):
        return "yes"
    return str(answer.status_code)


@pytest.fixture(scope="module")
def rows(lasting_house):
    with pytest.MonkeyPatch.context() as patch:
        visitors = Visitors(lasting_house, patch)
        return [visitors.row(route) for route in routes(lasting_house.app)]


def verdict(actor: Actor, asked: list) -> str:
    """What the table of permissions says to who asks for all of these."""
    for permission, project_id in asked:
        try:
            authorize(actor, permission, project_id)
        except Refused as refused:
            return str(refused.status)
    return "yes"


def test_the_permissions_are_those_that_are_printed():
    project = uuid.uuid4()
    standings = {"stranger": {}} | {role.value: {"projects": {project: role}} for role in Role}
    standings |= {f"cloud {role.value}": {"system": role} for role in Role}
    actors = [Actor(uuid.uuid4(), "somebody", **standing) for standing in standings.values()]
    tables = []
    for title, permissions in (("project", PROJECT), ("cloud", SYSTEM), ("account", ACCOUNT)):
        lines = [
            [permission, *(verdict(actor, [(permission, project)]) for actor in actors)]
            for permission in sorted(permissions)
        ]
        tables.append(golden.table([title, *standings], lines))
    golden.assert_same("policies.txt", "\n".join(tables))


def test_the_routes_are_those_that_are_printed(rows):
    shown = ("nobody", *PEOPLE, "foreign", "crossed")
    lines = [
        [
            row.route.name,
            row.route.method,
            *(row.cells.get(column, "-") for column in shown),
            row.permissions,
        ]
        for row in rows
    ]
    golden.assert_same("routes.txt", golden.table(["route", "", *shown, "asks for"], lines))


def test_everybody_is_answered_as_the_permissions_say(rows, house):
    for row in rows:
        for role, name in PEOPLE.items():
            expected = verdict(house.cloud.actor(name), row.asked)
            if row.route.things & PERSONAL and name != OWNERS["red"]:
                expected = "404"
            assert row.cells[role].replace("empty", "404") == expected, (row.route.name, role)


def test_every_route_asks_for_a_permission_but_what_is_everybodys_own(rows):
    for row in rows:
        noun = row.route.endpoint.partition(".")[0]
        assert row.asked or noun in FREE or row.route.endpoint == START, row.route.name


def test_every_permission_that_is_asked_for_is_in_a_table(rows):
    named = {permission for row in rows for permission, _ in row.asked}
    assert named <= PROJECT.keys() | SYSTEM.keys() | ACCOUNT.keys()


def test_nobody_is_asked_to_sign_in_everywhere_but_where_all_may_enter(rows):
    for row in rows:
        expected = "yes" if row.route.endpoint in browser.OPEN else "login"
        assert row.cells["nobody"] == expected, row.route.name


def test_a_reader_changes_nothing_whatever_they_send(rows):
    changing = [
        row
        for row in rows
        if row.route.method != "GET"
        and "project_id" in row.route.arguments
        and row.route.endpoint not in QUESTIONS
    ]
    assert changing
    assert {row.cells["reader"] for row in changing} == {"403"}


def test_what_is_anothers_is_answered_like_what_does_not_exist(rows):
    for row in rows:
        for mine, unknown_ in (("foreign", "foreign, unknown"), ("crossed", "admin, unknown")):
            if mine in row.cells:
                assert row.cells[mine] in ("404", "empty"), (row.route.name, mine)
                assert row.bodies[mine] == row.bodies[unknown_], (row.route.name, mine)
        if row.route.things and row.cells["stranger"] != "yes":
            assert row.cells["stranger"] == row.cells["stranger, unknown"], row.route.name
            assert row.bodies["stranger"] == row.bodies["stranger, unknown"], row.route.name


def test_no_permission_has_two_tables():
    assert not PROJECT.keys() & SYSTEM.keys()
    assert not (PROJECT.keys() | SYSTEM.keys()) & ACCOUNT.keys()
