"""Placement groups, which clients call server groups.

Up to version 2.63 a group has `policies`, a list of one; from 2.64 on `policy` and `rules`.
https://docs.openstack.org/api-ref/compute/#server-groups-os-server-groups
"""

from flask import Response, jsonify, request

from portal.api import bodies, faults, lists, microversions, schemas, wire
from portal.api.compute import numbered
from portal.api.compute.places import current_project
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import PlacementGroup, Policy
from portal.services import placement_groups
from portal.services.listing import Stretch
from portal.services.placement_groups import NewPlacementGroup

MOST = lists.MOST
SOFT, OWNED, RULES = (2, 15), (2, 13), (2, 64)
NAME = schemas.text(1)
PER_HOST = {"type": ["integer", "string"], "pattern": "^[1-9][0-9]{0,3}$", "minimum": 1}
CHANGES = {
    "policies": (None, RULES),
    "metadata": (None, RULES),
    "project_id": (OWNED, None),
    "user_id": (OWNED, None),
    "policy": (RULES, None),
    "rules": (RULES, None),
}

routes = Routes(__name__, "/v2.1/os-server-groups")


@routes.get("")
def index():
    numbered.refuse_others("all_projects", "limit", "offset")
    actor, offset = tokens.actor(), _amount("offset", 0)
    every = "all_projects" in request.args and actor.may("cloud:read")
    wanted = Stretch(
        order=(("created_at", False),), limit=offset + min(_amount("limit", MOST), MOST)
    )
    groups, _ = placement_groups.stretched(actor, None if every else actor.project_id, wanted)
    return jsonify(server_groups=_all(groups[offset:]))


@routes.post("")
def create():
    wish = bodies.read(_schema(microversions.agreed()))["server_group"]
    most = wish.get("rules", {}).get("max_server_per_host", 1)
    policy = wish["policy"] if "policy" in wish else wish["policies"][0]
    if "rules" in wish and policy != Policy.APART:
        raise faults.bad("Only anti-affinity policy supports rules.")
    new = NewPlacementGroup(name=wish["name"], policy=policy, most_per_host=int(most))
    key = bodies.idempotency_key()
    group = placement_groups.create(tokens.actor(), current_project(), new, key=key)
    [shown] = _all([group])
    return jsonify(server_group=shown)


@routes.get("/<id:server_group_id>")
def show(server_group_id):
    actor = tokens.actor()
    [shown] = _all([placement_groups.find(actor, actor.project_id, server_group_id)])
    return jsonify(server_group=shown)


@routes.delete("/<id:server_group_id>")
def delete(server_group_id):
    actor = tokens.actor()
    placement_groups.delete(actor, actor.project_id, server_group_id)
    return Response(status=204)


def _schema(version: tuple[int, int]) -> dict:
    known = [each.value for each in Policy if version >= SOFT or each.strict]
    policy = {"type": "string", "enum": known}
    if version >= RULES:
        rules = schemas.fields(max_server_per_host=PER_HOST)
        group = schemas.fields({"name": NAME, "policy": policy}, rules=rules)
    else:
        policies = {"type": "array", "items": policy, "minItems": 1, "maxItems": 1}
        group = schemas.fields({"name": NAME, "policies": policies})
    return schemas.fields({"server_group": group})


def _all(groups: list[PlacementGroup]) -> list[dict]:
    members = placement_groups.members_of([each.id for each in groups])
    return [_shown(each, [str(row.id) for row in members[each.id]]) for each in groups]


def _shown(group: PlacementGroup, members: list[str]) -> dict:
    apart = group.policy is Policy.APART
    whole = {
        "id": str(group.id),
        "name": group.name,
        "policies": [group.policy.value],
        "policy": group.policy.value,
        "rules": {"max_server_per_host": group.most_per_host} if apart else {},
        "members": members,
        "metadata": {},
        "project_id": wire.short(group.project_id),
        "user_id": wire.short(group.user_id),
    }
    return microversions.fitting(whole, CHANGES)


def _amount(name: str, otherwise: int) -> int:
    amount = lists.whole(request.args.get(name, str(otherwise)))
    if amount < 0:
        raise faults.bad(f"{name} is 0 or more, and not {amount}.")
    return amount
