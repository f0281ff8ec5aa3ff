"""Ranges of addresses on networks.

https://docs.openstack.org/api-ref/network/v2/#subnets
"""

import ipaddress

from flask import Response, jsonify

from portal.api import bodies, lists, schemas, wire
from portal.api.lists import Listed, an_id, flag, text
from portal.api.routes import Routes
from portal.api.schemas import fields
from portal.auth import tokens
from portal.models import Subnet
from portal.services import subnets
from portal.services.subnets import NewSubnet

LISTED = Listed(
    "subnets",
    sorts={name: name for name in ("id", "name", "cidr", "network_id", "created_at")}
    | {"project_id": "project_id", "tenant_id": "project_id", "gateway_ip": "gateway"},
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
    },
    order=(("created_at", False),),
)

SCHEMA = fields(
    {
        "subnet": fields(
            {
                "network_id": schemas.ID,
                "cidr": schemas.text(),
                "ip_version": {"type": "integer", "enum": [4]},
            },
            name=schemas.text(),
            description=schemas.text(),
            gateway_ip=schemas.text(),
            enable_dhcp={"type": "boolean", "enum": [True]},
            project_id=schemas.ID,
            tenant_id=schemas.ID,
        )
    }
)

routes = Routes(__name__, "/v2.0/subnets")


@routes.get("")
def index():
    found, more = subnets.listed(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [shown(each) for each in found], more))


@routes.post("")
def create():
    wish = bodies.read(SCHEMA)["subnet"]
    subnet = subnets.create(
        tokens.actor(),
        NewSubnet(
            network_id=wire.as_id(wish["network_id"]),
            cidr=wish["cidr"],
            name=wish.get("name", ""),
            description=wish.get("description", ""),
            gateway=wish.get("gateway_ip"),
        ),
    )
    return jsonify(subnet=shown(subnet)), 201


@routes.delete("/<id:subnet_id>")
def delete(subnet_id):
    subnets.delete(tokens.actor(), subnet_id)
    return Response(status=204)


@routes.get("/<id:subnet_id>")
def show(subnet_id):
    return jsonify(subnet=lists.picked(shown(subnets.find(tokens.actor(), subnet_id))))


def shown(subnet: Subnet) -> dict:
    """A subnet as clients see it. Ports get what lies between its gateway and what answers DHCP."""
    gateway, last = (ipaddress.ip_address(each) for each in (subnet.gateway, subnet.dhcp_address))
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
        "gateway_ip": subnet.gateway,
        "enable_dhcp": True,
        "allocation_pools": [{"start": str(gateway + 1), "end": str(last - 1)}],
        "dns_nameservers": [],
        "host_routes": [],
        "ipv6_address_mode": None,
        "ipv6_ra_mode": None,
        "subnetpool_id": None,
        "service_types": [],
        "tags": [],
        "created_at": wire.rough(subnet.created_at),
        "updated_at": wire.rough(subnet.updated_at),
    }
