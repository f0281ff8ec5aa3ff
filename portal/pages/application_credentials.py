"""Application credentials of whoever is signed in: what their programs sign in with."""

from datetime import datetime, timedelta

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user
from wtforms import SelectChoice, SelectField, StringField

from portal import config
from portal.db import now
from portal.models import Role
from portal.pages import done
from portal.pages.as_code import application_credentials as code
from portal.pages.forms import Form, as_uuid
from portal.services import application_credentials, projects
from portal.services.application_credentials import NewCredential
from portal.services.listing import Stretch

ROLES = [
    SelectChoice("", "What I am there"),
    SelectChoice(Role.READER.value, "Reader: looks"),
    SelectChoice(Role.MEMBER.value, "Member: creates and changes"),
    SelectChoice(Role.ADMIN.value, "Admin: and decides who is in"),
]
LASTS = [
    SelectChoice("30", "30 days"),
    SelectChoice("90", "90 days"),
    SelectChoice("365", "A year"),
    SelectChoice("", "Until it is deleted"),
]

pages = Blueprint("application_credentials", __name__, url_prefix="/account/credentials")


class CredentialForm(Form):
    name = StringField("Name")
    project = SelectField("Project")
    role = SelectField("Role", choices=ROLES)
    days = SelectField("It lasts", choices=LASTS, default="90")

    @property
    def expires_at(self) -> datetime | None:
        """When it will have lasted so long from now on; None for ever."""
        days = self.days.data or ""
        return now() + timedelta(days=int(days)) if days.isdecimal() and len(days) < 5 else None


@pages.get("")
def index():
    actor = current_user.actor
    found, _ = application_credentials.listed(actor, actor.user_id, Stretch())
    return render_template("application_credentials/index.html", credentials=found, now=now())


@pages.get("/new")
def new():
    return _form_page(_form())


@pages.post("")
def create():
    form = _form()
    if form.asks_for_code:
        return _form_page(form)
    if form.validate():
        with form:
            actor = current_user.actor
            credential, secret = application_credentials.create(
                actor,
                actor.user_id,
                NewCredential(
                    project_id=as_uuid(form.project.data),
                    name=form.name.data or "",
                    role=Role(form.role.data) if form.role.data else None,
                    expires_at=form.expires_at,
                ),
            )
            return render_template(
                "application_credentials/create.html",
                credential=credential,
                secret=secret,
                url=f"{request.url_root}identity/v3",
                region=config.current().region,
            )
    return _form_page(form), form.status


@pages.get("/<uuid:credential_id>/delete")
def confirm_delete(credential_id):
    actor = current_user.actor
    credential = application_credentials.find(actor, actor.user_id, credential_id)
    return render_template("application_credentials/delete.html", credential=credential)


@pages.post("/<uuid:credential_id>/delete")
def delete(credential_id):
    actor = current_user.actor
    name = application_credentials.find(actor, actor.user_id, credential_id).name
    application_credentials.delete(actor, actor.user_id, credential_id)
    done(f"The credential {name} is deleted. Nothing signs in with it any more.")
    return redirect(url_for(".index"), 303)


def _form() -> CredentialForm:
    form = CredentialForm()
    mine = projects.of_actor(current_user.actor)
    form.project.choices = [SelectChoice(str(each.id), each.name) for each in mine]
    return form


def _form_page(form: CredentialForm) -> str:
    known = {each.value: each for each in Role}
    shown = code.to_create(
        current_user.actor.user_id,
        form.name.data or "",
        known.get(form.role.data or ""),
        form.expires_at,
    )
    return render_template(
        "application_credentials/new.html", form=form, code=shown if form.asks_for_code else None
    )
