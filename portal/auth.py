"""Who is asking: a browser's session becomes an `Actor`, and whoever has none is asked to sign in.

Every page needs a signed-in person but those listed in OPEN, so that a new view cannot forget it.
"""

import secrets
from urllib.parse import urlsplit

import flask
from flask import Flask, g, redirect, request, url_for
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf import CSRFProtect
from werkzeug.exceptions import Forbidden

from portal.models import Session, User
from portal.policies import Actor
from portal.services import sessions, users

OPEN = {"login.show", "login.create", "static", "health.show", "health.hosts"}
FIRST_PASSWORD = {"account.password", "account.change_password", "login.delete", "account.theme"}
COOKIE_FIELD = "sid"  # where Flask's signed cookie holds the session's secret
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

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
        return self.actor.may(permission, project_id)


def install(app: Flask) -> None:
    """Every request has a number, comes from a form of this site if it changes something, and
    from a person if its page is not open to all."""
    login_manager.init_app(app)
    app.before_request(_number)
    app.before_request(_refuse_other_sites)
    CSRFProtect(app)
    app.before_request(_ask_to_sign_in)


def sign_in(user: User) -> None:
    """This browser is signed in as `user`, with a session and form tokens that are new."""
    flask.session.clear()
    flask.session[COOKIE_FIELD] = sessions.open_session(
        user,
        address=request.remote_addr or "",
        user_agent=request.headers.get("User-Agent", ""),
    )


def sign_out() -> None:
    """This browser's session has ended on the server too."""
    if secret := flask.session.get(COOKIE_FIELD):
        sessions.sign_out(secret)
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
    secret = flask.session.get(COOKIE_FIELD)
    found = sessions.find(secret) if secret else None
    if found is None:
        return None
    sessions.touch(found)
    actor = users.actor_of(found.user, address=request.remote_addr or "", request_id=g.request_id)
    return Person(found.user, found, actor)


def _number() -> None:
    g.request_id = f"req-{secrets.token_hex(8)}"


def _refuse_other_sites() -> None:
    """A second wall behind the form token: the browser itself says where a request comes from
    (W3C Fetch Metadata; Origin, RFC 6454)."""
    if request.method in SAFE_METHODS:
        return
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("This form was sent from another site.")
    origin = request.headers.get("Origin")
    if origin not in (None, "null") and origin != request.host_url.rstrip("/"):
        raise Forbidden("This form was sent from another site.")


def _ask_to_sign_in():
    if request.endpoint in OPEN or request.endpoint is None:
        return None
    if not current_user.is_authenticated:
        return _to_login()
    if current_user.user.must_change_password and request.endpoint not in FIRST_PASSWORD:
        return redirect(url_for("account.password"), 303)
    return None


def _to_login():
    if request.headers.get("HX-Request"):
        here = urlsplit(request.headers.get("HX-Current-URL", ""))
        back = safe_next(f"{here.path}?{here.query}".rstrip("?"))
        return "", 401, {"HX-Redirect": url_for("login.show", next=back)}
    if request.method in SAFE_METHODS:
        return redirect(url_for("login.show", next=safe_next(request.full_path.rstrip("?"))), 303)
    from portal.pages.login import keep_form

    return keep_form()
