"""Places on networks.

https://docs.openstack.org/api-ref/network/v2/#ports
"""

from flask import jsonify, request

from portal.api import faults, lists, wire
from portal.api.lists import Listed, an_id, flag, text
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Instance, Port
from portal.services import ports
from portal.services.listing import Stretch

OWNERS = {Instance.__tablename__: "compute:nova"}
OURS = {theirs: ours for ours, theirs in OWNERS.items()}
ADDRESSES = {"ip_address": ("address", text), "subnet_id": ("subnet_id", an_id)}

LISTED = Listed(
    "ports",
    sorts={name: name for name in ("id", "name", "network_id", "created_at", "updated_at")}
    | {"project_id": "project_id", "tenant_id": "project_id", "mac_address": "mac"},
    filters={
        "id": ("id", an_id),
        "name": ("name", text),
        "description": ("description", text),
        "mac_address": ("mac", str.lower),
        "network_id": ("network_id", an_id),
        "project_id": ("project_id", an_id),
        "tenant_id": ("project_id", an_id),
        "device_id": ("owner_id", an_id),
        "device_owner": ("owner_type", lambda value: OURS.get(value, value)),
        "admin_state_up": ("admin_up", flag),
        "status": ("up", lambda value: value.upper() == "ACTIVE"),
        "security_groups": ("group_id", an_id),
    },
    order=(("created_at", False),),
)

routes = Routes(__name__, "/v2.0/ports")


@routes.get("")
def index():
    found, more = ports.listed(tokens.actor(), _wanted())
    up = ports.up(found)
    return jsonify(lists.answer(LISTED, [_shown(each, up=each.id in up) for each in found], more))


@routes.get("/<id:port_id>")
def show(port_id):
    port = ports.find(tokens.actor(), port_id)
    return jsonify(port=lists.picked(_shown(port, up=bool(ports.up([port])))))


def _wanted() -> Stretch:
    """With what is asked of addresses: fixed_ips=ip_address=10.0.0.5, or subnet_id=…"""
    wanted = lists.wanted(LISTED)
    for value in request.args.getlist("fixed_ips"):
        name, _, wish = value.partition("=")
        if name not in ADDRESSES:
            raise faults.bad(f"Ports are found by {' or '.join(ADDRESSES)}, not {name[:80]!r}.")
        ours, read = ADDRESSES[name]
        wanted.filters[ours] = (*wanted.filters.get(ours, ()), read(wish))
    return wanted


def _shown(port: Port, *, up: bool) -> dict:
    project_id = wire.short(port.network.project_id)
    return {
        "id": str(port.id),
        "name": port.name,
        "description": port.description,
        "network_id": str(port.network_id),
        "project_id": project_id,
        "tenant_id": project_id,
        "mac_address": port.mac,
        "admin_state_up": port.admin_up,
        "status": "ACTIVE" if up else "DOWN",
        "device_id": str(port.owner_id or ""),
        "device_owner": OWNERS.get(port.owner_type, port.owner_type),
        "fixed_ips": [
            {"subnet_id": str(each.subnet_id), "ip_address": each.address}
            for each in port.fixed_ips
        ],
        "security_groups": [str(each.id) for each in port.groups],
        "tags": [],
        "created_at": wire.rough(port.created_at),
        "updated_at": wire.rough(port.updated_at),
    }
