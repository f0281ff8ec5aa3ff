"""What holds for every route of the API, whoever wrote it: who may, and how it fails.

The table of routes is printed: `REWRITE_GOLDEN=1 python -m pytest tests/api/test_laws.py` writes
it anew.
"""

import dataclasses
import json
import re

import pytest

from portal import api
from portal.api import microversions
from portal.doors import DOORS
from tests import golden
from tests.api.bodies import BODIES
from tests.api.shapes import assert_fault
from tests.programs import Program
from tests.routes import MEMBERS, Route, plain, routes, unknown
from tests.test_policies import Spy, verdict
from tests.test_routes import dump

pytestmark = pytest.mark.xdist_group("house")  # one worker furnishes it

PEOPLE = {  # seen from the project red
    "stranger": ("charlie", ""),
    "reader": ("rita", ""),
    "member": ("bob", ""),
    "manager": ("alice", ""),
    "admin": ("ada", ""),
    "system": ("ada", "system"),
}
FREE = {
    "auth",
    "availability_zones",
    "domains",
    "endpoints",
    "extensions",
    "info",
    "os_availability_zone",
    "schemas",
    "regions",
    "role_inferences",
    "roles",
    "services",
}  # nouns that everybody may ask for what is their own, or all people's
ALIKE = {
    "domain_id",
    "endpoint_id",
    "flavor_id",
    "hypervisor_id",
    "region_id",
    "group_id",
    "implied_id",
    "role_id",
    "service_id",
}  # arguments of URLs that name what is the same for everybody
OPEN = ("login", "health", "help", "screens")  # pages that are there for everybody
REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclasses.dataclass
class Row:
    """What became of one route: who was answered how, and which permissions were asked for."""

    route: Route
    asked: list
    cells: dict[str, str]
    bodies: dict[str, str]

    @property
    def permissions(self) -> str:
        return " ".join(dict.fromkeys(permission for permission, _ in self.asked)) or "-"


class Visitors:
    """Everybody who may try a route."""

    def __init__(self, house, patch: pytest.MonkeyPatch):
        self.house, self.spy = house, Spy(patch)
        self.programs = {role: house.program(*who) for role, who in PEOPLE.items()}
        self.programs["nobody"] = Program(house.app)

    def ask(self, role: str, route: Route, values: dict):
        """What `role` is answered; whatever it changed is as before."""
        answer = visit(self.programs[role], route, self.house.app, values)
        if route.method != "GET":
            self.house.restore()
        return answer

    def row(self, route: Route) -> Row:
        red, blue = self.house.red, self.house.blue
        self.spy.taken()
        answers = {"admin": self.ask("admin", route, red)}
        asked = self.spy.taken()
        for role in ("nobody", *PEOPLE):
            answers[role] = answers.get(role) or self.ask(role, route, red)
        if route.things - ALIKE:
            answers["foreign"] = self.ask("manager", route, blue)
            answers["unknown"] = self.ask("manager", route, red | unknown(route.things))
        return Row(
            route,
            asked,
            {key: said(answer) for key, answer in answers.items()},
            {key: plain(answer.text) for key, answer in answers.items()},
        )


def visit(program: Program, route: Route, app, values: dict, **more):
    """What is answered on this route, to a body that is understood there."""
    body = BODIES.get(route.endpoint)
    given = {"json": body() if callable(body) else body} if body is not None else {}
    more["headers"] = in_version(route, app) | more.get("headers", {})
    return program.ask(route.method, route.path(app, values), **given | more)


def in_version(route: Route, app) -> dict[str, str]:
    """The headers that ask for a version in which the route is there."""
    first = getattr(app.view_functions[route.endpoint], "first", None)
    return {microversions.HEADER: "compute {}.{}".format(*first)} if first else {}


def said(answer) -> str:
    """The answer in a word: whatever is neither "no" nor "who are you?" is "yes"."""
    return "yes" if answer.status_code in (*range(200, 301), 409) else str(answer.status_code)


def of_api(app) -> list[Route]:
    return routes(app, of_api=True)


@pytest.fixture(scope="module")
def rows(lasting_house):
    with pytest.MonkeyPatch.context() as patch:
        visitors = Visitors(lasting_house, patch)
        return [visitors.row(route) for route in of_api(lasting_house.app)]


def test_the_routes_are_those_that_are_printed(rows):
    shown = ("nobody", *PEOPLE, "foreign")
    lines = [
        [
            row.route.name,
            row.route.method,
            *(row.cells.get(column, "-") for column in shown),
            row.permissions,
        ]
        for row in rows
    ]
    golden.assert_same("api_routes.txt", golden.table(["route", "", *shown, "asks for"], lines))


def test_whoever_shows_no_token_learns_nothing_but_what_versions_there_are(rows):
    for row in rows:
        expected = "yes" if api.is_open(row.route.endpoint) else "401"
        assert row.cells["nobody"] == expected, row.route.name


def test_everybody_is_answered_as_the_permissions_say(rows, house):
    for row in rows:
        if not row.asked:
            noun = row.route.endpoint.split(".")[1]
            assert api.is_open(row.route.endpoint) or noun in FREE, row.route.name
        for role in ("reader", "member", "manager"):
            name = PEOPLE[role][0]
            allowed = {verdict(house.cloud.actor(name), row.asked), "404"}
            if "user_id" in row.route.things:
                allowed.add("yes" if name == MEMBERS["red"] else "403")
            assert row.cells[role] in allowed, (row.route.name, role)


def test_what_is_anothers_is_answered_like_what_does_not_exist(rows):
    for row in rows:
        if "foreign" in row.cells:
            assert row.cells["foreign"] == row.cells["unknown"], row.route.name
            assert row.bodies["foreign"] == row.bodies["unknown"], row.route.name


def test_reading_changes_nothing(house):
    house.clock.forward(minutes=2)
    for route in of_api(house.app):
        if route.method == "GET":
            before = dump()
            visit(house.program("ada"), route, house.app, house.red)
            assert dump() == before, route.name


def test_every_route_stands_in_the_file_of_its_path(house):
    for route in of_api(house.app):
        service, file, *_ = route.endpoint.split(".")
        parts = [each for each in route.rule.rule.split("/") if each]
        assert parts[0] == service, route.name
        if file == "versions":
            assert len(parts) <= 2, route.name
            continue
        constant = [each.replace("-", "_") for each in parts[2:] if not each.startswith("<")]
        assert file == "_".join(constant)[: len(file)], (route.name, constant)


def test_every_answer_has_a_number_and_no_cookie(house):
    for route in of_api(house.app):
        answer = visit(house.program("rita"), route, house.app, house.red)
        assert REQUEST_ID.fullmatch(answer.headers["X-OpenStack-Request-Id"]), route.name
        assert answer.headers["Cache-Control"] == "no-store", route.name
        assert "Set-Cookie" not in answer.headers, route.name


def test_a_browsers_session_counts_for_nothing(house):
    cookie = house.browser("ada").client.get_cookie("portico").value
    for route in of_api(house.app):
        if api.is_open(route.endpoint):
            continue
        answer = visit(
            Program(house.app), route, house.app, house.red, headers={"Cookie": f"portico={cookie}"}
        )
        assert_fault(answer, 401)


def test_a_token_counts_for_nothing_on_pages(house):
    program = house.program("ada")
    for route in routes(house.app):
        if route.method == "GET" and not route.endpoint.startswith(OPEN):
            answer = program.get(route.path(house.app, house.red))
            assert "/login?" in (answer.location or "") or route.endpoint == "static", route.name


@pytest.mark.parametrize("token", ["nobody's", "x" * 2**20, "\xe9", "0" * 43])
def test_what_is_no_token_lets_nobody_in(house, token):
    for service in house.app.extensions[DOORS].values():
        answer = Program(house.app).get(f"/{service}/nothing", headers={"X-Auth-Token": token})
        assert_fault(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")


def bad_bodies() -> list[tuple[int, dict]]:
    plainly = {"content_type": "application/json"}
    deep = '{"a":' * 10_000 + "1" + "}" * 10_000
    return [
        (415, {"data": "<server/>", "content_type": "application/xml"}),
        (400, {"data": b"\xff\xfe", **plainly}),
        (400, {"data": "{", **plainly}),
        (400, {"data": deep, **plainly}),
        (400, {"data": "[" * 10_000 + "]" * 10_000, **plainly}),
        (400, {"data": '{"server": NaN}', **plainly}),
        (400, {"data": '{"server": 1' + "0" * 5000 + "}", **plainly}),
        (400, {"data": "[]", **plainly}),
        (400, {"data": '{"server": "\\ud800"}', **plainly}),
        (400, {"data": '{"no such key": 1}', **plainly}),
        (413, {"data": json.dumps({"a": "x" * 2**20}), **plainly}),
    ]


@pytest.mark.parametrize(("status", "sent"), bad_bodies())
def test_a_body_that_is_none_is_refused_in_the_services_own_words(house, status, sent):
    for route in of_api(house.app):
        if route.endpoint in BODIES:
            path, headers = route.path(house.app, house.red), in_version(route, house.app)
            answer = house.program("ada").ask(route.method, path, headers=headers, **sent)
            assert_fault(answer, status, route.name)
            house.restore()


def test_paths_that_lead_nowhere_fail_in_the_services_own_words(house):
    program = house.program("ada")
    for service in house.app.extensions[DOORS].values():
        for path in (f"/{service}/nothing", f"/{service}//v3", f"/{service}/v3/%00"):
            assert_fault(program.get(path), 404, path)


def test_methods_that_are_not_there_are_refused_in_the_services_own_words(house):
    program = house.program("ada")
    for route in of_api(house.app):
        path = route.path(house.app, house.red)
        assert_fault(program.ask("PROPFIND", path), 405, route.name)


def test_a_slash_at_the_end_makes_no_difference(house):
    program = house.program("ada")
    for route in of_api(house.app):
        if route.method == "GET":
            path = route.path(house.app, house.red)
            answers = {program.get(each).status_code for each in (path, f"{path}/")}
            if route.endpoint == "image.images.index":  # clients ask for an image of no id there
                assert answers == {200, 404}
                continue
            assert len(answers) == 1, route.name
            assert answers <= {200, 204, 300, 400, 404}, route.name


def test_a_name_instead_of_an_id_leads_nowhere(house):
    program = house.program("ada")
    for route in of_api(house.app):
        if route.things - ALIKE and route.method == "GET":
            path = re.sub("[0-9a-f-]{36}", "of-red", route.path(house.app, house.red))
            assert_fault(program.get(path), 404, route.name)


def test_what_breaks_is_told_by_its_number_and_nothing_else(house, monkeypatch, caplog):
    def broken(**_):
        raise ValueError("canary-7c1d")

    for route in of_api(house.app):
        monkeypatch.setitem(house.app.view_functions, route.endpoint, broken)
        answer = house.program("ada").ask(route.method, route.path(house.app, house.red))
        assert_fault(answer, 500, route.name)
        assert "canary-7c1d" not in answer.text
        assert answer.headers["X-OpenStack-Request-Id"] in caplog.text


def test_links_are_of_the_scheme_and_host_that_were_asked(house):
    for service in house.app.extensions[DOORS].values():
        answer = Program(house.app).get(f"/{service}", base_url="https://localhost")
        assert "https://localhost/" in answer.text
        assert "http://" not in answer.text


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (None, 200),
        ("compute latest", 200),
        ("compute 2.1", 200),
        ("volume 3.70, compute 2.1", 200),
        ("volume 3.70", 200),
        ("compute 2.9999", 406),
        ("compute 2.0", 406),
        ("compute banana", 400),
        ("banana", 400),
        ("compute 2", 400),
        ("compute 2.01", 400),
    ],
)
def test_versions_are_agreed_upon_or_refused(house, asked, status):
    headers = {microversions.HEADER: asked} if asked else {}
    answer = house.program("ada").get("/compute/v2.1", headers=headers)
    assert microversions.HEADER in answer.headers["Vary"]
    if status != 200:
        assert_fault(answer, status)
        return
    served = microversions.RANGES["compute"]
    version = served.most if asked and "latest" in asked else served.least
    assert answer.headers[microversions.HEADER] == f"compute {version}"
    assert answer.headers[served.older_header] == str(version)


def test_the_older_header_asks_for_a_version_too(house):
    headers = {"X-OpenStack-Nova-API-Version": "2.9999"}
    assert_fault(house.program("ada").get("/compute/v2.1", headers=headers), 406)
