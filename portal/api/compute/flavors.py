"""Sizes of servers: what there is to choose from, and how administrators of the cloud keep it."""

from flask import Response, jsonify

from portal.api import bodies, faults, links, lists, microversions, schemas, wire
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Flavor
from portal.services import flavors
from portal.services.flavors import NewFlavor

AMOUNT = {"type": ["integer", "string"], "pattern": "^[0-9]{1,9}$", "minimum": 0, "maximum": 2**31}
NOTHING = AMOUNT | {"enum": [0, "0"]}  # what flavors do not have here
FIELDS = {
    "OS-FLV-EXT-DATA:ephemeral": NOTHING,
    "swap": NOTHING,
    "rxtx_factor": {"type": ["number", "string"], "enum": [1, 1.0, "1", "1.0"]},
    "os-flavor-access:is_public": schemas.FLAG | {"enum": [True]},
    "id": schemas.maybe(schemas.text(1)),
}
NEW = schemas.fields({"name": schemas.text(1), "ram": AMOUNT, "vcpus": AMOUNT, "disk": AMOUNT})
CREATE = schemas.fields({"flavor": NEW | {"properties": NEW["properties"] | FIELDS}})
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
    },
    filters={
        "minDisk": ("least_disk_gib", lists.whole),
        "minRam": ("least_memory_mib", lists.whole),
        "is_public": ("public", lambda value: value.lower() == "none" or lists.flag(value)),
    },
    order=(("memory_mib", False), ("vcpus", False)),
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
    wish = bodies.read(CREATE)["flavor"]
    flavor = flavors.create(
        tokens.actor(),
        NewFlavor(
            name=wish["name"],
            vcpus=int(wish["vcpus"]),
            memory_mib=int(wish["ram"]),
            disk_gib=int(wish["disk"]),
            id=_chosen(wish.get("id")),
        ),
    )
    return jsonify(flavor=shown(flavor))


@routes.get("/<id:flavor_id>")
def show(flavor_id):
    return jsonify(flavor=shown(_find(flavor_id)))


@routes.delete("/<id:flavor_id>")
def delete(flavor_id):
    flavors.delete(tokens.actor(), flavor_id)
    return Response(status=202)


@routes.get("/<id:flavor_id>/os-extra_specs")
def extra_specs(flavor_id):
    """Lists the extra specs of a flavor."""
    _find(flavor_id)
    return jsonify(extra_specs={})


def brief(flavor: Flavor) -> dict:
    """A flavor where many are named."""
    shown = {
        "id": str(flavor.id),
        "name": flavor.name,
        "description": flavor.description or None,
        "links": links_to(flavor.id),
    }
    return microversions.fitting(shown, CHANGES)


def shown(flavor: Flavor) -> dict:
    """A flavor as clients see it."""
    whole = {
        "ram": flavor.memory_mib,
        "vcpus": flavor.vcpus,
        "disk": flavor.disk_gib,
        "swap": "",
        "rxtx_factor": 1.0,
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": not flavor.enabled,
        "os-flavor-access:is_public": True,
        "extra_specs": {},
    }
    return brief(flavor) | microversions.fitting(whole, CHANGES)


def links_to(flavor_id) -> list[dict]:
    """Where a flavor is."""
    return [
        {"rel": "self", "href": links.to(f"/compute/v2.1/flavors/{flavor_id}")},
        {"rel": "bookmark", "href": links.to(f"/compute/flavors/{flavor_id}")},
    ]


def _find(flavor_id) -> Flavor:
    actor = tokens.actor()
    return flavors.show(actor, actor.project_id, flavor_id)


def _listed(show) -> dict:
    actor = tokens.actor()
    found, more = flavors.offered(actor, actor.project_id, lists.wanted(LISTED))
    return lists.answer(LISTED, [show(each) for each in found], more)


def _chosen(text: str | None):
    """The id that whoever makes a flavor wants for it; None where it may be any."""
    if text in (None, "auto"):
        return None
    chosen = wire.as_id(text)
    if chosen is None:
        raise faults.bad("The id of a flavor is a UUID. Leave it out, and it gets one.")
    return chosen
