"""JSON for programs, in OpenStack's words: a front door for each service, below its own prefix.

The path of a file is the path of its URL, without the version: what lies below
`/compute/v2.1/servers` is in `portal/api/compute/servers.py`, whose `routes` are found by
themselves. A view parses, calls one service of `portal.services` and renders; nothing is decided
here. Cookies mean nothing: every route but discovery and signing in is for who shows a token.

`faults` says what goes wrong in each service's own shape, `bodies` reads JSON and judges it by a
schema, `lists` reads limit, marker, order and filters and makes the links, `microversions` agrees
on a version, `wire` writes ids and moments, `links` absolute URLs.
"""

import importlib
import pkgutil
import uuid
from collections.abc import Iterator

from flask import Blueprint, Flask, g, request
from werkzeug.exceptions import HTTPException

from portal import doors
from portal.api import catalog, faults, microversions, pace, preconditions, wire
from portal.api.reference import REFERENCE, Reference
from portal.api.routes import Routes
from portal.auth import tokens
from portal.db import unguard
from portal.errors import Refused
from portal.services.activities import record_refusal

SIGN_IN = {"identity.auth.issue"}  # beside discovery all that is open to everybody
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OURS = {  # what the record calls what has another name here
    "flavors_action": "flavors",
    "flavors_os_extra_specs": "extra_specs",
    "servers": "instances",
    "servers_action": "instances",
    "os_aggregates": "aggregates",
    "servers_metadata": "metadata",
    "servers_remote_consoles": "consoles",
    "servers_tags": "tags",
    "os_quota_sets": "quotas",
    "os_security_groups": "security_groups",
    "os_security_group_rules": "security_group_rules",
    "os_keypairs": "key_pairs",
    "os_server_groups": "placement_groups",
    "os_services": "hosts",
    "system": "cloud_roles",
    **dict.fromkeys(
        ("images_actions", "images_file", "images_import", "images_members", "images_tags"),
        "images",
    ),
    "users_application_credentials": "application_credentials",
    "users_credentials_OS_EC2": "access_keys",
}


def install(app: Flask) -> None:
    """Every service has its door, and is in the catalog if there is more than its versions."""
    app.url_map.converters["id"] = wire.IdConverter
    app.extensions[catalog.SERVED] = set()
    app.extensions[REFERENCE] = Reference(app, is_open)
    for service in catalog.DOORS:
        found = list(routes_of(service.key))
        if {each.name for each in found} > {"versions"}:
            app.extensions[catalog.SERVED].add(service.key)
        doors.open_beside(app, _door(service.key, found))


def routes_of(key: str) -> Iterator[Routes]:
    """What is served below the door of this service, one a file."""
    try:
        package = importlib.import_module(f"{__name__}.{key}")
    except ModuleNotFoundError:
        return
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        routes = getattr(importlib.import_module(module.name), "routes", None)
        if isinstance(routes, Routes):
            yield routes


def is_open(endpoint: str | None) -> bool:
    """Whether a route is there for everybody: what versions there are, and signing in."""
    return endpoint in SIGN_IN or (endpoint or "").split(".")[1:2] == ["versions"]


def _door(key: str, found: list[Routes]) -> Blueprint:
    door = Blueprint(key, __name__, url_prefix=f"/{key}")
    for routes in found:
        door.register_blueprint(routes)
    door.before_request(_number)
    door.before_request(_let_nobody_else_in)
    door.before_request(pace.keep)
    door.before_request(_agree)
    door.before_request(preconditions.heed)
    door.after_request(_headers)
    for kind in (faults.Fault, Refused, HTTPException, Exception):
        door.register_error_handler(kind, _failed)
    return door


def _number() -> None:
    g.request_id = f"req-{uuid.uuid4()}"


def _let_nobody_else_in() -> None:
    if not is_open(request.endpoint) and tokens.shown() is None:
        raise faults.nobody()


def _agree() -> None:
    if _service() in microversions.RANGES:
        microversions.agree(_service())


def _failed(error: Exception):
    unguard()
    if isinstance(error, Refused):
        _remember(error)
    return faults.answer(error, _service())


def _remember(refused: Refused) -> None:
    """What was refused is in the record too: who, what, why. Where one route does several things
    its view has said which, as `g.deed`."""
    if request.method in SAFE_METHODS or is_open(request.endpoint) or tokens.shown() is None:
        return
    actor, given = tokens.actor(), request.view_args or {}
    targets = [each for name, each in given.items() if name != "project_id"]
    _, noun, verb = [*(request.endpoint or "..").split("."), "", ""][:3]
    record_refusal(
        actor,
        g.get("deed") or f"{OURS.get(noun, noun)}.{verb}",
        refused,
        project_id=actor.project_id,
        target_id=targets[0] if targets and isinstance(targets[0], uuid.UUID) else None,
    )


def _headers(response):
    headers = response.headers
    headers["X-OpenStack-Request-Id"] = g.request_id
    if _service() == "compute":
        headers["X-Compute-Request-Id"] = g.request_id
    response.vary.add("X-Auth-Token")
    pace.tell(response)
    preconditions.tell(response)
    if _service() in microversions.RANGES:
        microversions.echo(_service(), response)
    return response


def _service() -> str:
    return request.blueprint.partition(".")[0]
