"""Ranges of addresses on networks.

https://docs.openstack.org/api-ref/network/v2/#subnets
"""

import ipaddress
import itertools

from flask import Response, jsonify

from portal.api import bodies, lists, schemas, wire
from portal.api.lists import Listed, an_id, flag, text
from portal.api.network import tags
from portal.api.routes import Routes
from portal.api.schemas import fields
from portal.auth import tokens
from portal.errors import Refused
from portal.models import Subnet
from portal.services import subnets
from portal.services.subnets import NewSubnet, Wish

LISTED = Listed(
    "subnets",
    sorts={name: name for name in ("id", "name", "cidr", "network_id", "created_at")}
    | {"project_id": "project_id", "tenant_id": "project_id", "gateway_ip": "gateway"}
    | {"updated_at": "updated_at", "enable_dhcp": "dhcp"},
    filters={
        "id": ("id", an_id),
        "name": ("name", text),
        "cidr": ("cidr", text),
        "gateway_ip": ("gateway", text),
        "description": ("description", text),
        "network_id": ("network_id", an_id),
        "project_id": ("project_id", an_id),
        "tenant_id": ("project_id", an_id),
        "ip_version": ("version", lists.whole),
        "enable_dhcp": ("dhcp", flag),
        "shared": ("shared", flag),
        **tags.FILTERS,
    },
    order=(("created_at", False),),
)

ADDRESS = schemas.text(1, 64)
POOL = fields({"start": ADDRESS, "end": ADDRESS})
ROUTE = fields({"destination": ADDRESS, "nexthop": ADDRESS})
SAID = {
    "name": schemas.text(),
    "description": schemas.text(),
    "gateway_ip": schemas.maybe(ADDRESS),
    "enable_dhcp": schemas.FLAG,
    "allocation_pools": {"type": "array", "items": POOL},
    "dns_nameservers": {"type": "array", "items": ADDRESS},
    "host_routes": {"type": "array", "items": ROUTE},
    "service_types": {"type": "array", "items": schemas.text(), "maxItems": 0},
}
NEW = fields(
    {"network_id": schemas.ID, "cidr": schemas.text(1, 64), "ip_version": schemas.WHOLE},
    **SAID,
    project_id=schemas.ID,
    tenant_id=schemas.ID,
    ipv6_address_mode=schemas.maybe(schemas.text()),
    ipv6_ra_mode=schemas.maybe(schemas.text()),
)
ONE = fields({"subnet": NEW})
SEVERAL = fields({"subnets": {"type": "array", "items": NEW, "minItems": 1}})
CHANGE = fields({"subnet": fields(**SAID)})

routes = Routes(__name__, "/v2.0/subnets")


@routes.get("")
def index():
    found, more = subnets.listed(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [shown(each) for each in found], more))


@routes.post("")
def create():
    wishes, several = bodies.one_or_several("subnet", ONE, SEVERAL)
    made = subnets.create(
        tokens.actor(), [_new(each) for each in wishes], key=bodies.idempotency_key()
    )
    found = [shown(each) for each in made]
    return jsonify({"subnets": found} if several else {"subnet": found[0]}), 201


@routes.get("/<id:subnet_id>")
def show(subnet_id):
    return jsonify(subnet=lists.picked(shown(subnets.find(tokens.actor(), subnet_id))))


@routes.put("/<id:subnet_id>")
def change(subnet_id):
    wish = bodies.read(CHANGE)["subnet"]
    return jsonify(subnet=shown(subnets.change(tokens.actor(), subnet_id, _wish(wish))))


@routes.delete("/<id:subnet_id>")
def delete(subnet_id):
    subnets.delete(tokens.actor(), subnet_id)
    return Response(status=204)


def _new(said: dict) -> NewSubnet:
    if said["ip_version"] != 4 or said.get("ipv6_address_mode") or said.get("ipv6_ra_mode"):
        raise Refused("Networks here carry IPv4 alone: ask for a range of ip_version 4.")
    return NewSubnet(network_id=wire.as_id(said["network_id"]), cidr=said["cidr"], wish=_wish(said))


def _wish(said: dict) -> Wish:
    pools, hops = said.get("allocation_pools"), said.get("host_routes")
    return Wish(
        name=said.get("name"),
        description=said.get("description"),
        gateway=(said["gateway_ip"] or "") if "gateway_ip" in said else None,
        dhcp=said.get("enable_dhcp"),
        pools=None if pools is None else [(each["start"], each["end"]) for each in pools],
        dns_nameservers=said.get("dns_nameservers"),
        host_routes=None
        if hops is None
        else [(each["destination"], each["nexthop"]) for each in hops],
    )


def _retag(revise: tags.Revise, subnet_id) -> None:
    subnets.retag(tokens.actor(), subnet_id, revise)


def _tags(subnet_id) -> list[str]:
    return list(subnets.find(tokens.actor(), subnet_id).tags)


tags.serve(routes, "subnet_id", _tags, _retag)


def shown(subnet: Subnet) -> dict:
    """A subnet as clients see it."""
    project_id = wire.short(subnet.network.project_id)
    return {
        "id": str(subnet.id),
        "name": subnet.name,
        "description": subnet.description,
        "network_id": str(subnet.network_id),
        "project_id": project_id,
        "tenant_id": project_id,
        "ip_version": 4,
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway if subnet.routed else None,
        "enable_dhcp": subnet.dhcp,
        "allocation_pools": [
            {"start": first, "end": last} for first, last in subnet.pools or _whole(subnet)
        ],
        "dns_nameservers": list(subnet.dns_nameservers),
        "host_routes": [{"destination": to, "nexthop": by} for to, by in subnet.host_routes],
        "ipv6_address_mode": None,
        "ipv6_ra_mode": None,
        "subnetpool_id": None,
        "service_types": [],
        "tags": list(subnet.tags),
        "created_at": wire.rough(subnet.created_at),
        "updated_at": wire.rough(subnet.updated_at),
    }


def _whole(subnet: Subnet) -> list[tuple[str, str]]:
    """The pools of a subnet without any of its own: what its gateway and what answers DHCP leave
    between them and its ends."""
    block = ipaddress.IPv4Network(subnet.cidr)
    own = sorted(int(ipaddress.IPv4Address(each)) for each in (subnet.gateway, subnet.dhcp_address))
    ends = [int(block.network_address), *own, int(block.broadcast_address)]
    return [
        (str(ipaddress.IPv4Address(before + 1)), str(ipaddress.IPv4Address(after - 1)))
        for before, after in itertools.pairwise(ends)
        if after - before > 1
    ]
