"""Rules of security groups in Nova's older words, which Neutron's have replaced from 2.36 on.

https://docs.openstack.org/api-ref/compute/#rules-for-security-group-os-security-group-rules-deprecated
"""

import ipaddress

from flask import Response, jsonify

from portal.api import bodies, faults, lists, microversions, schemas, wire
from portal.api.compute import os_security_groups
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import security_groups
from portal.services.security_groups import NewRule

END = os_security_groups.END
TEXT = schemas.maybe(schemas.text())
PORT = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]{1,9}$"}
WISH = schemas.fields(
    {
        "security_group_rule": schemas.fields(
            {"parent_group_id": {"type": ["string", "integer", "null"]}},
            ip_protocol=TEXT,
            from_port=PORT,
            to_port=PORT,
            cidr=TEXT,
            group_id=TEXT,
        )
    }
)
UNSAID = -1  # in place of a port, or of a type or code of ICMP

routes = Routes(__name__, "/v2.1/os-security-group-rules")


@routes.post("")
@microversions.only(end=END)
def create():
    wish = bodies.read(WISH)["security_group_rule"]
    group_id, remote_id = wire.as_id(wish["parent_group_id"]), wish.get("group_id")
    if group_id is None:
        raise faults.bad("Security group id should be uuid")
    cidr = "" if remote_id else wish.get("cidr") or ""
    new = NewRule(
        group_id=group_id,
        direction="ingress",
        version=_version(cidr),
        protocol=(wish.get("ip_protocol") or "").lower(),
        port_min=_port(wish.get("from_port")),
        port_max=_port(wish.get("to_port")),
        remote_cidr=cidr,
        remote_group_id=(wire.as_id(remote_id) or lists.NEVER) if remote_id else None,
    )
    [rule] = security_groups.add_rules(tokens.actor(), [new], key=bodies.idempotency_key())
    remote = security_groups.of_ids([rule.remote_group_id]) if rule.remote_group_id else [None]
    return jsonify(security_group_rule=os_security_groups.rule_shown(rule, remote[0]))


@routes.delete("/<id:rule_id>")
@microversions.only(end=END)
def delete(rule_id):
    security_groups.remove_rule(tokens.actor(), rule_id)
    return Response(status=202)


def _version(cidr: str) -> int:
    """What is no network at all is for the service to refuse."""
    try:
        return ipaddress.ip_network(cidr, strict=False).version if cidr else 4
    except ValueError:
        return 4


def _port(number: int | str | None) -> int | None:
    return None if number is None or int(number) == UNSAID else int(number)
