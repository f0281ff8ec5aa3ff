"""The ports of a server, which come and go with it."""

from flask import jsonify

from portal.api import microversions
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Port
from portal.services import instances

CHANGES = {"tag": ((2, 70), None)}

routes = Routes(__name__, "/v2.1/servers/<id:server_id>/os-interface")


@routes.get("")
def index(server_id):
    actor = tokens.actor()
    instance = instances.told(actor, actor.project_id, server_id)
    return jsonify(interfaceAttachments=[_shown(each) for each in instance.ports])


def _shown(port: Port) -> dict:
    places = [
        {"subnet_id": str(each.subnet_id), "ip_address": each.address} for each in port.fixed_ips
    ]
    shown = {
        "port_id": str(port.id),
        "net_id": str(port.network_id),
        "mac_addr": port.mac,
        "port_state": "ACTIVE" if port.admin_up else "DOWN",
        "fixed_ips": places,
        "tag": None,  # devices have none
    }
    return microversions.fitting(shown, CHANGES)
