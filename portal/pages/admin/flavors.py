"""Sizes on the menu, for administrators."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import IntegerField, StringField

from portal.pages import done
from portal.pages.forms import Form, not_confirmed
from portal.policies import authorize
from portal.services import flavors

pages = Blueprint("flavors", __name__, url_prefix="/flavors")


class FlavorForm(Form):
    name = StringField("Name")
    vcpus = IntegerField("vCPUs", default=1)
    memory_mib = IntegerField("Memory", default=1024)
    disk_gib = IntegerField("Disk", default=10)


@pages.get("")
def index():
    return render_template(
        "admin/flavors/index.html",
        flavors=flavors.every(current_user.actor),
        in_use=flavors.in_use(current_user.actor),
        given=flavors.projects_of(current_user.actor),
    )


@pages.get("/new")
def new():
    authorize(current_user.actor, "flavors:change")
    return render_template("admin/flavors/new.html", form=FlavorForm(), limits=flavors.LIMITS)


@pages.post("")
def create():
    form = FlavorForm()
    if form.validate():
        with form:
            flavor = flavors.create(
                current_user.actor,
                flavors.NewFlavor(
                    name=form.name.data or "",
                    vcpus=form.vcpus.data,
                    memory_mib=form.memory_mib.data,
                    disk_gib=form.disk_gib.data,
                ),
            )
            done(f"The flavor {flavor.name} is offered.")
            return redirect(url_for(".index"), 303)
    page = render_template("admin/flavors/new.html", form=form, limits=flavors.LIMITS)
    return page, form.status


@pages.post("/<uuid:flavor_id>/enable")
def enable(flavor_id):
    flavor = flavors.enable(current_user.actor, flavor_id, enabled=True)
    done(f"The flavor {flavor.name} is offered again.")
    return redirect(url_for(".index"), 303)


@pages.post("/<uuid:flavor_id>/disable")
def disable(flavor_id):
    flavor = flavors.enable(current_user.actor, flavor_id, enabled=False)
    done(f"The flavor {flavor.name} is no longer offered.")
    return redirect(url_for(".index"), 303)


@pages.get("/<uuid:flavor_id>/delete")
def confirm_delete(flavor_id):
    return _delete_page(flavor_id)


@pages.post("/<uuid:flavor_id>/delete")
def delete(flavor_id):
    name = flavors.find(current_user.actor, flavor_id).name
    authorize(current_user.actor, "flavors:change")
    if error := not_confirmed(name):
        return _delete_page(flavor_id, error), 422
    flavors.delete(current_user.actor, flavor_id)
    done(f"The flavor {name} is deleted.")
    return redirect(url_for(".index"), 303)


def _delete_page(flavor_id, error=None) -> str:
    flavor = flavors.find(current_user.actor, flavor_id)
    authorize(current_user.actor, "flavors:change")
    return render_template("admin/flavors/delete.html", flavor=flavor, error=error)
