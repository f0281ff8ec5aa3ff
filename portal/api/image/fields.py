"""What clients say of images, and how they see them.

https://docs.openstack.org/api-ref/image/v2/#images
"""

from portal.api import faults, schemas, wire
from portal.models import Image, ImageStatus, Visibility
from portal.services.images import FORMATS, Edit

STATES = {
    ImageStatus.WAITING: "queued",
    ImageStatus.FETCHING: "importing",
    ImageStatus.READY: "active",
    ImageStatus.DEACTIVATED: "deactivated",
    ImageStatus.ERROR: "killed",
    ImageStatus.DELETED: "deleted",
}
CONTAINER = "bare"  # the only one there is
AMOUNT = schemas.WHOLE | {"minimum": 0}
SAID = {  # what may be said of an image: its schema, and what that is to the service
    "name": (schemas.maybe(schemas.text()), "name"),
    "visibility": ({"type": "string", "enum": [*map(str, Visibility), "community"]}, "visibility"),
    "disk_format": ({"type": ["string", "null"], "enum": [*FORMATS, None]}, "format"),
    "container_format": ({"type": ["string", "null"], "enum": [CONTAINER, None]}, ""),
    "min_disk": (AMOUNT, "min_disk_gib"),
    "min_ram": (AMOUNT, "min_memory_mib"),
    "protected": (schemas.FLAG, "protected"),
    "os_hidden": (schemas.FLAG, "hidden"),
    "tags": ({"type": "array", "items": schemas.text()}, "tags"),
}
READ_ONLY = {
    *("id", "owner", "status", "created_at", "updated_at", "self", "file", "schema"),
    *("checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size", "direct_url"),
}
RESERVED = {"location", "locations", "deleted", "deleted_at", "stores"}
PROPERTY = schemas.text(most=65_535)


def check_name(name: str) -> None:
    """Return when clients may say this of an image. Raises Fault, 403."""
    if name in READ_ONLY:
        raise faults.Fault(403, f"Attribute '{name}' is read-only.")
    if name in RESERVED or name.startswith("os_glance_"):
        raise faults.Fault(403, f"Attribute '{name[:80]}' is reserved.")


def edit(said: dict) -> Edit:
    """What clients have said, as the service takes it. Raises Fault, 400, for what no image can
    be."""
    wish = {}
    for name, value in said.items():
        if name not in SAID:
            continue
        schema, ours = SAID[name]
        if wrong := schemas.mistake({name: value}, schemas.fields(**{name: schema})):
            raise faults.bad(wrong)
        if ours:
            wish[ours] = value
    if "name" in wish:
        wish["name"] = wish["name"] or ""
    if "visibility" in wish:
        wish["visibility"] = _visibility(wish["visibility"])
    return Edit(**wish)


def _visibility(value: str) -> Visibility:
    if value == "community":
        raise faults.bad("There are no community images here: private, shared and public ones are.")
    return Visibility(value)


def shown(image: Image) -> dict:
    """An image as clients see it: what people have attached stands beside the rest, which it does
    not hide."""
    ready = image.ready
    return dict(image.properties) | {
        "id": str(image.id),
        "name": image.name or None,
        "status": STATES[image.status],
        "visibility": image.visibility.value,
        "owner": wire.short(image.project_id),
        "protected": image.protected,
        "os_hidden": image.hidden,
        "disk_format": image.format or None,
        "container_format": CONTAINER,
        "size": image.size_bytes if ready else None,
        "virtual_size": image.virtual_size_bytes if ready else None,
        "min_disk": image.min_disk_gib,
        "min_ram": image.min_memory_mib,
        "checksum": image.md5 or None,
        "os_hash_algo": "sha256" if ready else None,
        "os_hash_value": image.sha256 or None,
        "tags": list(image.tags),
        "created_at": wire.rough(image.created_at),
        "updated_at": wire.rough(image.updated_at),
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }
