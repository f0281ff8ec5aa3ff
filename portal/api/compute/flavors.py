"""Sizes of servers: what there is to choose from, and how administrators of the cloud keep it."""

import dataclasses

from flask import Response, jsonify

from portal.api import bodies, links, lists, microversions, schemas
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Flavor
from portal.services import flavors
from portal.services.flavors import DESCRIPTION_LONGEST, NewFlavor

AMOUNT = {"type": ["integer", "string"], "pattern": "^[0-9]{1,9}$", "minimum": 0, "maximum": 2**31}
NOTHING = AMOUNT | {"enum": [0, "0"]}  # what flavors do not have here
DESCRIPTION = schemas.maybe(schemas.text(0, DESCRIPTION_LONGEST))
WISH = {
    "OS-FLV-EXT-DATA:ephemeral": NOTHING,
    "swap": NOTHING,
    "rxtx_factor": {"type": ["number", "string"], "enum": [1, 1.0, "1", "1.0"]},
    "os-flavor-access:is_public": lists.BOOLEAN,
    "id": {"type": ["string", "integer", "null"], "minLength": 1, "maxLength": 255, "minimum": 0},
}
NEW = {"name": schemas.text(1), "ram": AMOUNT, "vcpus": AMOUNT, "disk": AMOUNT}
CHANGES = {"description": ((2, 55), None), "extra_specs": ((2, 61), None)}

LISTED = lists.Listed(
    "flavors",
    sorts={
        "id": "id",
        "flavorid": "id",
        "name": "name",
        "memory_mb": "memory_mib",
        "vcpus": "vcpus",
        "root_gb": "disk_gib",
        "created_at": "created_at",
        "updated_at": "updated_at",
        "disabled": "enabled",
        "is_public": "public",
        **dict.fromkeys(  # alike of all
            ("ephemeral_gb", "swap", "rxtx_factor", "vcpu_weight", "deleted", "deleted_at"), "id"
        ),
    },
    filters={
        "minDisk": ("least_disk_gib", lists.whole),
        "minRam": ("least_memory_mib", lists.whole),
        "is_public": ("public", lambda text: None if text.lower() == "none" else lists.flag(text)),
    },
    order=(("memory_mib", False), ("vcpus", False)),
    alone_from=(2, 75),
)

routes = Routes(__name__, "/v2.1/flavors")


@routes.get("")
def index():
    return jsonify(_listed(brief))


@routes.get("/detail")
def detail():
    return jsonify(_listed(shown))


@routes.post("")
def create():
    described = {"description": DESCRIPTION} if microversions.agreed() >= (2, 55) else {}
    schema = schemas.fields({"flavor": schemas.fields(NEW, **WISH, **described)})
    wish = bodies.read(schema)["flavor"]
    chosen = wish.get("id")
    flavor = flavors.create(
        tokens.actor(),
        NewFlavor(
            name=wish["name"],
            vcpus=int(wish["vcpus"]),
            memory_mib=int(wish["ram"]),
            disk_gib=int(wish["disk"]),
            chosen_id="" if chosen in (None, "auto") else str(chosen),
            description=wish.get("description") or "",
            public=lists.truth(wish.get("os-flavor-access:is_public", True)),
        ),
    )
    return jsonify(flavor=shown(flavor))


@routes.get("/<flavor_id>")
def show(flavor_id):
    actor = tokens.actor()
    return jsonify(flavor=shown(flavors.show(actor, actor.project_id, flavor_id)))


@routes.put("/<flavor_id>")
@microversions.only((2, 55))
def update(flavor_id):
    schema = schemas.fields({"flavor": schemas.fields({"description": DESCRIPTION})})
    description = bodies.read(schema)["flavor"]["description"] or ""
    return jsonify(flavor=shown(flavors.describe(tokens.actor(), flavor_id, description)))


@routes.delete("/<flavor_id>")
def delete(flavor_id):
    flavors.delete(tokens.actor(), flavor_id)
    return Response(status=202)


def brief(flavor: Flavor) -> dict:
    """A flavor where many are named."""
    shown = {
        "id": flavor.key,
        "name": flavor.name,
        "description": flavor.description or None,
        "links": links_to(flavor.key),
    }
    return microversions.fitting(shown, CHANGES)


def shown(flavor: Flavor) -> dict:
    """A flavor as clients see it."""
    whole = {
        "ram": flavor.memory_mib,
        "vcpus": flavor.vcpus,
        "disk": flavor.disk_gib,
        "swap": 0 if microversions.agreed() >= (2, 75) else "",
        "rxtx_factor": 1.0,
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": not flavor.enabled,
        "os-flavor-access:is_public": flavor.public,
        "extra_specs": flavor.extra_specs,
    }
    return brief(flavor) | microversions.fitting(whole, CHANGES)


def links_to(key: str) -> list[dict]:
    """Where a flavor is."""
    return [
        {"rel": "self", "href": links.to(f"/compute/v2.1/flavors/{key}")},
        {"rel": "bookmark", "href": links.to(f"/compute/flavors/{key}")},
    ]


def _listed(show) -> dict:
    actor, wanted = tokens.actor(), lists.wanted(LISTED)
    public = {"public": [True]}  # as upstream has it, unless an administrator asks for others
    asked = wanted.filters if actor.may("cloud:read") else wanted.filters | public
    wanted = dataclasses.replace(wanted, filters=public | asked)
    found, more = flavors.offered(actor, actor.project_id, wanted)
    return lists.answer(LISTED, [show(each) for each in found], more)
