"""What security groups let pass.

https://docs.openstack.org/api-ref/network/v2/#security-group-rules-security-group-rules
"""

import uuid

from flask import jsonify

from portal.api import lists, wire
from portal.api.lists import Listed, an_id, text
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import SecurityGroupRule
from portal.services import security_groups

LISTED = Listed(
    "security_group_rules",
    sorts={name: name for name in ("id", "direction", "protocol", "created_at", "updated_at")}
    | {"security_group_id": "group_id", "project_id": "project_id", "tenant_id": "project_id"},
    filters={
        "id": ("id", an_id),
        "description": ("description", text),
        "security_group_id": ("group_id", an_id),
        "remote_group_id": ("remote_group_id", an_id),
        "remote_ip_prefix": ("remote_cidr", text),
        "direction": ("direction", text),
        "protocol": ("protocol", str.lower),
        "port_range_min": ("port_min", lists.whole),
        "port_range_max": ("port_max", lists.whole),
        "ethertype": ("version", lambda value: {"ipv4": 4, "ipv6": 6}.get(value.lower(), 0)),
        "project_id": ("project_id", an_id),
        "tenant_id": ("project_id", an_id),
    },
    order=(("created_at", False),),
)

routes = Routes(__name__, "/v2.0/security-group-rules")


@routes.get("")
def index():
    found, more = security_groups.listed_rules(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [shown(*each) for each in found], more))


@routes.get("/<id:rule_id>")
def show(rule_id):
    found = security_groups.find_rule(tokens.actor(), rule_id)
    return jsonify(security_group_rule=lists.picked(shown(*found)))


def shown(rule: SecurityGroupRule, project_id: uuid.UUID) -> dict:
    """A rule as clients see it, of a group of this project."""
    return {
        "id": str(rule.id),
        "security_group_id": str(rule.group_id),
        "project_id": wire.short(project_id),
        "tenant_id": wire.short(project_id),
        "direction": rule.direction,
        "ethertype": "IPv4",
        "protocol": rule.protocol or None,
        "port_range_min": rule.port_min,
        "port_range_max": rule.port_max,
        "remote_ip_prefix": rule.remote_cidr or None,
        "remote_group_id": str(rule.remote_group_id) if rule.remote_group_id else None,
        "description": rule.description,
        "created_at": wire.rough(rule.created_at),
        "updated_at": wire.rough(rule.updated_at),
    }
