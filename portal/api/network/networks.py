"""Networks of projects.

https://docs.openstack.org/api-ref/network/v2/#networks
"""

from flask import Response, jsonify

from portal.api import bodies, faults, lists, schemas, wire
from portal.api.lists import Listed, an_id, flag, text
from portal.api.routes import Routes
from portal.api.schemas import fields
from portal.auth import tokens
from portal.models import Network
from portal.services import networks

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
    },
    order=(("created_at", False),),
)

ONLY_TRUE, ONLY_FALSE = {"type": "boolean", "enum": [True]}, {"type": "boolean", "enum": [False]}
SCHEMA = fields(
    {
        "network": fields(
            {"name": schemas.text()},
            project_id=schemas.ID,
            tenant_id=schemas.ID,
            admin_state_up=ONLY_TRUE,
            shared=ONLY_FALSE,
            **{"router:external": ONLY_FALSE},
        )
    }
)

routes = Routes(__name__, "/v2.0/networks")


@routes.get("")
def index():
    found, more = networks.listed(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [shown(each) for each in found], more))


@routes.post("")
def create():
    """Makes a network, without a subnet: that is a request of its own."""
    wish, actor = bodies.read(SCHEMA)["network"], tokens.actor()
    owner = wish.get("project_id", wish.get("tenant_id"))
    project_id = wire.as_id(owner) if owner else actor.project_id
    if project_id is None:
        raise faults.bad("This token is for the whole cloud: say for which project, by project_id.")
    network = networks.create(actor, project_id, wish["name"], None, nat=True)
    return jsonify(network=shown(network)), 201


@routes.get("/<id:network_id>")
def show(network_id):
    actor = tokens.actor()
    return jsonify(network=lists.picked(shown(networks.find(actor, actor.project_id, network_id))))


@routes.delete("/<id:network_id>")
def delete(network_id):
    actor = tokens.actor()
    found = networks.find(actor, actor.project_id, network_id)
    networks.delete(actor, found.project_id, found.id)
    return Response(status=204)


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
