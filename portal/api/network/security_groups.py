"""What may pass to and from the ports that bear a group.

https://docs.openstack.org/api-ref/network/v2/#security-groups-security-groups
"""

from flask import Response, jsonify

from portal.api import bodies, lists, schemas, wire
from portal.api.lists import Listed, an_id, flag, text
from portal.api.network import owners, security_group_rules
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import SecurityGroup
from portal.services import security_groups

LISTED = Listed(
    "security_groups",
    sorts={name: name for name in ("id", "name", "created_at", "updated_at", "project_id")}
    | {"tenant_id": "project_id"},
    filters={
        "id": ("id", an_id),
        "name": ("name", text),
        "description": ("description", text),
        "project_id": ("project_id", an_id),
        "tenant_id": ("project_id", an_id),
        "shared": ("shared", flag),
    },
    order=(("created_at", False),),
)

STATEFUL = {"type": "boolean", "enum": [True]}  # the only way in which anything is let pass here
OWNER = schemas.maybe(schemas.text())
CHANGE = schemas.fields(
    {
        "security_group": schemas.fields(
            name=schemas.text(), description=schemas.text(), stateful=STATEFUL
        )
    }
)
CREATE = schemas.fields(
    {
        "security_group": schemas.fields(
            name=schemas.text(),
            description=schemas.text(),
            stateful=STATEFUL,
            project_id=OWNER,
            tenant_id=OWNER,
        )
    }
)

routes = Routes(__name__, "/v2.0/security-groups")


@routes.get("")
def index():
    found, more = security_groups.listed(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [_shown(each) for each in found], more))


@routes.get("/<id:security_group_id>")
def show(security_group_id):
    found = security_groups.find(tokens.actor(), security_group_id)
    return jsonify(security_group=lists.picked(_shown(found)))


@routes.post("")
def create():
    wish = bodies.read(CREATE)["security_group"]
    actor = tokens.actor()
    made = security_groups.create(
        actor,
        owners.named(actor, wish),
        wish.get("name", ""),
        wish.get("description", ""),
        key=bodies.idempotency_key(),
    )
    return jsonify(security_group=_shown(made)), 201


@routes.put("/<id:security_group_id>")
def change(security_group_id):
    wish = bodies.read(CHANGE)["security_group"]
    changed = security_groups.describe(
        tokens.actor(),
        security_group_id,
        name=wish.get("name"),
        description=wish.get("description"),
    )
    return jsonify(security_group=_shown(changed))


@routes.delete("/<id:security_group_id>")
def delete(security_group_id):
    security_groups.delete(tokens.actor(), security_group_id)
    return Response(status=204)


def _shown(group: SecurityGroup) -> dict:
    return {
        "id": str(group.id),
        "name": group.name,
        "description": group.description,
        "project_id": wire.short(group.project_id),
        "tenant_id": wire.short(group.project_id),
        "shared": False,
        "stateful": True,
        "tags": [],
        "security_group_rules": [
            security_group_rules.shown(each, group.project_id)
            for each in sorted(group.rules, key=lambda rule: (rule.created_at, rule.id))
        ],
        "created_at": wire.rough(group.created_at),
        "updated_at": wire.rough(group.updated_at),
    }
