"""What is told of the API is what is served, to people and as an OpenAPI document."""

import pytest
from jsonschema import Draft202012Validator

from portal import api
from tests.api.bodies import BODIES
from tests.routes import routes

DOCUMENT, PAGE = "/help/api/openapi.json", "/help/api/reference"

pytestmark = pytest.mark.xdist_group("house")


@pytest.fixture
def document(house):
    return house.app.test_client().get(DOCUMENT).json


def operations(document) -> dict[tuple[str, str], dict]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def path_of(route) -> str:
    return "".join(f"{{{part}}}" if is_dynamic else part for is_dynamic, part in _parts(route.rule))


def _parts(rule) -> list[tuple[bool, str]]:
    return [(dynamic, part) for dynamic, part in rule._trace if part != "|"]


def test_every_route_is_in_the_document_once_and_nothing_else_is(house, document):
    served = {(each.method, path_of(each)) for each in routes(house.app, of_api=True)}
    assert served == operations(document).keys()
    ids = [each["operationId"] for each in operations(document).values()]
    assert len(set(ids)) == len(ids)


def test_every_route_is_told_in_one_sentence(house, document):
    silent = [
        path
        for path, each in operations(document).items()
        if not each["summary"].endswith(".") or not each["summary"][0].isupper()
    ]
    assert not silent, "say it in the docstring of the view"


def test_whoever_reads_a_body_says_how_it_looks(house, document):
    told = operations(document)
    for route in routes(house.app, of_api=True):
        body = told[route.method, path_of(route)].get("requestBody")
        assert body or route.endpoint not in BODIES, (
            f"{route.endpoint}: give bodies.read what is known before the request, or the route "
            "its body="
        )


def test_every_schema_is_one_and_takes_what_the_route_takes(house, document):
    told = operations(document)
    for route in routes(house.app, of_api=True):
        if route.endpoint not in BODIES:
            continue
        body = BODIES[route.endpoint]
        said = told[route.method, path_of(route)]["requestBody"]["content"]["application/json"]
        Draft202012Validator.check_schema(said["schema"])
        wrong = Draft202012Validator(said["schema"]).iter_errors(body() if callable(body) else body)
        assert not [each.message for each in wrong], route.name


def test_the_document_has_the_parts_that_openapi_asks_for(document):
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= document["info"].keys()
    tags = {each["name"] for each in document["tags"]}
    for (_, path), each in operations(document).items():
        assert set(each["tags"]) <= tags
        assert each["responses"]
        for parameter in each["parameters"]:
            assert parameter["in"] in ("path", "query", "header")
            Draft202012Validator.check_schema(parameter["schema"])
        named = {each["name"] for each in each["parameters"] if each["in"] == "path"}
        assert all(f"{{{name}}}" in path for name in named)
        assert len(named) == path.count("{")
        places = [(each["in"], each["name"]) for each in each["parameters"]]
        assert len(set(places)) == len(places), path


def test_what_is_open_to_everybody_asks_for_no_token(house, document):
    told = operations(document)
    for route in routes(house.app, of_api=True):
        asks = told[route.method, path_of(route)]["security"]
        assert bool(asks) != api.is_open(route.endpoint), route.name


def test_what_a_list_may_be_asked_is_told(document):
    paths = document["paths"]
    names = {each["name"]: each for each in paths["/network/v2.0/networks"]["get"]["parameters"]}
    assert {"limit", "marker", "status", "router:external", "page_reverse"} <= names.keys()
    assert "created_at" in names["sort_key"]["schema"]["enum"]
    create = {each["name"] for each in paths["/compute/v2.1/servers"]["post"]["parameters"]}
    assert {"Idempotency-Key", "OpenStack-API-Version"} <= create


def test_urls_of_the_document_begin_as_the_request_did(house):
    said = house.app.test_client().get(DOCUMENT, base_url="https://localhost:8443").json
    assert said["servers"] == [{"url": "https://localhost:8443"}]


@pytest.mark.parametrize("name", ["", "rita"])
def test_the_page_tells_every_route_whoever_reads_it(house, document, name):
    browser = house.browser(name) if name else house.app.test_client()
    page = (browser.open if name else browser.get)(PAGE).text
    for (method, path), each in operations(document).items():
        assert f"{method} {path}</code>" in page
        assert each["summary"].replace("'", "&#39;") in page
