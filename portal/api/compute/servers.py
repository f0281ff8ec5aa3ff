"""Instances, which clients call servers: from the wish for one to its end."""

import base64
import binascii
import ipaddress
import secrets

from flask import Response, jsonify

from portal.api import bodies, faults, links, lists, microversions, schemas, wire
from portal.api.compute import fields, searches, whereabouts
from portal.api.compute.places import current_project, project_of
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import instances
from portal.services.details import Details
from portal.services.instances import NewInstance, named, reports
from portal.services.instances.nics import Nic

NAME = schemas.text(1)
COUNT = {"type": ["integer", "string"], "pattern": "^[1-9][0-9]{0,3}$", "minimum": 1}
METADATA = {
    "type": "object",
    "propertyNames": schemas.text(1),
    "additionalProperties": schemas.text(),
}
PLACE = {
    "uuid": schemas.ID,
    "port": schemas.maybe(schemas.ID),
    "fixed_ip": schemas.text(1, 45),
}
NETWORKS = {"type": "array", "items": schemas.fields(**PLACE)}
TAGGED = {"type": "array", "items": schemas.fields(**PLACE, tag=schemas.text(1, 60))}
NETWORKS_OR_WORD = {"oneOf": [NETWORKS, {"type": "string", "enum": ["auto", "none"]}]}
TAGGED_OR_WORD = {"oneOf": [TAGGED, {"type": "string", "enum": ["auto", "none"]}]}
GROUPS = {"type": "array", "items": schemas.fields({"name": schemas.text(1)})}
DISK_CONFIG = {"OS-DCF:diskConfig": {"type": "string", "enum": ["AUTO", "MANUAL"]}}
ACCESS = {"accessIPv4": {"type": "string", "format": "ipv4"}} | {
    "accessIPv6": {"type": "string", "format": "ipv6"}
}
HOSTNAME = schemas.text(1, 63, pattern="^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")
DESCRIPTION = schemas.maybe(schemas.text())
ABSENT = {  # what servers do not have here, and what is said to who wants it
    "personality": "Files are not put into guests here: put them into user_data.",
    "block_device_mapping": "Servers start from images here, on a disk of their own.",
    "trusted_image_certificates": "Certificates of images are not judged here.",
}
WISH = schemas.fields(
    {"name": NAME, "flavorRef": {"type": ["string", "integer"], "minLength": 1}},
    imageRef=schemas.text(),
    networks=NETWORKS,
    security_groups=GROUPS,
    key_name=schemas.maybe(schemas.text()),
    user_data=schemas.maybe(schemas.text(0, 65_535)),
    metadata=METADATA,
    availability_zone=whereabouts.ZONE,
    config_drive=schemas.maybe(lists.BOOLEAN),
    min_count=COUNT,
    max_count=COUNT,
    return_reservation_id=lists.BOOLEAN,
    adminPass=schemas.text(),
    block_device_mapping={"type": "array"},
    block_device_mapping_v2={"type": "array"},
    personality={"type": "array"},
    **DISK_CONFIG,
    **ACCESS,
)
LATER = {  # what a wish holds besides, or otherwise, from which version to which
    "description": ((2, 19), None, DESCRIPTION),
    "networks": (
        ((2, 32), (2, 37), TAGGED),
        ((2, 37), (2, 42), NETWORKS_OR_WORD),
        ((2, 42), None, TAGGED_OR_WORD),
    ),
    "tags": ((2, 52), None, {"type": "array", "items": schemas.text(1, 60), "maxItems": 50}),
    "personality": ((2, 57), None, None),
    "trusted_image_certificates": ((2, 63), None, {"type": ["array", "null"]}),
    "host": ((2, 74), None, schemas.text(1)),
    "hypervisor_hostname": ((2, 74), None, schemas.text(1)),
    "hostname": ((2, 90), None, HOSTNAME),
}

routes = Routes(__name__, "/v2.1/servers")


@routes.get("")
def index():
    found, more = searches.found(bare=True)
    root = links.to("/compute")
    shown = [fields.brief(each, root) for each in found]
    return jsonify(lists.answer(searches.LISTED, shown, more))


@routes.get("/detail")
def detail():
    found, more = searches.found()
    look = fields.look(tokens.actor(), listed=True)
    return jsonify(lists.answer(searches.LISTED, [look.tell(each) for each in found], more))


@routes.post("")
def create():
    body = bodies.read(_schema())
    wish = body["server"]
    for name, sentence in ABSENT.items():
        if wish.get(name):
            raise faults.bad(sentence)
    made = instances.create(tokens.actor(), _new(body), key=bodies.idempotency_key())
    if lists.truth(wish.get("return_reservation_id", False)):
        answer = jsonify(reservation_id=made[0].reservation_id)
        answer.status_code = 202
        return answer
    server = fields.brief(made[0], links.to("/compute"))
    del server["name"]
    names = [each["name"] for each in wish.get("security_groups", ())] or ["default"]
    server |= {
        "OS-DCF:diskConfig": wish.get("OS-DCF:diskConfig", "MANUAL"),
        "security_groups": [{"name": each} for each in names],
        "adminPass": wish.get("adminPass") or secrets.token_urlsafe(12),  # nobody keeps it
    }
    answer = jsonify(server=server)
    answer.status_code, answer.headers["Location"] = 202, server["links"][0]["href"]
    return answer


def _new(body: dict) -> NewInstance:
    wish = body["server"]
    actor, project_id = tokens.actor(), current_project()
    return NewInstance(
        project_id=project_id,
        name=wish["name"],
        hostname=wish.get("hostname", ""),
        flavor_id=named.flavor(str(wish["flavorRef"])),
        image_id=_image(wish),
        nics=_network(wish.get("networks")),
        key_pair_id=named.key_pair(actor, name) if (name := wish.get("key_name")) else None,
        group_ids=named.groups(
            actor, project_id, [each["name"] for each in wish.get("security_groups", ())]
        ),
        user_data=_text(wish.get("user_data") or ""),
        user_data_as_it_is=True,
        count=_count(wish),
        access_ipv4=wish.get("accessIPv4", ""),
        **whereabouts.wished(body),
        access_ipv6=_shortest(wish.get("accessIPv6")) or "",
        details=Details(
            description=wish.get("description"),
            properties=wish.get("metadata"),
            tags=wish.get("tags"),
        ),
    )


@routes.get("/<id:server_id>")
def show(server_id):
    return jsonify(server=_told(server_id))


@routes.put("/<id:server_id>")
def update(server_id):
    version = microversions.agreed()
    described = {"description": DESCRIPTION} if version >= (2, 19) else {}
    called = {"hostname": HOSTNAME} if version >= (2, 90) else {}
    known = schemas.fields(name=NAME, **ACCESS, **DISK_CONFIG, **described, **called)
    wish = bodies.read(schemas.fields({"server": known}))["server"]
    instance = (tokens.actor(), project_of(server_id), server_id)
    if wish.get("hostname", (held := instances.find(*instance)).hostname) != held.hostname:
        raise faults.bad("A server keeps the hostname that it was made with.")
    description = (wish["description"] or "") if "description" in wish else None
    instances.revise(
        *instance,
        name=wish.get("name"),
        details=Details(description=description),
        ipv4=wish.get("accessIPv4"),
        ipv6=_shortest(wish.get("accessIPv6")),
    )
    return jsonify(server=_told(server_id, changed=True))


@routes.delete("/<id:server_id>")
def delete(server_id):
    instances.delete(tokens.actor(), project_of(server_id), server_id)
    return Response(status=204)


def _told(server_id, *, changed: bool = False) -> dict:
    actor = tokens.actor()
    look = fields.look(actor, changed=changed)
    scripts = "OS-EXT-SRV-ATTR:user_data" in look.fields
    return look.tell(reports.one(actor, actor.project_id, server_id, scripts=scripts))


def _schema() -> dict:
    """Of a wish, in the version of this request."""
    version, known = microversions.agreed(), dict(WISH["properties"])
    for name, stretches in LATER.items():
        for first, end, schema in stretches if isinstance(stretches[0][0], tuple) else [stretches]:
            if version >= first and (end is None or version < end):
                known[name] = schema
    known = {name: schema for name, schema in known.items() if schema is not None}
    needed = ["networks"] if version >= (2, 37) else []
    wish = WISH | {"properties": known, "required": [*WISH["required"], *needed]}
    return schemas.fields({"server": wish}, **whereabouts.HINTS)


def _image(wish: dict):
    """Which image is meant. One that is said to lie on the server's own disk may be named as
    clients do that mean to start from a volume; nothing else may lie there."""
    image_id = wire.as_id(wish.get("imageRef", ""))
    devices = wish.get("block_device_mapping_v2", [])
    for each in devices:
        own = isinstance(each, dict) and (each.get("source_type"), each.get("destination_type"))
        if own != ("image", "local") or len(devices) > 1 or str(each.get("boot_index")) != "0":
            raise faults.bad(ABSENT["block_device_mapping"])
        image_id = image_id or wire.as_id(each.get("uuid"))
    return image_id


def _network(networks) -> tuple[Nic, ...]:
    """The places on networks that are meant. Raises Fault for what no instance can have here."""
    if networks == "none":
        return ()
    if networks in (None, "auto", []):
        needed = networks == "auto"
        found = named.only_network(tokens.actor(), current_project(), needed=needed)
        return (Nic(network_id=found),) if found else ()
    if any("tag" in each for each in networks):
        raise faults.bad("Devices have no tags here: leave tag out.")
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
    if most > 1 and "hostname" in wish:
        raise faults.bad("Several servers at once cannot bear one hostname.")
    return most


def _shortest(address: str | None) -> str | None:
    """An IPv6 address as RFC 5952 has it written."""
    return str(ipaddress.IPv6Address(address)) if address is not None else None


def _text(encoded: str) -> str:
    try:
        return base64.b64decode("".join(encoded.split()), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise faults.bad(
            "Invalid input for field/attribute user_data. It is a text in UTF-8, in base64."
        ) from None
