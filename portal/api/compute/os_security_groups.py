"""Security groups in Nova's older words, which Neutron's have replaced from 2.36 on.

https://docs.openstack.org/api-ref/compute/#security-groups-os-security-groups-deprecated
"""

from collections.abc import Sequence

from flask import Response, jsonify

from portal.api import bodies, lists, microversions, schemas, wire
from portal.api.compute.places import current_project
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import SecurityGroup, SecurityGroupRule
from portal.services import security_groups
from portal.services.security_groups import plain_protocol

END = (2, 36)
NAMED = {"name": schemas.text(), "description": schemas.maybe(schemas.text())}
WISH = schemas.fields({"security_group": schemas.fields(NAMED)})
LISTED = lists.Listed("security_groups", order=(("created_at", False),))
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
ALL_PORTS = {"tcp": (1, 65_535), "udp": (1, 65_535)}

routes = Routes(__name__, "/v2.1/os-security-groups")


@routes.get("")
@microversions.only(end=END)
def index():
    found, _ = security_groups.listed(tokens.actor(), lists.wanted(LISTED))
    return jsonify(security_groups=shown(found))


@routes.post("")
@microversions.only(end=END)
def create():
    wish = bodies.read(WISH)["security_group"]
    made = security_groups.create(
        tokens.actor(),
        current_project(),
        wish["name"],
        wish["description"] or "",
        key=bodies.idempotency_key(),
    )
    return jsonify(security_group=shown([made])[0])


@routes.get("/<id:security_group_id>")
@microversions.only(end=END)
def show(security_group_id):
    found = security_groups.find(tokens.actor(), security_group_id)
    return jsonify(security_group=shown([found])[0])


@routes.put("/<id:security_group_id>")
@microversions.only(end=END)
def change(security_group_id):
    wish = bodies.read(WISH)["security_group"]
    changed = security_groups.describe(
        tokens.actor(),
        security_group_id,
        name=wish["name"],
        description=wish["description"] or "",
    )
    return jsonify(security_group=shown([changed])[0])


@routes.delete("/<id:security_group_id>")
@microversions.only(end=END)
def delete(security_group_id):
    security_groups.delete(tokens.actor(), security_group_id)
    return Response(status=202)


def shown(groups: Sequence[SecurityGroup]) -> list[dict]:
    """Groups as Nova's clients see them: of their rules those about what comes in."""
    rules = [rule for group in groups for rule in group.rules if rule.direction == "ingress"]
    named = {rule.remote_group_id for rule in rules} - {None}
    remote = {each.id: each for each in security_groups.of_ids(named)} if named else {}
    return [
        {
            "id": str(group.id),
            "name": group.name,
            "description": group.description or "",
            "tenant_id": wire.short(group.project_id),
            "rules": [
                rule_shown(each, remote.get(each.remote_group_id))
                for each in sorted(rules, key=lambda rule: (rule.created_at, rule.id))
                if each.group_id == group.id
            ],
        }
        for group in groups
    ]


def rule_shown(rule: SecurityGroupRule, remote: SecurityGroup | None) -> dict:
    """A rule as Nova's clients see it. `remote` is the group that it names."""
    low, high = rule.port_min, rule.port_max
    if rule.protocol and low is high is None:
        low, high = ALL_PORTS.get(plain_protocol(rule.protocol), (-1, -1))
    anywhere = {"cidr": rule.remote_cidr or EVERYWHERE[rule.version]}
    theirs = {"name": remote.name, "tenant_id": wire.short(remote.project_id)} if remote else {}
    return {
        "id": str(rule.id),
        "parent_group_id": str(rule.group_id),
        "ip_protocol": rule.protocol or None,
        "from_port": low,
        "to_port": high,
        "group": theirs,
        "ip_range": {} if rule.remote_group_id else anywhere,
    }
