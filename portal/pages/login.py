"""Signing in and out. What was being sent when the session ended is kept through it."""

import flask
from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from itsdangerous import BadData, URLSafeTimedSerializer
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired

from portal import auth, throttle
from portal.errors import Refused
from portal.pages.forms import Form
from portal.services import users

KEPT_SECONDS = 3600
KEPT_LARGEST = 300_000  # characters of a form
NEVER_KEPT = {"csrf_token", "password", "current", "new", "again"}

pages = Blueprint("login", __name__)


class LoginForm(Form):
    name = StringField("User name", [InputRequired("Who are you?")])
    password = PasswordField("Password", [InputRequired("Your password is needed.")])
    next = HiddenField()
    kept = HiddenField()  # a form that was being sent, signed


@pages.get("/login")
def show():
    form = LoginForm(formdata=None, next=auth.safe_next(request.args.get("next")))
    return render_template("login/show.html", form=form)


@pages.post("/login")
def create():
    form, user = LoginForm(), None
    if form.validate():
        with form:
            user = _verified(form.name.data.strip(), form.password.data)
    if user is None:
        return render_template("login/show.html", form=form, kept=bool(form.kept.data)), form.status
    auth.sign_in(user)
    kept = _kept(form.kept.data)
    if kept and not user.must_change_password:
        return _continue(kept)
    return redirect(auth.safe_next(form.next.data), 303)


@pages.post("/logout")
def delete():
    auth.sign_out()
    return redirect(url_for(".show"), 303)


def keep_form():
    """The login page, with the form that was being sent in its luggage. A file is not kept."""
    if request.mimetype == "multipart/form-data":
        return render_template("login/show.html", form=LoginForm(formdata=None, next="/")), 401
    sent = {
        "endpoint": request.endpoint,
        "arguments": {key: str(value) for key, value in request.view_args.items()},
        "fields": [
            [key, value] for key, value in request.form.items(multi=True) if key not in NEVER_KEPT
        ],
    }
    kept = _serializer().dumps(sent)
    if len(kept) > KEPT_LARGEST:
        kept = ""
    form = LoginForm(formdata=None, kept=kept, next="/")
    return render_template("login/show.html", form=form, kept=bool(kept)), 401


def _verified(name: str, password: str):
    address = request.remote_addr or ""
    throttle.check_login(name, address)
    user = users.verify(name, password)
    if user is None:
        throttle.count_wrong_password(name, address)
        refused = Refused("That user name and password do not go together.", field="password")
        refused.status = 401
        raise refused
    return user


def _kept(text: str) -> dict | None:
    try:
        return _serializer().loads(text, max_age=KEPT_SECONDS) if text else None
    except BadData:
        return None


def _continue(kept: dict):
    """The form that was being sent, filled in, for whoever has just signed in to confirm."""
    target = url_for(kept["endpoint"], **kept["arguments"])
    noun = kept["endpoint"].partition(".")[0]
    page = flask.current_app.view_functions.get(f"{noun}.new")
    flask.session.modified = True
    if not kept["endpoint"].endswith(".create") or page is None:
        return render_template("login/kept.html", target=target, fields=kept["fields"])
    flask.g.pop("_login_user", None)  # flask-login has looked already, and found nobody
    adapter = flask.current_app.create_url_adapter(request)
    _, arguments = adapter.match(target, method="POST")
    g.kept_form = kept["fields"]
    request.view_args = arguments
    flask.flash("You are signed in again. Check what you had filled in, and send it.", "ok")
    return page(**arguments)


def _serializer() -> URLSafeTimedSerializer:
    key = flask.current_app.secret_key
    if not key:
        abort(500)
    return URLSafeTimedSerializer(key, salt="kept form")
