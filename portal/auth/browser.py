"""People with a browser: its session becomes an `Actor`, and whoever has none has to sign in.

Every page needs a signed-in person but those listed in OPEN, so that a new view cannot forget it.
How somebody is led to signing in is said by the page for it: Flask-Login's `unauthorized_handler`.
"""

import logging
import secrets
from urllib.parse import urlsplit

import flask
from flask import Flask, g, redirect, request, url_for
from flask.sessions import SecureCookieSessionInterface
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf import CSRFProtect
from itsdangerous import TimestampSigner
from werkzeug.exceptions import BadRequest, Forbidden

from portal import doors
from portal.models import Session, User
from portal.policies import Actor
from portal.services import sessions, users

OPEN = {"login.show", "login.create", "static", "health.show", "health.hosts"}
OPEN |= {"help.index", "help.show", "help.reference", "help.openapi"}
OPEN |= {"screens.show", "screens.socket"}  # a ticket says who opens it
FIRST_PASSWORD = {"account.password", "account.change_password", "login.delete", "account.theme"}
COOKIE_FIELD = "sid"  # where Flask's signed cookie holds the session's secret
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

log = logging.getLogger(__name__)

login_manager = LoginManager()


class Person(UserMixin):
    """Whoever is signed in."""

    def __init__(self, user: User, session: Session, actor: Actor):
        self.user, self.session, self.actor = user, session, actor

    @property
    def name(self) -> str:
        return self.user.name

    def get_id(self) -> str:
        return str(self.user.id)

    def may(self, permission: str, project_id=None) -> bool:
        """Whether a page should offer it: in a project that is being deleted, only to look."""
        if project_id and project_id == g.get("going_project"):
            return permission.endswith(":read") and self.actor.may(permission, project_id)
        return self.actor.may(permission, project_id)


class Ageless(TimestampSigner):
    """Of a cookie no age is asked: its session in the table has one. Else whoever signed in before
    somebody set the clock back would seem to have done so in the future, and be nobody."""

    def unsign(self, value, max_age=None, return_timestamp=False):
        """What was signed, whenever that was."""
        return super().unsign(value, None, return_timestamp)


class Cookies(SecureCookieSessionInterface):
    """Flask's own, signed so, and for pages alone."""

    def open_session(self, app, request):
        """What the cookie holds; beside the pages none is read, nor ever set."""
        if not doors.is_page():
            return self.make_null_session(app)
        return super().open_session(app, request)

    def get_signing_serializer(self, app):
        """Signs and opens cookies."""
        serializer = super().get_signing_serializer(app)
        if serializer is not None:
            serializer.signer = Ageless
        return serializer


class Tokens(CSRFProtect):
    """Looks for the token of a form whose parts have names, as those of all browsers have."""

    def _get_csrf_token(self) -> str | None:
        if None in request.form:
            raise BadRequest("A part of this form has no name.")
        return super()._get_csrf_token()


def install(app: Flask) -> None:
    """Every request has a number. One for a page comes from a form of this site if it changes
    something, and from a person if the page is not open to all."""
    app.session_interface = Cookies()
    login_manager.init_app(app)
    tokens = Tokens(app)
    app.before_request(_number)
    for check in (_refuse_other_sites, lambda: tokens.protect(True), _let_nobody_else_in):
        app.before_request(doors.on_pages(check))


def sign_in(user: User) -> None:
    """This browser is signed in as `user`, with a session and form tokens that are new. The session
    that it had has ended."""
    sign_out()
    flask.session[COOKIE_FIELD] = sessions.open_session(
        user,
        address=request.remote_addr or "",
        user_agent=request.headers.get("User-Agent", ""),
        request_id=g.request_id,
    )


def sign_out() -> None:
    """This browser's session has ended on the server too."""
    if secret := flask.session.get(COOKIE_FIELD):
        sessions.sign_out(secret, address=request.remote_addr or "", request_id=g.request_id)
    flask.session.clear()


def safe_next(target: str | None) -> str:
    """`target` if it is a path of this site, else "/". Refuses //evil, /\\evil and the like."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    if any(ord(character) < 33 or character == "\\" for character in target):
        return "/"
    return target


@login_manager.request_loader
def _person(_request) -> Person | None:
    secret = flask.session.get(COOKIE_FIELD) if doors.is_page() else None
    found = sessions.find(secret) if secret else None
    if found is None:
        return None
    actor = users.actor_of(found.user, address=request.remote_addr or "", request_id=g.request_id)
    sessions.touch(found)
    return Person(found.user, found, actor)


def _number() -> None:
    g.request_id = f"req-{secrets.token_hex(8)}"


def _refuse_other_sites() -> None:
    """A second wall behind the form token: the browser itself says where a request comes from
    (W3C Fetch Metadata; Origin, RFC 6454)."""
    if request.method in SAFE_METHODS:
        return
    origin, ours = request.headers.get("Origin", "null")[:255], request.host_url.rstrip("/")
    same = request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    if same and origin in ("null", ours):
        return
    if same or _a_proxy_drops_something(origin, ours):
        log.warning("refused: Origin %r, Host %r, scheme %s", origin, request.host, request.scheme)
        raise Forbidden(_what_to_change(origin, ours))
    raise Forbidden("This form was sent from another site.")


def _a_proxy_drops_something(origin: str, ours: str) -> bool:
    """Whether the two differ in what a proxy that is set up badly takes away: scheme or port."""
    try:
        return urlsplit(origin).hostname == urlsplit(ours).hostname is not None
    except ValueError:
        return False


def _what_to_change(origin: str, ours: str) -> str:
    """For whoever set up the proxy: what arrived, and the line that would have made it agree."""
    sentence = f"This form was sent from another site: its Origin is {origin}, and this is {ours}."
    if not _a_proxy_drops_something(origin, ours):
        return sentence
    sent, here = urlsplit(origin), urlsplit(ours)
    if sent.netloc != here.netloc:
        cause = (
            f"passes on the Host as {here.netloc}: it has to be {sent.netloc} "
            "(nginx: proxy_set_header Host $http_host;)"
        )
    else:
        cause = (
            f"does not say that it was by {sent.scheme} (nginx: proxy_set_header "
            "X-Forwarded-Proto $scheme;), or the portal does not listen to it (PORTICO_PROXIES=1)"
        )
    return f"{sentence} If you opened this page at {origin}, the proxy before the portal {cause}."


def _let_nobody_else_in():
    if request.endpoint in OPEN or request.endpoint is None:
        return None
    if not current_user.is_authenticated:
        return login_manager.unauthorized()
    if current_user.user.must_change_password and request.endpoint not in FIRST_PASSWORD:
        return redirect(url_for("account.password"), 303)
    return None
