"""HTML for people: one blueprint a noun, each view renders the template of its name.

The path of a file is the path of its URL, of its templates and of its endpoints:
`pages/admin/hosts.py` holds what lies under /admin/hosts, renders templates/admin/hosts/ and is
linked as `admin.hosts.show`. What a project has lies under /projects/<id>, which no path repeats.

A view calls a service and renders; what the service refuses becomes an error beside a form field
(`forms.Form`) or an error page. Navigation and headers are added here, once for all pages.
"""

import functools
import hashlib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from flask import Blueprint, Flask, flash, g, render_template, request, url_for
from flask_login import AnonymousUserMixin, current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

from portal import config, doors, throttle, words
from portal.auth.browser import SAFE_METHODS
from portal.errors import Conflict, Refused
from portal.pages import deeds, navigation, reasons
from portal.services import names
from portal.services.activities import record_refusal
from portal.services.projects import find as find_project

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
OWN_PACE = {"boot_logs.ask"}  # what pages ask by themselves leaves people their forms
THEMES = {"light", "dark"}


def install(app: Flask) -> None:
    """Pages have a shell, headers and one way of failing. A path that belongs to no other front
    door fails like a page."""
    app.before_request(doors.on_pages(_keep_the_pace))
    app.before_request(doors.on_pages(_find_project))
    app.context_processor(_shell)
    app.url_defaults(functools.partial(_name_its_content, app))
    app.after_request(_headers)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(CSRFError, _old_form)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _broken)
    for blueprint in blueprints(__name__, __path__):
        app.register_blueprint(blueprint)
    app.jinja_env.finalize = names.shown
    app.jinja_env.filters["as_seen"] = names.as_seen
    app.jinja_env.filters |= {
        "changes": deeds.changes,
        "deed": deeds.deed,
        "disk": words.disk,
        "duration": words.duration,
        "gib": words.memory,
        "moment": words.moment,
        "since": words.since,
        "size": words.size,
        "told": reasons.told,
        "until": words.until,
        "wish": deeds.wish,
    }
    app.jinja_env.tests["told_whole"] = reasons.whole
    app.jinja_env.globals["project_id"] = lambda: (request.view_args or {}).get("project_id")


def blueprints(package: str, path: Iterable[str]) -> Iterator[Blueprint]:
    """The blueprint of every page in a package of pages, one a noun."""
    for module in pkgutil.iter_modules(path, f"{package}."):
        blueprint = getattr(importlib.import_module(module.name), "pages", None)
        if blueprint is not None:
            yield blueprint


def _name_its_content(app: Flask, endpoint: str, values: dict) -> None:
    """A static file's URL changes with its content, so that a browser may keep it for a year."""
    if endpoint == "static" and "filename" in values:
        values["v"] = _content_sum(app.static_folder, values["filename"])


@functools.cache
def _content_sum(folder: str, name: str) -> str:
    return hashlib.sha256(Path(folder, name).read_bytes()).hexdigest()[:8]


def partial() -> bool:
    """Whether htmx wants a part of the page; everything else gets the whole."""
    return request.headers.get("HX-Request-Type") == "partial"


def remember_refusal(refused: Refused) -> None:
    """What was refused is in the record too: who, what, why. Whoever shall wait is told so in a
    header (RFC 9110, 10.2.3), on whichever page it is said."""
    if refused.retry_after:
        g.retry_after = refused.retry_after
    if current_user.is_authenticated and request.method not in SAFE_METHODS:
        arguments = request.view_args or {}
        targets = [value for key, value in arguments.items() if key != "project_id"]
        record_refusal(
            current_user.actor,
            _action(),
            refused,
            project_id=arguments.get("project_id"),
            target_id=targets[0] if targets and hasattr(targets[0], "hex") else None,
        )


def _action() -> str:
    """What is being done, as the record names it: "hosts.disable", wherever its page lies; where
    one page does several things, by the one that was asked for."""
    *_, noun, verb = [".", *(request.endpoint or request.path).split(".")]
    given = request.view_args or {}
    return f"{noun}.{given.get('action') or given.get('wish') or verb}"


def done(sentence: str) -> None:
    """Say it on the next page."""
    flash(sentence, "ok")


def _keep_the_pace() -> None:
    """One person's forms and searches leave room for others."""
    if not current_user.is_authenticated:
        return
    who, settings = str(current_user.actor.user_id), config.current()
    if request.endpoint in OWN_PACE:
        return
    if request.method not in SAFE_METHODS:
        throttle.check_pace("forms", who, per_minute=settings.changes_per_minute)
    elif request.args.get("q"):
        throttle.check_pace("searches", who, per_minute=settings.searches_per_minute)


def _find_project() -> None:
    """A page of a project is there for nobody who has no part in it, and for nobody when there
    is no such project. That those exist in which somebody has a role is known from their roles.
    One that is being deleted is only looked at, by who may look at the whole cloud."""
    project_id = (request.view_args or {}).get("project_id")
    if not project_id or not current_user.is_authenticated:
        return
    if project_id in current_user.actor.projects:
        return
    project = find_project(current_user.actor, project_id)
    if project.going:
        g.going_project = project.id
    if project.going and request.method not in SAFE_METHODS:
        raise Conflict(
            "{project} is being deleted: nothing in it can be changed any more.",
            project=project.name,
        )


def _shell() -> dict:
    theme = request.cookies.get("theme")
    shell = {
        "theme": theme if theme in THEMES else None,
        "request_id": g.get("request_id"),
    }
    if current_user.is_authenticated:
        shell |= navigation.shell(current_user)
    return shell


def _headers(response):
    headers = response.headers
    if doors.is_page() and not partial():  # which another window may ask for
        navigation.remember_project(response)
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["X-Request-Id"] = g.get("request_id", "")
    if "retry_after" in g:
        headers["Retry-After"] = g.retry_after
    if config.current().secure_cookies:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.endpoint != "static" or response.status_code >= 400:
        headers["Cache-Control"] = "no-store"
        if doors.is_page():
            headers.add("Vary", "HX-Request-Type")
    return response


def _error_page(status: int, sentence: str | None = None):
    page = render_template(
        "errors/error.html",
        status=status,
        sentence=sentence,
        shell="base.html" if current_user.is_authenticated else None,
        retry_after=g.get("retry_after"),
    )
    return page, status


def _refused(refused: Refused):
    remember_refusal(refused)
    return _error_page(refused.status, str(refused))


def _old_form(_error: CSRFError):
    return _error_page(
        400, "This form is older than your session, or was not made here, so it was not sent."
    )


def _http_error(error: HTTPException):
    if error.code is None or error.code < 400:
        return error
    if isinstance(error, SecurityError):  # no page: none of its links could be made
        return "The portal is not reached by this name.\n", 400, {"Content-Type": "text/plain"}
    ours = error.description != type(error).description
    return _error_page(error.code, error.description if ours else None)


def _broken(error: Exception):
    """The last edge: whatever nobody thought of is in the log, with the number that the person
    sees, and never on the page."""
    from flask import current_app

    current_app.logger.error("%s %s %s", g.get("request_id"), request.method, request.path)
    current_app.logger.error("it broke", exc_info=error)
    g._login_user = AnonymousUserMixin()  # no query for this page: the database may be what broke
    return _error_page(500)


__all__ = ["done", "install", "partial", "remember_refusal", "url_for"]
