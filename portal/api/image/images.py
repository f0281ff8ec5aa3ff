"""Disks to start from.

https://docs.openstack.org/api-ref/image/v2/#images
"""

from flask import Response, jsonify

from portal.api import faults, lists, wire
from portal.api.lists import Listed, an_id, flag, text, whole
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Image, ImageStatus, Visibility
from portal.services import images
from portal.services.listing import Stretch

EVERY = "all"
STATES = {
    ImageStatus.READY: "active",
    ImageStatus.FETCHING: "importing",
    ImageStatus.ERROR: "killed",
    ImageStatus.DELETED: "deleted",
}
VISIBILITIES = {*map(str, Visibility), "community", EVERY}


def _visibility(value: str) -> str:
    if value not in VISIBILITIES:
        raise faults.bad(f"{value[:80]!r} is no visibility: {', '.join(sorted(VISIBILITIES))}.")
    return value


LISTED = Listed(
    "images",
    sorts={name: name for name in ("id", "name", "created_at", "updated_at", "min_disk")}
    | {"disk_format": "format", "size": "size_bytes", "min_ram": "min_memory"},
    filters={
        "id": ("id", an_id),
        "name": ("name", text),
        "owner": ("project_id", an_id),
        "visibility": ("visibility", _visibility),
        "status": ("ready", lambda value: value == "active"),
        "disk_format": ("format", text),
        "container_format": ("container", text),
        "protected": ("protected", flag),
        "os_hidden": ("hidden", flag),
        "size_min": ("size_min", whole),
        "size_max": ("size_max", whole),
    },
)

routes = Routes(__name__, "/v2/images")


@routes.get("")
def index():
    found, more = images.offered(tokens.actor(), _wanted())
    return jsonify(lists.answer(LISTED, [shown(each) for each in found], more))


@routes.get("/<id:image_id>")
def show(image_id):
    actor = tokens.actor()
    return jsonify(shown(images.find_whole(actor, actor.project_id, image_id)))


@routes.delete("/<id:image_id>")
def delete(image_id):
    actor = tokens.actor()
    images.delete(actor, actor.project_id, image_id)
    return Response(status=204)


def _wanted() -> Stretch:
    wanted = lists.wanted(LISTED)
    if EVERY in wanted.filters.get("visibility", ()):
        del wanted.filters["visibility"]
    return wanted


def shown(image: Image) -> dict:
    """An image as clients see it: what people have attached stands beside the rest, which it does
    not hide."""
    return dict(image.properties) | {
        "id": str(image.id),
        "name": image.name,
        "status": STATES[image.status],
        "visibility": image.visibility.value,
        "owner": wire.short(image.project_id),
        "protected": image.protected,
        "os_hidden": False,
        "disk_format": image.format or None,
        "container_format": "bare",
        "size": image.size_bytes if image.ready else None,
        "virtual_size": image.virtual_size_bytes if image.ready else None,
        "min_disk": image.min_disk_gib,
        "min_ram": image.min_memory_mib,
        "checksum": None,
        "os_hash_algo": "sha256" if image.ready else None,
        "os_hash_value": image.sha256 or None,
        "tags": list(image.tags),
        "created_at": wire.rough(image.created_at),
        "updated_at": wire.rough(image.updated_at),
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }
