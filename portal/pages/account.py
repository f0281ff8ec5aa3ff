"""What a person keeps for themselves: password, sessions, colours."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user
from wtforms import PasswordField

from portal import config
from portal.auth import browser
from portal.errors import Refused
from portal.pages import THEMES, done, navigation
from portal.pages.forms import Form
from portal.services import sessions, users

YEAR_SECONDS = 365 * 24 * 3600

pages = Blueprint("account", __name__, url_prefix="/account")


class PasswordForm(Form):
    headline = "Your password is as it was"
    current = PasswordField("Present password")
    new = PasswordField("New password")
    again = PasswordField("New password, once more")


@pages.get("/password")
def password():
    return render_template("account/password.html", form=PasswordForm(formdata=None))


@pages.post("/password")
def change_password():
    form = PasswordForm()
    if form.validate():
        with form:
            if form.new.data != form.again.data:
                raise Refused("The two new passwords differ.", field="again")
            users.change_password(
                current_user.actor,
                form.current.data or "",
                form.new.data or "",
                keep_session=current_user.session.id,
            )
            done("Your password is changed. Your other sessions have ended.")
            return redirect("/", 303)
    return render_template("account/password.html", form=form), form.status


@pages.get("/sessions")
def session_list():
    return render_template("account/sessions.html", sessions=sessions.of_user(current_user.user.id))


@pages.post("/sessions/end")
def end_sessions():
    sessions.sign_out_everywhere(current_user.actor)
    browser.sign_out()
    done("All your sessions have ended.")
    return navigation.forget_project(redirect(url_for("login.show"), 303))


@pages.post("/theme")
def theme():
    """Light, dark, or, with anything else, as the system has it."""
    chosen = request.form.get("theme", "")
    here = redirect(browser.safe_next(request.form.get("next")), 303)
    if chosen in THEMES:
        here.set_cookie(
            "theme",
            chosen,
            max_age=YEAR_SECONDS,
            secure=config.current().secure_cookies,
            httponly=True,
            samesite="Lax",
        )
    else:
        here.delete_cookie("theme")
    return here
