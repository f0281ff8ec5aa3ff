"""Hypervisors, for administrators."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import StringField

from portal import config
from portal.pages import done
from portal.pages.forms import Form
from portal.services import aggregates, conditions, hosts, placement

pages = Blueprint("hosts", __name__, url_prefix="/hosts")


class MaintenanceForm(Form):
    reason = StringField("Why")


class ZoneForm(Form):
    zone = StringField("Zone")


@pages.get("")
def index():
    rows = hosts.every(current_user.actor)
    return render_template(
        "admin/hosts/index.html",
        hosts=rows,
        rooms=placement.room_of(rows),
        conditions=conditions.of_hosts(rows),
    )


@pages.get("/<uuid:host_id>")
def show(host_id):
    return _page(host_id, MaintenanceForm(formdata=None))


@pages.post("/<uuid:host_id>/maintenance")
def disable(host_id):
    form = MaintenanceForm()
    if form.validate():
        with form:
            host = hosts.enable(
                current_user.actor, host_id, enabled=False, reason=form.reason.data or ""
            )
            done(f"{host.name} gets no new instances.")
            return redirect(url_for(".show", host_id=host_id), 303)
    return _page(host_id, form), form.status


@pages.post("/<uuid:host_id>/enable")
def enable(host_id):
    host = hosts.enable(current_user.actor, host_id, enabled=True)
    done(f"{host.name} gets new instances again.")
    return redirect(url_for(".show", host_id=host_id), 303)


@pages.post("/<uuid:host_id>/zone")
def put_into_zone(host_id):
    form = ZoneForm()
    if form.validate():
        with form:
            host = aggregates.put_into_zone(current_user.actor, host_id, form.zone.data or "")
            done(f"{host.name} is in the zone {host.zone}.")
            return redirect(url_for(".show", host_id=host_id), 303)
    return _page(host_id, MaintenanceForm(formdata=None), form), form.status


def _page(host_id, form: MaintenanceForm, zone_form: ZoneForm | None = None) -> str:
    host = hosts.find(current_user.actor, host_id)
    return render_template(
        "admin/hosts/show.html",
        host=host,
        form=form,
        zone_form=zone_form or ZoneForm(formdata=None, zone=host.zone),
        aggregates=aggregates.of_host(current_user.actor, host_id),
        room=placement.room_of([host])[host.id],
        condition=conditions.of_hosts([host])[host.id],
        is_typed=hosts.is_typed,
        settings=config.current(),
        instances=hosts.instances(current_user.actor, host_id),
        stale=hosts.stale_tables(current_user.actor, host_id),
    )
