"""People who may sign in, for administrators."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import SelectChoice, SelectField, StringField

from portal.models import Role
from portal.pages import done
from portal.pages.forms import Form, not_confirmed
from portal.pages.listing import Listing
from portal.policies import authorize
from portal.services import cloud_roles, departures, passwords, users

CLOUD_ROLES = [
    SelectChoice("", "None"),
    *(SelectChoice(role.value, role.value.capitalize()) for role in Role),
]

pages = Blueprint("users", __name__, url_prefix="/users")


class UserForm(Form):
    name = StringField("User name")
    new = StringField("Initial password")


class PasswordForm(Form):
    new = StringField("Initial password")


class RoleForm(Form):
    role = SelectField("Role in the cloud", choices=CLOUD_ROLES)


@pages.get("")
def index():
    listing = Listing.of_request(sorts=users.SORTS, default="name")
    rows, listing.total = users.listed(current_user.actor, listing.wanted())
    return render_template("admin/users/index.html", users=rows, listing=listing)


@pages.get("/new")
def new():
    authorize(current_user.actor, "users:change")
    return render_template("admin/users/new.html", form=UserForm())


@pages.post("")
def create():
    form = UserForm()
    if form.validate():
        with form:
            password = form.new.data or passwords.new()
            user = users.create(current_user.actor, form.name.data or "", password)
            return _show_password(user, "" if form.new.data else password)
    return render_template("admin/users/new.html", form=form), form.status


@pages.get("/<uuid:user_id>")
def show(user_id):
    return _page(user_id)


@pages.post("/<uuid:user_id>/password")
def reset_password(user_id):
    form = PasswordForm()
    if form.validate():
        with form:
            password = form.new.data or passwords.new()
            users.reset_password(current_user.actor, user_id, password)
            user = users.find(current_user.actor, user_id)
            return _show_password(user, "" if form.new.data else password)
    return _page(user_id, password_form=form), form.status


@pages.post("/<uuid:user_id>/role")
def change_role(user_id):
    form = RoleForm()
    if form.validate():
        with form:
            role = Role(form.role.data) if form.role.data else None
            cloud_roles.set_role(current_user.actor, user_id, role)
            done("The role in the cloud is changed.")
            return redirect(url_for(".show", user_id=user_id), 303)
    return _page(user_id, role_form=form), form.status


@pages.post("/<uuid:user_id>/enable")
def enable(user_id):
    users.enable(current_user.actor, user_id, enabled=True)
    done("They may sign in again.")
    return redirect(url_for(".show", user_id=user_id), 303)


@pages.post("/<uuid:user_id>/disable")
def disable(user_id):
    users.enable(current_user.actor, user_id, enabled=False)
    done("They may no longer sign in; their sessions have ended.")
    return redirect(url_for(".show", user_id=user_id), 303)


@pages.get("/<uuid:user_id>/delete")
def confirm_delete(user_id):
    return _delete_page(user_id)


@pages.post("/<uuid:user_id>/delete")
def delete(user_id):
    authorize(current_user.actor, "users:delete")
    form, name = Form(), users.find(current_user.actor, user_id).name
    if error := not_confirmed(name):
        return _delete_page(user_id, error=error), 422
    with form:
        departures.delete(current_user.actor, user_id)
        done(f"{name} is deleted, and signed out everywhere.")
        return redirect(url_for(".index"), 303)
    return _delete_page(user_id, form=form), form.status


def _delete_page(user_id, *, form=None, error=None) -> str:
    return render_template(
        "admin/users/delete.html",
        belongings=departures.belongings(current_user.actor, user_id),
        user=users.find(current_user.actor, user_id),
        form=form or Form(formdata=None),
        error=error,
    )


def _show_password(user, password: str):
    """A password that was made here is on this page and nowhere else; one that was chosen is
    known already."""
    if password:
        return render_template("admin/users/password.html", user=user, password=password)
    done(f"{user.name} signs in with the password that you chose, and changes it then.")
    return redirect(url_for(".show", user_id=user.id), 303)


def _page(user_id, password_form=None, role_form=None) -> str:
    user = users.find(current_user.actor, user_id)
    return render_template(
        "admin/users/show.html",
        user=user,
        password_form=password_form or PasswordForm(formdata=None),
        role_form=role_form or RoleForm(formdata=None, role=user.cloud_role or ""),
    )
