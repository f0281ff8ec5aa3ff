"""Front doors beside the pages.

Below its prefix a door is on its own: it knows people by its own means, and says in its own way
what went wrong, also of paths that lead nowhere. Everything that lies below no such prefix is a
page, so a view that nobody thought of is as well guarded as any page.
"""

import functools
from collections.abc import Callable

import flask
from flask import Blueprint, Flask, current_app, request

SPOT = "portico.spot"  # in a request's environment: where it may wait, if its server has that
DOORS = "portico doors"  # in `app.extensions`: prefixes, and the names of their blueprints


class Request(flask.Request):
    """A request that belongs to a door by its path, whether or not there is a view for it."""

    @property
    def blueprint(self) -> str | None:
        return super().blueprint or next(
            (name for prefix, name in _doors().items() if _below(self.path, prefix)), None
        )


def install(app: Flask) -> None:
    """The application may have doors beside its pages."""
    app.request_class = Request
    app.extensions[DOORS] = {}


def open_beside(app: Flask, door: Blueprint) -> None:
    """What `door` holds is reached below its prefix. Its error handlers and what it does before
    its requests are its own; neither form tokens nor browsers' sessions count there."""
    app.extensions[DOORS][door.url_prefix] = door.name
    app.register_blueprint(door)


def is_page() -> bool:
    """Whether the request is for a page."""
    return not any(_below(request.path, prefix) for prefix in _doors())


def on_pages(check: Callable) -> Callable:
    """`check`, before requests for pages alone."""

    @functools.wraps(check)
    def checked():
        return check() if is_page() else None

    return checked


def _doors() -> dict[str, str]:
    return current_app.extensions[DOORS]


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
