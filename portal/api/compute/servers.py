"""Instances, which clients call servers: from the wish for one to its end."""

import base64
import binascii
from datetime import UTC, datetime

from flask import Response, jsonify, request

from portal.api import bodies, faults, lists, microversions, schemas, wire
from portal.api.compute import fields, whereabouts
from portal.api.compute.places import current_project, project_of
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import flavors, instances
from portal.services.details import Details
from portal.services.instances import NewInstance, named
from portal.services.instances.nics import Nic

NAME = schemas.text(1)
COUNT = {"type": ["integer", "string"], "pattern": "^[1-9][0-9]{0,3}$", "minimum": 1}
METADATA = {
    "type": "object",
    "propertyNames": schemas.text(1),
    "additionalProperties": schemas.text(),
}
NETWORKS = {
    "type": "array",
    "items": schemas.fields(
        uuid=schemas.ID, port=schemas.maybe(schemas.ID), fixed_ip=schemas.text(1, 45)
    ),
}
GROUPS = {"type": "array", "items": schemas.fields({"name": schemas.text(1)})}
WISH = schemas.fields(
    {"name": NAME, "flavorRef": {"type": ["string", "integer"]}},
    imageRef=schemas.text(),
    networks=NETWORKS,
    security_groups=GROUPS,
    key_name=schemas.text(),
    user_data=schemas.maybe(schemas.text(0, 65_535)),
    metadata=METADATA,
    availability_zone=whereabouts.ZONE,
    config_drive={"type": ["boolean", "string", "null"]},
    min_count=COUNT,
    max_count=COUNT,
    adminPass=schemas.text(),
    **{"OS-DCF:diskConfig": {"type": "string", "enum": ["AUTO", "MANUAL"]}},
)
LATER = {  # what a wish may hold from which version
    "description": ((2, 19), schemas.maybe(schemas.text())),
    "networks": (
        (2, 37),
        {"oneOf": [NETWORKS, {"type": "string", "enum": ["auto", "none"]}]},
    ),
    "tags": ((2, 52), {"type": "array", "items": schemas.text(1, 60), "maxItems": 50}),
}

LISTED = lists.Listed(
    "servers",
    sorts={
        "created_at": "created_at",
        "updated_at": "updated_at",
        "display_name": "name",
        "uuid": "id",
    },
    filters={
        "name": ("name", lists.text),
        "status": ("status", lists.text),
        "image": ("image_id", lists.an_id),
        "flavor": ("flavor_id", lists.an_id),
        "ip": ("address", lists.text),
        "user_id": ("user_id", lists.an_id),
        "project_id": ("project_id", lists.an_id),
        "tenant_id": ("project_id", lists.an_id),
        "locked": ("locked", lists.flag),
        "uuid": ("id", lists.an_id),
        "changes-since": ("changed_since", lambda text: _moment(text)),
    },
)

routes = Routes(__name__, "/v2.1/servers")


@routes.get("")
def index():
    found, more = _found()
    return jsonify(lists.answer(LISTED, [fields.brief(each) for each in found], more))


@routes.get("/detail")
def detail():
    found, more = _found()
    flavor_ids, actor = flavors.ids([each.flavor_name for each in found]), tokens.actor()
    shown = [fields.shown(actor, each, flavor_ids) for each in found]
    return jsonify(lists.answer(LISTED, shown, more))


@routes.post("")
def create():
    body = bodies.read(_schema())
    wish = body["server"]
    actor, project_id = tokens.actor(), current_project()
    made = instances.create(
        actor,
        NewInstance(
            project_id=project_id,
            name=wish["name"],
            flavor_id=wire.as_id(wish["flavorRef"]),
            image_id=wire.as_id(wish.get("imageRef", "")),
            nics=_network(wish.get("networks", "auto")),
            key_pair_id=named.key_pair(actor, name) if (name := wish.get("key_name")) else None,
            group_ids=named.groups(
                actor, project_id, [each["name"] for each in wish.get("security_groups", ())]
            ),
            user_data=_text(wish.get("user_data") or ""),
            user_data_as_it_is=True,
            count=_count(wish),
            **whereabouts.wished(body),
            details=Details(
                description=wish.get("description"),
                properties=wish.get("metadata"),
                tags=wish.get("tags"),
            ),
        ),
        key=bodies.idempotency_key(),
    )
    server = fields.brief(made[0])
    del server["name"]
    names = [each["name"] for each in wish.get("security_groups", ())] or ["default"]
    answer = jsonify(
        server=server
        | {"OS-DCF:diskConfig": "MANUAL", "security_groups": [{"name": each} for each in names]}
    )
    answer.status_code, answer.headers["Location"] = 202, server["links"][0]["href"]
    return answer


@routes.get("/<id:server_id>")
def show(server_id):
    return jsonify(server=_told(server_id))


@routes.put("/<id:server_id>")
def update(server_id):
    described = {"description": schemas.maybe(schemas.text())}
    known = {"name": NAME} | (described if microversions.agreed() >= (2, 19) else {})
    wish = bodies.read(schemas.fields({"server": schemas.fields(**known)}))["server"]
    actor, project_id = tokens.actor(), project_of(server_id)
    if "name" in wish:
        instances.rename(actor, project_id, server_id, wish["name"])
    if "description" in wish:
        details = Details(description=wish["description"] or "")
        instances.describe(actor, project_id, server_id, details)
    return jsonify(server=_told(server_id))


@routes.delete("/<id:server_id>")
def delete(server_id):
    instances.delete(tokens.actor(), project_of(server_id), server_id)
    return Response(status=204)


def _found():
    actor = tokens.actor()
    whole_cloud = lists.flag(request.args.get("all_tenants") or "0")
    project_id = None if whole_cloud else actor.project_id
    return instances.stretched(actor, project_id, lists.wanted(LISTED))


def _told(server_id) -> dict:
    actor = tokens.actor()
    instance = instances.told(actor, actor.project_id, server_id)
    return fields.shown(actor, instance, flavors.ids([instance.flavor_name]))


def _schema() -> dict:
    version = microversions.agreed()
    later = {name: schema for name, (first, schema) in LATER.items() if version >= first}
    wish = WISH | {"properties": WISH["properties"] | later}
    return schemas.fields({"server": wish}, **whereabouts.HINTS)


def _network(networks) -> tuple[Nic, ...]:
    """The places on networks that are meant. Raises Fault for one that is on none."""
    if networks == "none":
        return ()
    if networks in ("auto", []):
        return (Nic(network_id=named.only_network(tokens.actor(), current_project())),)
    for each in networks:
        if not each.get("port") and "uuid" not in each:
            raise faults.bad("network is missing 'uuid': name a network, or a port.")
    return tuple(
        Nic(
            network_id=wire.as_id(each.get("uuid")),
            address=each.get("fixed_ip", ""),
            port_id=wire.as_id(each.get("port")),
        )
        for each in networks
    )


def _count(wish: dict) -> int:
    least = int(wish.get("min_count", 1))
    most = int(wish.get("max_count", least))
    if least > most:
        raise faults.bad("min_count must be <= max_count")
    return most


def _text(encoded: str) -> str:
    try:
        return base64.b64decode("".join(encoded.split()), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise faults.bad(
            "Invalid input for field/attribute user_data. It is a text in UTF-8, in base64."
        ) from None


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise faults.bad(f"{text[:80]!r} is no moment: 2026-01-01T00:00:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
