"""What security groups let pass.

https://docs.openstack.org/api-ref/network/v2/#security-group-rules-security-group-rules
"""

import uuid

from flask import Response, jsonify

from portal.api import bodies, faults, lists, schemas, wire
from portal.api.lists import Listed, an_id, text
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import SecurityGroupRule
from portal.services import security_groups
from portal.services.security_groups import NewRule

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
        "ethertype": ("version", lambda value: VERSIONS.get(value.lower(), 0)),
        "project_id": ("project_id", an_id),
        "tenant_id": ("project_id", an_id),
    },
    order=(("created_at", False),),
)

NUMBER = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]{1,9}$"}
TEXT = schemas.maybe(schemas.text())
PROTOCOL = {"type": ["string", "integer", "null"], "maxLength": 255}
WISH = schemas.fields(
    {"security_group_id": schemas.text(), "direction": schemas.text()},
    ethertype=TEXT,
    protocol=PROTOCOL,
    port_range_min=NUMBER,
    port_range_max=NUMBER,
    remote_ip_prefix=TEXT,
    remote_group_id=TEXT,
    description=TEXT,
    project_id=TEXT,
    tenant_id=TEXT,
)
ONE = schemas.fields({"security_group_rule": WISH})
SEVERAL = schemas.fields(
    {"security_group_rules": {"type": "array", "items": WISH, "minItems": 1, "maxItems": 100}}
)
VERSIONS = {"ipv4": 4, "ipv6": 6}
ANY = ("", "any", "-1")  # words for every protocol

routes = Routes(__name__, "/v2.0/security-group-rules")


@routes.get("")
def index():
    found, more = security_groups.listed_rules(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [shown(*each) for each in found], more))


@routes.get("/<id:rule_id>")
def show(rule_id):
    found = security_groups.find_rule(tokens.actor(), rule_id)
    return jsonify(security_group_rule=lists.picked(shown(*found)))


@routes.post("")
def create():
    """Makes rules of a security group, one or several at once."""
    wishes, several = bodies.one_or_several("security_group_rule", ONE, SEVERAL)
    actor = tokens.actor()
    key = bodies.idempotency_key()
    made = security_groups.add_rules(actor, [_new(each) for each in wishes], key=key)
    project_id = security_groups.find_rule(actor, made[0].id)[1]
    found = [shown(each, project_id) for each in made]
    body = {"security_group_rules": found} if several else {"security_group_rule": found[0]}
    return jsonify(body), 201


def _new(wish: dict) -> NewRule:
    remote = wish.get("remote_group_id")
    return NewRule(
        group_id=wire.as_id(wish["security_group_id"]) or lists.NEVER,
        direction=wish["direction"],
        version=_version(wish.get("ethertype") or "IPv4"),
        protocol=_protocol(wish.get("protocol")),
        port_min=_port(wish.get("port_range_min")),
        port_max=_port(wish.get("port_range_max")),
        remote_cidr=wish.get("remote_ip_prefix") or "",
        remote_group_id=(wire.as_id(remote) or lists.NEVER) if remote else None,
        description=wish.get("description") or "",
    )


@routes.delete("/<id:rule_id>")
def delete(rule_id):
    security_groups.remove_rule(tokens.actor(), rule_id)
    return Response(status=204)


def _version(ethertype: str) -> int:
    if ethertype.lower() not in VERSIONS:
        raise faults.bad(
            f"Security group rule for ethertype '{ethertype[:80]}' not supported. Allowed values "
            "are ['IPv4', 'IPv6']."
        )
    return VERSIONS[ethertype.lower()]


def _protocol(protocol: str | int | None) -> str:
    said = "" if protocol is None else str(protocol).lower()
    return "" if said in ANY else said


def _port(number: int | str | None) -> int | None:
    return None if number is None else int(number)


def shown(rule: SecurityGroupRule, project_id: uuid.UUID) -> dict:
    """A rule as clients see it, of a group of this project."""
    return {
        "id": str(rule.id),
        "security_group_id": str(rule.group_id),
        "project_id": wire.short(project_id),
        "tenant_id": wire.short(project_id),
        "direction": rule.direction,
        "ethertype": f"IPv{rule.version}",
        "protocol": rule.protocol or None,
        "port_range_min": rule.port_min,
        "port_range_max": rule.port_max,
        "remote_ip_prefix": rule.remote_cidr or None,
        "remote_group_id": str(rule.remote_group_id) if rule.remote_group_id else None,
        "description": rule.description,
        "created_at": wire.rough(rule.created_at),
        "updated_at": wire.rough(rule.updated_at),
    }
