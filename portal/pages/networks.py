"""Networks of a project."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from wtforms import BooleanField, StringField

from portal import config
from portal.pages import done
from portal.pages.as_code import networks as code
from portal.pages.forms import Form, not_confirmed
from portal.pages.listing import Listing
from portal.policies import authorize
from portal.services import networks, quotas

pages = Blueprint("networks", __name__, url_prefix="/projects/<uuid:project_id>/networks")


class NetworkForm(Form):
    name = StringField("Name")
    cidr = StringField("Range of addresses")
    nat = BooleanField("A way out", default=True)


@pages.get("")
def index(project_id):
    found = networks.of_project(current_user.actor, project_id)
    return render_template(
        "networks/index.html",
        networks=found,
        taken=networks.taken([network.id for network in found]),
    )


@pages.get("/new")
def new(project_id):
    authorize(current_user.actor, "networks:create", project_id)
    return _form_page(project_id, NetworkForm(cidr=networks.free_cidr(project_id)))


@pages.post("")
def create(project_id):
    form = NetworkForm()
    if form.asks_for_code:
        authorize(current_user.actor, "networks:create", project_id)
        return _form_page(project_id, form)
    if form.validate():
        with form:
            network = networks.create(
                current_user.actor,
                project_id,
                form.name.data or "",
                form.cidr.data or "",
                nat=form.nat.data,
            )
            done(f"The network {network.called} is there. Choose it when you create an instance.")
            return redirect(url_for(".show", project_id=project_id, network_id=network.id), 303)
    return _form_page(project_id, form), form.status


@pages.get("/<uuid:network_id>")
def show(project_id, network_id):
    network = networks.find(current_user.actor, project_id, network_id)
    listing = Listing.of_request(sorts=("created_at",), default="created_at")
    rows, listing.total = networks.listed_ports(
        current_user.actor, project_id, network_id, listing.wanted()
    )
    return render_template(
        "networks/show.html",
        network=network,
        taken=networks.taken([network.id])[network.id],
        rows=rows,
        free_ports=networks.free_ports(network.id),
        listing=listing,
        dns_domain=config.current().dns_domain,
        code=code.to_look_at(network),
    )


@pages.get("/<uuid:network_id>/delete")
def confirm_delete(project_id, network_id):
    return _delete_page(project_id, network_id)


@pages.post("/<uuid:network_id>/delete")
def delete(project_id, network_id):
    name = networks.find(current_user.actor, project_id, network_id).called
    if error := not_confirmed(name):
        return _delete_page(project_id, network_id, error), 422
    networks.delete(current_user.actor, project_id, network_id)
    done(f"The network {name} is deleted.")
    return redirect(url_for(".index", project_id=project_id), 303)


def _form_page(project_id, form: NetworkForm) -> str:
    shown = code.to_create(form.name.data or "", form.cidr.data or "", nat=form.nat.data)
    return render_template(
        "networks/new.html",
        form=form,
        usage=quotas.usage(project_id)["networks"],
        code=shown if form.asks_for_code else None,
    )


def _delete_page(project_id, network_id, error=None) -> str:
    network = networks.find(current_user.actor, project_id, network_id)
    authorize(current_user.actor, "networks:delete", project_id)
    return render_template(
        "networks/delete.html",
        network=network,
        used=networks.ports_on(network.id),
        error=error,
    )
