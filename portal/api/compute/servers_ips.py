"""Where a server is reached."""

from flask import jsonify

from portal.api.compute import fields
from portal.api.routes import Routes
from portal.auth import tokens
from portal.errors import NotFound
from portal.services.instances import reports

routes = Routes(__name__, "/v2.1/servers/<id:server_id>/ips")


@routes.get("")
def index(server_id):
    return jsonify(addresses=_addresses(server_id))


@routes.get("/<network_name>")
def show(server_id, network_name):
    found = _addresses(server_id)
    if network_name not in found:
        raise NotFound("Network name not found")
    return jsonify({network_name: found[network_name]})


def _addresses(server_id) -> dict:
    actor = tokens.actor()
    return fields.addresses(reports.one(actor, actor.project_id, server_id), exact=False)
