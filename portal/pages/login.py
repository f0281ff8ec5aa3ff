"""Signing in and out. What was being sent when the session ended is kept through it."""

from urllib.parse import urlsplit

import flask
from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from itsdangerous import BadData, URLSafeTimedSerializer
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired

from portal import config
from portal.auth import browser
from portal.errors import Refused
from portal.pages import navigation
from portal.pages.forms import Form
from portal.services import users
from portal.services.activities import record_failed_sign_in

KEPT_SECONDS = 3600
KEPT_LARGEST = 300_000  # characters of a form
NEVER_KEPT = {"csrf_token", "password", "current", "new", "again"}

pages = Blueprint("login", __name__)


class LoginForm(Form):
    headline = "You are not signed in"
    name = StringField("User name", [InputRequired("Who are you?")])
    password = PasswordField("Password", [InputRequired("Your password is needed.")])
    next = HiddenField()
    kept = HiddenField()  # a form that was being sent, signed


@pages.get("/login")
def show():
    form = LoginForm(formdata=None, next=browser.safe_next(request.args.get("next")))
    return _page(form)


@pages.post("/login")
def create():
    form, user = LoginForm(), None
    if form.validate():
        with form:
            user = _verified(form.name.data.strip(), form.password.data)
    if user is None:
        return _page(form), form.status
    browser.sign_in(user)
    kept = _kept(form.kept.data)
    if kept and not user.must_change_password:
        return render_template("login/kept.html", **kept)
    return redirect(browser.safe_next(form.next.data), 303)


@pages.post("/logout")
def delete():
    browser.sign_out()
    return navigation.forget_project(redirect(url_for(".show"), 303))


@browser.login_manager.unauthorized_handler
def sign_in_first():
    """Whoever opened a page comes back to it from the login page; whoever sent a form finds it
    kept there."""
    if request.headers.get("HX-Request"):
        back = browser.safe_next(_path(request.headers.get("HX-Current-URL", "")))
        return "", 401, {"HX-Redirect": url_for("login.show", next=back)}
    if request.method in browser.SAFE_METHODS:
        back = browser.safe_next(request.full_path.rstrip("?"))
        return redirect(url_for("login.show", next=back), 303)
    kept = _keep()
    form = LoginForm(formdata=None, kept=kept, next="/")
    return _page(form), 401


def _page(form: LoginForm) -> str:
    """`cookies_lost`: a browser sends no secure cookie back by http, so nobody can sign in."""
    return render_template(
        "login/show.html",
        form=form,
        kept=bool(form.kept.data),
        cookies_lost=config.current().secure_cookies and not request.is_secure,
    )


def _path(url: str) -> str:
    """The path and query of a URL; "" if it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}".rstrip("?")


def _keep() -> str:
    """The form that was being sent, signed; "" where it is too large, or brings a file."""
    if request.mimetype == "multipart/form-data":
        return ""
    sent = {
        "target": request.path,
        "creates": request.endpoint.endswith(".create"),
        "fields": [
            [key, value] for key, value in request.form.items(multi=True) if key not in NEVER_KEPT
        ],
    }
    kept = _serializer().dumps(sent)
    return kept if len(kept) <= KEPT_LARGEST else ""


def _verified(name: str, password: str):
    address = request.remote_addr or ""
    try:
        user = users.prove(name, password, address=address)
        if user is None:
            wrong = Refused("That user name and password do not go together.", field="password")
            wrong.status = 401
            raise wrong
    except Refused as refused:
        record_failed_sign_in(name, refused, address=address, request_id=g.request_id)
        raise
    return user


def _kept(text: str) -> dict | None:
    try:
        return _serializer().loads(text, max_age=KEPT_SECONDS) if text else None
    except BadData:
        return None


def _serializer() -> URLSafeTimedSerializer:
    key = flask.current_app.secret_key
    if not key:
        abort(500)
    return URLSafeTimedSerializer(key, salt="kept forms")
