"""Networks of projects.

https://docs.openstack.org/api-ref/network/v2/#networks
"""

from flask import Response, jsonify

from portal.api import bodies, faults, lists, schemas, wire
from portal.api.lists import Listed, an_id, flag, text
from portal.api.network import tags
from portal.api.routes import Routes
from portal.api.schemas import fields
from portal.auth import tokens
from portal.errors import Refused
from portal.models import Network
from portal.services import networks
from portal.services.networks import Wish

LISTED = Listed(
    "networks",
    sorts={name: name for name in ("id", "name", "created_at", "updated_at", "project_id")}
    | {"tenant_id": "project_id"},
    filters={
        "id": ("id", an_id),
        "name": ("name", text),
        "description": ("description", text),
        "mtu": ("mtu", lists.whole),
        "project_id": ("project_id", an_id),
        "tenant_id": ("project_id", an_id),
        "shared": ("shared", flag),
        "admin_state_up": ("up", flag),
        "status": ("up", lambda value: value.upper() == "ACTIVE"),
        "router:external": ("outside", flag),
        **tags.FILTERS,
    },
    order=(("created_at", False),),
)

SAID = {
    "name": schemas.text(),
    "description": schemas.text(),
    "admin_state_up": schemas.FLAG,
    "shared": schemas.FLAG,
    "router:external": schemas.FLAG,
    "port_security_enabled": schemas.FLAG,
    "mtu": schemas.WHOLE,
    "availability_zone_hints": {"type": "array", "items": schemas.text(), "maxItems": 0},
}
NEW = fields(**SAID, project_id=schemas.ID, tenant_id=schemas.ID)
ONE = fields({"network": NEW})
SEVERAL = fields({"networks": {"type": "array", "items": NEW, "minItems": 1}})
CHANGE = fields({"network": fields(**SAID)})

routes = Routes(__name__, "/v2.0/networks")


@routes.get("")
def index():
    found, more = networks.listed(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [shown(each) for each in found], more))


@routes.post("")
def create():
    """Makes networks, one or several at once, without a subnet: that is a request of its own."""
    wishes, several = bodies.one_or_several("network", ONE, SEVERAL)
    owners = {_owner(each) for each in wishes}
    if len(owners) > 1:
        raise faults.bad("Networks that are made at once are of one project.")
    made = networks.make(
        tokens.actor(),
        owners.pop(),
        [_wish(each) for each in wishes],
        key=bodies.idempotency_key(),
    )
    found = [shown(each) for each in made]
    return jsonify({"networks": found} if several else {"network": found[0]}), 201


@routes.get("/<id:network_id>")
def show(network_id):
    return jsonify(network=lists.picked(shown(_find(network_id))))


@routes.put("/<id:network_id>")
def change(network_id):
    wish, actor = bodies.read(CHANGE)["network"], tokens.actor()
    return jsonify(network=shown(networks.change(actor, actor.project_id, network_id, _wish(wish))))


@routes.delete("/<id:network_id>")
def delete(network_id):
    found = _find(network_id)
    networks.delete(tokens.actor(), found.project_id, found.id)
    return Response(status=204)


def _find(network_id) -> Network:
    actor = tokens.actor()
    return networks.find(actor, actor.project_id, network_id)


def _owner(said: dict):
    owner = said.get("project_id", said.get("tenant_id"))
    project_id = wire.as_id(owner) if owner else tokens.actor().project_id
    if project_id is None:
        raise faults.bad("This token is for the whole cloud: say for which project, by project_id.")
    return project_id


def _wish(said: dict) -> Wish:
    """What is said of a network, as the service takes it. Raises Refused for what no host could
    make so."""
    if said.get("admin_state_up") is False:
        raise Refused("A network is on for as long as it is there. Delete it to take it down.")
    if said.get("shared") or said.get("router:external"):
        raise Refused("A network is its project's own here: it is neither shared nor outside.")
    if said.get("port_security_enabled") is False:
        raise Refused("Every port is filtered by its groups, so port security stays on.")
    if "mtu" in said:
        raise Refused("The MTU of networks is a setting of the whole cloud.")
    return Wish(name=said.get("name"), description=said.get("description"))


def _retag(revise: tags.Revise, network_id) -> None:
    networks.retag(tokens.actor(), network_id, revise)


tags.serve(routes, "network_id", lambda network_id: list(_find(network_id).tags), _retag)


def shown(network: Network) -> dict:
    """A network as clients see it."""
    return {
        "id": str(network.id),
        "name": network.name,
        "description": network.description,
        "project_id": wire.short(network.project_id),
        "tenant_id": wire.short(network.project_id),
        "status": "ACTIVE",
        "admin_state_up": True,
        "shared": False,
        "router:external": False,
        "mtu": network.mtu,
        "subnets": [str(each.id) for each in network.subnets],
        "availability_zones": [],
        "availability_zone_hints": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "tags": list(network.tags),
        "created_at": wire.rough(network.created_at),
        "updated_at": wire.rough(network.updated_at),
    }
