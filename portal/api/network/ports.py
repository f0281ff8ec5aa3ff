"""Places on networks.

https://docs.openstack.org/api-ref/network/v2/#ports
"""

from flask import Response, jsonify, request

from portal.api import bodies, faults, lists, schemas, wire
from portal.api.lists import Listed, an_id, flag, text
from portal.api.network import tags
from portal.api.routes import Routes
from portal.api.schemas import fields
from portal.auth import tokens
from portal.errors import Refused
from portal.models import Instance, Port
from portal.services import ports
from portal.services.listing import Stretch
from portal.services.ports import NewPort, Wanted, Wish

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
        **tags.FILTERS,
    },
    order=(("created_at", False),),
)

ADDRESS = schemas.text(1, 64)
FIXED = fields(subnet_id=schemas.ID, ip_address=ADDRESS)
SAID = {
    "name": schemas.text(),
    "description": schemas.text(),
    "admin_state_up": schemas.FLAG,
    "fixed_ips": {"type": "array", "items": FIXED},
    "security_groups": {"type": "array", "items": schemas.ID},
    "mac_address": schemas.text(1, 64),
    "device_id": schemas.text(),
    "device_owner": schemas.text(),
    "port_security_enabled": schemas.FLAG,
    "allowed_address_pairs": {"type": "array", "items": schemas.ANY, "maxItems": 0},
    "extra_dhcp_opts": {"type": "array", "items": schemas.ANY, "maxItems": 0},
    "binding:vnic_type": {"type": "string", "enum": ["normal"]},
    "binding:host_id": schemas.maybe(schemas.text()),
    "binding:profile": {"type": "object"},
}
NEW = fields({"network_id": schemas.ID}, **SAID, project_id=schemas.ID, tenant_id=schemas.ID)
ONE = fields({"port": NEW})
SEVERAL = fields({"ports": {"type": "array", "items": NEW, "minItems": 1}})
CHANGE = fields({"port": fields(**SAID)})

routes = Routes(__name__, "/v2.0/ports")


@routes.get("")
def index():
    found, more = ports.listed(tokens.actor(), _wanted())
    up = ports.up(found)
    return jsonify(lists.answer(LISTED, [_shown(each, up=each.id in up) for each in found], more))


@routes.post("")
def create():
    """A port that hangs on nothing yet: a server is given it when it is made."""
    wishes, several = bodies.one_or_several("port", ONE, SEVERAL)
    wanted = [
        NewPort(network_id=wire.as_id(each["network_id"]), wish=_wish(each)) for each in wishes
    ]
    made = ports.create(tokens.actor(), wanted, key=bodies.idempotency_key())
    found = [_shown(each, up=False) for each in made]
    return jsonify({"ports": found} if several else {"port": found[0]}), 201


@routes.get("/<id:port_id>")
def show(port_id):
    return jsonify(port=lists.picked(_seen(ports.find(tokens.actor(), port_id))))


@routes.put("/<id:port_id>")
def change(port_id):
    wish = bodies.read(CHANGE)["port"]
    return jsonify(port=_seen(ports.change(tokens.actor(), port_id, _wish(wish))))


@routes.delete("/<id:port_id>")
def delete(port_id):
    ports.delete(tokens.actor(), port_id)
    return Response(status=204)


def _wish(said: dict) -> Wish:
    """What is said of a port, as the service takes it. Raises Refused for what no host could make
    so."""
    if said.get("device_id") or said.get("device_owner"):
        raise Refused("What a port hangs on is said where that is made: by a server's networks.")
    if said.get("port_security_enabled") is False:
        raise Refused("Every port is filtered by its groups, so port security stays on.")
    if said.get("binding:host_id"):
        raise Refused("A port is where its server is, so its host is not chosen.")
    fixed, groups = said.get("fixed_ips"), said.get("security_groups")
    return Wish(
        name=said.get("name"),
        description=said.get("description"),
        mac=said["mac_address"].lower() if "mac_address" in said else None,
        admin_up=said.get("admin_state_up"),
        addresses=None
        if fixed is None
        else [Wanted(wire.as_id(each.get("subnet_id")), each.get("ip_address")) for each in fixed],
        group_ids=None if groups is None else [wire.as_id(each) for each in groups],
    )


def _retag(revise: tags.Revise, port_id) -> None:
    ports.retag(tokens.actor(), port_id, revise)


def _tags(port_id) -> list[str]:
    return list(ports.find(tokens.actor(), port_id).tags)


tags.serve(routes, "port_id", _tags, _retag)


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


def _seen(port: Port) -> dict:
    return _shown(port, up=bool(ports.up([port])))


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
        "tags": list(port.tags),
        "created_at": wire.rough(port.created_at),
        "updated_at": wire.rough(port.updated_at),
    }
