"""Access keys of whoever is signed in: what programs of EC2 and S3 sign requests with."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import SelectChoice, SelectField, StringField

from portal.pages import done
from portal.pages.forms import Form, as_uuid
from portal.services import access_keys, projects

pages = Blueprint("access_keys", __name__, url_prefix="/account/access-keys")


class KeyForm(Form):
    name = StringField("What it is for")
    project = SelectField("Project")


@pages.get("")
def index():
    actor = current_user.actor
    return render_template(
        "access_keys/index.html",
        keys=access_keys.of_user(actor, actor.user_id),
        form=_form(),
    )


@pages.post("")
def create():
    form, actor = _form(), current_user.actor
    if form.validate():
        with form:
            key = access_keys.create(
                actor,
                actor.user_id,
                as_uuid(form.project.data),
                description=(form.name.data or "").strip(),
            )
            done("The key is made. Its secret is on its page.")
            return redirect(url_for(".show", access_key_id=key.id), 303)
    found = access_keys.of_user(actor, actor.user_id)
    return render_template("access_keys/index.html", keys=found, form=form), form.status


@pages.get("/<uuid:access_key_id>")
def show(access_key_id):
    actor = current_user.actor
    key = access_keys.find(actor, actor.user_id, access_key_id)
    secret = access_keys.secret_of(actor, key)
    return render_template("access_keys/show.html", key=key, secret=secret)


@pages.get("/<uuid:access_key_id>/delete")
def confirm_delete(access_key_id):
    actor = current_user.actor
    key = access_keys.find(actor, actor.user_id, access_key_id)
    return render_template("access_keys/delete.html", key=key)


@pages.post("/<uuid:access_key_id>/delete")
def delete(access_key_id):
    access_keys.delete(current_user.actor, current_user.actor.user_id, access_key_id)
    done("The key is deleted. Nothing that is signed with it counts any more.")
    return redirect(url_for(".index"), 303)


def _form() -> KeyForm:
    form = KeyForm()
    mine = projects.of_actor(current_user.actor)
    form.project.choices = [SelectChoice(str(each.id), each.name) for each in mine]
    return form
