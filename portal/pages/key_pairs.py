"""SSH keys of whoever is signed in."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import StringField, TextAreaField

from portal.pages import done
from portal.pages.as_code import key_pairs as code
from portal.pages.forms import Form
from portal.services import key_pairs

pages = Blueprint("key_pairs", __name__, url_prefix="/account/ssh-keys")


class KeyPairForm(Form):
    public_key = TextAreaField("Public key")
    name = StringField("Name")


@pages.get("")
def index():
    return render_template(
        "key_pairs/index.html",
        key_pairs=key_pairs.of_actor(current_user.actor),
        kind_of=key_pairs.kind_of,
    )


@pages.get("/new")
def new():
    return render_template("key_pairs/new.html", form=KeyPairForm())


@pages.post("")
def create():
    form = KeyPairForm()
    if form.asks_for_code:
        return _form_page(form)
    if form.validate():
        with form:
            key_pair = key_pairs.create(
                current_user.actor, form.name.data or "", form.public_key.data or ""
            )
            done(f"The key {key_pair.name} can be chosen for new instances.")
            return redirect(url_for(".index"), 303)
    return _form_page(form), form.status


@pages.get("/<uuid:key_pair_id>/delete")
def confirm_delete(key_pair_id):
    key_pair = key_pairs.find(current_user.actor, key_pair_id)
    return render_template("key_pairs/delete.html", key_pair=key_pair)


@pages.post("/<uuid:key_pair_id>/delete")
def delete(key_pair_id):
    name = key_pairs.find(current_user.actor, key_pair_id).name
    key_pairs.delete(current_user.actor, key_pair_id)
    done(f"The key {name} is deleted.")
    return redirect(url_for(".index"), 303)


def _form_page(form: KeyPairForm) -> str:
    if key_pairs.PRIVATE.search(form.public_key.data or ""):
        form.public_key.data = ""  # the page does not hold a secret
    shown = code.to_create(form.name.data or "", form.public_key.data or "")
    return render_template(
        "key_pairs/new.html", form=form, shown=shown if form.asks_for_code else None
    )
