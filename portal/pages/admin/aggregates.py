"""Aggregates of hosts and the zones that they make, for administrators."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import SelectChoice, SelectField, StringField

from portal.pages import done
from portal.pages.forms import Form, as_uuid
from portal.policies import authorize
from portal.services import aggregates, hosts

pages = Blueprint("aggregates", __name__, url_prefix="/aggregates")


class AggregateForm(Form):
    name = StringField("Name")
    zone = StringField("Zone")


class HostForm(Form):
    host_id = SelectField("Host", validate_choice=False)


@pages.get("")
def index():
    return render_template(
        "admin/aggregates/index.html", aggregates=aggregates.every(current_user.actor)
    )


@pages.get("/new")
def new():
    authorize(current_user.actor, "aggregates:change")
    return render_template("admin/aggregates/new.html", form=AggregateForm())


@pages.post("")
def create():
    form = AggregateForm()
    if form.validate():
        with form:
            made = aggregates.create(current_user.actor, form.name.data or "", form.zone.data or "")
            done(f"The aggregate {made.name} is there. Add hosts to it.")
            return redirect(url_for(".show", aggregate_id=made.id), 303)
    return render_template("admin/aggregates/new.html", form=form), form.status


@pages.get("/<uuid:aggregate_id>")
def show(aggregate_id):
    return _page(aggregate_id)


@pages.post("/<uuid:aggregate_id>")
def change(aggregate_id):
    form = AggregateForm()
    if form.validate():
        with form:
            aggregates.change(
                current_user.actor,
                aggregate_id,
                name=form.name.data or "",
                zone=form.zone.data or "",
            )
            done("It is changed.")
            return redirect(url_for(".show", aggregate_id=aggregate_id), 303)
    return _page(aggregate_id, form=form), form.status


@pages.post("/<uuid:aggregate_id>/hosts")
def add_host(aggregate_id):
    form = HostForm()
    if form.validate():
        with form:
            aggregates.add_host(current_user.actor, aggregate_id, as_uuid(form.host_id.data))
            done("The host is in it.")
            return redirect(url_for(".show", aggregate_id=aggregate_id), 303)
    return _page(aggregate_id, host_form=form), form.status


@pages.post("/<uuid:aggregate_id>/hosts/<uuid:host_id>/remove")
def remove_host(aggregate_id, host_id):
    host = hosts.find(current_user.actor, host_id)
    aggregates.remove_host(current_user.actor, aggregate_id, host_id)
    done(f"{host.name} is no longer in it.")
    return redirect(url_for(".show", aggregate_id=aggregate_id), 303)


@pages.post("/<uuid:aggregate_id>/delete")
def delete(aggregate_id):
    name = aggregates.find(current_user.actor, aggregate_id).name
    aggregates.delete(current_user.actor, aggregate_id)
    done(f"The aggregate {name} is deleted.")
    return redirect(url_for(".index"), 303)


def _page(aggregate_id, *, form=None, host_form=None) -> str:
    aggregate = aggregates.find(current_user.actor, aggregate_id)
    host_form = host_form or HostForm(formdata=None)
    host_form.host_id.choices = [
        SelectChoice(str(each.id), each.name)
        for each in hosts.every(current_user.actor)
        if each not in aggregate.hosts
    ]
    return render_template(
        "admin/aggregates/show.html",
        aggregate=aggregate,
        form=form or AggregateForm(formdata=None, name=aggregate.name, zone=aggregate.zone),
        host_form=host_form,
    )
