"""What is served, made from the routes: for people who look it up, and as an OpenAPI document.

https://spec.openapis.org/oas/v3.1.1.html
"""

import dataclasses
import itertools
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator

from flask import Flask, g
from werkzeug.routing import Rule

from portal.api import catalog, lists, microversions, sources, wording
from portal.doors import DOORS

REFERENCE = "portico reference"  # in `app.extensions`: what was read off the routes, once
PAGED = {
    "limit": ("At most so many things.", {"type": "integer", "minimum": 0}),
    "marker": ("The id of the last thing of the page before.", {"type": "string"}),
    "page_reverse": ("The page before the marker.", {"type": "boolean"}),
}
READERS = ("bodies.read", "bodies.one_or_several")  # what takes a body as JSON
PER_SERVICE = {"page_reverse": "network"}  # what only one of them asks so


@dataclasses.dataclass(frozen=True)
class Served:
    """One method of one path, as it is told. `bodies` are the schemas that its body may follow."""

    service: str
    endpoint: str
    method: str
    path: str  # with {names} of what varies
    arguments: tuple[str, ...]
    sentence: str
    bodies: tuple[dict, ...]
    listed: lists.Listed | None
    asked: tuple[str, ...]
    takes_key: bool
    is_open: bool  # for who shows no token too


def served(app: Flask, is_open: Callable[[str], bool]) -> list[Served]:
    """Every route of the API, by service and path."""
    doors = set(app.extensions[DOORS].values())
    found = [
        _told(app, rule, method, is_open=is_open(rule.endpoint))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in doors
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
    ]
    order = [each.key for each in catalog.DOORS]
    rank = {key: number for number, key in enumerate(order)}
    return sorted(
        found, key=lambda each: (rank.get(each.service, len(rank)), each.path, each.method)
    )


class Reference:
    """What one application serves, read when it is first asked for and then kept."""

    def __init__(self, app: Flask, is_open: Callable[[str], bool]):
        self._app, self._is_open = app, is_open
        self._lock = threading.Lock()
        self._served: list[Served] = []

    @property
    def routes(self) -> list[Served]:
        """Every route, by service and path."""
        with self._lock:
            self._served = self._served or served(self._app, self._is_open)
        return self._served

    @property
    def services(self) -> list[tuple[dict, list[Served]]]:
        """The services, each with what it serves."""
        return [
            (_tag(service), [each for each in self.routes if each.service == service.key])
            for service in (*catalog.served(), catalog.OWN)
        ]

    @property
    def offered(self) -> dict[str, str]:
        """The services by name, each with its microversions, "" where it has none: read off no
        route."""
        return {service.key: _versions(service.key) for service in (*catalog.served(), catalog.OWN)}

    def document(self, url: str) -> dict:
        """The OpenAPI document of what is served below this URL."""
        return _document(self.routes, url)


def _told(app: Flask, rule: Rule, method: str, *, is_open: bool) -> Served:
    view, service = app.view_functions[rule.endpoint], rule.endpoint.partition(".")[0]
    path = re.sub(r"<(?:[^:<>]+:)?(\w+)>", r"{\1}", rule.rule)
    called = list(sources.calls(view))
    names = {name for _, name, _ in called}
    listed = [view.listed] if hasattr(view, "listed") else []
    listed += [
        value
        for frame, name, node in called
        if name == "lists.wanted"
        for value in sources.values(frame, node.args[0])
    ]
    return Served(
        service=service,
        endpoint=rule.endpoint,
        method=method,
        path=path,
        arguments=tuple(sorted(rule.arguments)),
        sentence=wording.sentence(rule.endpoint, path, view),
        bodies=tuple(_bodies(service, called, view)),
        listed=listed[0] if listed else None,
        asked=tuple(sources.asked(view)),
        takes_key="bodies.idempotency_key" in names,
        is_open=is_open,
    )


def _bodies(service: str, called: list, view: Callable) -> list[dict]:
    """What is read at the newest version, and then at the oldest, where that differs; what a route
    says of itself, where a body is judged by more than one schema."""
    declared = getattr(view, "body", None)
    if declared is not None:
        return [declared() if callable(declared) else declared]
    if not any(name in READERS for _, name, _ in called):
        return []
    served = microversions.RANGES.get(service)
    found: list[dict] = []
    before = g.get("version")
    try:
        for g.version in (served.most, served.least) if served else (None,):
            for schema in _read(called):
                if schema not in found:
                    found.append(schema)
    finally:
        g.version = before
    return found


def _read(called: list) -> Iterator[dict]:
    """The schemas by which a body is judged on the way: dictionaries that `bodies` is given, or
    `schemas.mistake` after the value."""
    for frame, name, node in called:
        given = node.args[1:2] if name == "schemas.mistake" else ()
        if name.startswith("bodies."):
            given = node.args
        for expression in given:
            found = sources.values(frame, expression)
            yield from (each for each in found if isinstance(each, dict))


def _document(routes: list[Served], url: str) -> dict:
    paths: dict[str, dict] = {}
    names = Counter()
    for each in routes:
        operation = _operation(each)
        name = operation["operationId"]
        names[name] += 1
        if names[name] > 1:  # a view may serve several paths
            operation["operationId"] = f"{name}.{names[name]}"
        paths.setdefault(each.path, {})[each.method.lower()] = operation
    token = {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Portico",
            "version": "1",
            "description": "Identity, compute, network and image in OpenStack's words.",
        },
        "servers": [{"url": url.rstrip("/")}],
        "tags": [_tag(each) for each in (*catalog.served(), catalog.OWN)],
        "paths": paths,
        "components": {"securitySchemes": {"token": token}},
    }


def _tag(service: catalog.Service) -> dict:
    if service is catalog.OWN:
        return {"name": service.key, "description": "What OpenStack has not."}
    said = f"{service.name.capitalize()}'s API"
    if versions := _versions(service.key):
        said += (
            f", at microversions {versions}: ask for one by the header {microversions.HEADER}. "
            "Bodies are described as of the newest, and, where they differ, as of the oldest"
        )
    return {"name": service.key, "description": f"{said}."}


def _versions(key: str) -> str:
    versions = microversions.RANGES.get(key)
    return f"{versions.least} to {versions.most}" if versions else ""


def _operation(each: Served) -> dict:
    said = {
        "operationId": f"{each.endpoint}.{each.method.lower()}",
        "tags": [each.service],
        "summary": each.sentence,
        "parameters": list(_parameters(each)),
        "responses": {
            "2XX": {"description": "It is so."},
            "default": {"description": "What went wrong, in the shape of this service."},
        },
        "security": [] if each.is_open else [{"token": []}],
    }
    if each.bodies:
        schema = each.bodies[0] if len(each.bodies) == 1 else {"anyOf": list(each.bodies)}
        said["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return said


def _parameters(each: Served) -> Iterator[dict]:
    for name in each.arguments:
        yield _parameter("path", name, {"type": "string"}, required=True)
    if each.service in microversions.RANGES:
        yield _parameter("header", microversions.HEADER, {"type": "string"})
    if each.takes_key:
        yield _parameter("header", "Idempotency-Key", {"type": "string", "maxLength": 255})
    names = dict.fromkeys(each.asked)
    if each.listed is not None:
        names |= dict.fromkeys(itertools.chain(each.listed.filters, ("sort_key", "sort_dir")))
        for name, (about, schema) in PAGED.items():
            if PER_SERVICE.get(name, each.service) == each.service:
                names.pop(name, None)
                yield _parameter("query", name, schema, description=about)
    for name in names:
        schema = {"type": "string"}
        if name == "sort_key" and each.listed is not None:
            schema["enum"] = list(each.listed.sorts)
        yield _parameter("query", name, schema)


def _parameter(where: str, name: str, schema: dict, **more) -> dict:
    return {"name": name, "in": where, "schema": schema, **more}
