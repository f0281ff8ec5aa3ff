"""What an image looks like to clients, and a list of them.

https://docs.openstack.org/api-ref/image/v2/#image-schemas
"""

from flask import jsonify

from portal.api.image.fields import STATES
from portal.api.routes import Routes
from portal.models import Acceptance

TEXT, WHOLE, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
NOT_YET = {"type": ["null", "string"]}
NO_SIZE_YET = {"type": ["null", "integer"]}
IMAGE = {
    "name": "image",
    "properties": {
        **dict.fromkeys(("id", "created_at", "updated_at"), TEXT),
        "name": NOT_YET,
        **dict.fromkeys(("self", "file", "schema", "container_format"), TEXT),
        **dict.fromkeys(("owner", "disk_format", "checksum", "os_hash_algo"), NOT_YET),
        "os_hash_value": NOT_YET,
        "status": {"type": "string", "enum": [*STATES.values()]},
        "visibility": {"type": "string", "enum": ["private", "shared", "public"]},
        **dict.fromkeys(("size", "virtual_size"), NO_SIZE_YET),
        **dict.fromkeys(("min_disk", "min_ram"), WHOLE),
        **dict.fromkeys(("protected", "os_hidden"), FLAG),
        "tags": {"type": "array", "items": TEXT},
    },
    "additionalProperties": TEXT,
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}
IMAGES = {
    "name": "images",
    "properties": {
        "images": {"type": "array", "items": IMAGE},
        **dict.fromkeys(("first", "next", "schema"), TEXT),
    },
    "links": [
        {"rel": "first", "href": "{first}"},
        {"rel": "next", "href": "{next}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}
MEMBER = {
    "name": "member",
    "properties": {
        **dict.fromkeys(("image_id", "member_id", "created_at", "updated_at", "schema"), TEXT),
        "status": {"type": "string", "enum": [*map(str, Acceptance)]},
    },
}
MEMBERS = {
    "name": "members",
    "properties": {"members": {"type": "array", "items": MEMBER}, "schema": TEXT},
    "links": [{"rel": "describedby", "href": "{schema}"}],
}

routes = Routes(__name__, "/v2/schemas")


@routes.get("/image")
def show_image():
    """Shows what an image looks like, as a JSON Schema."""
    return jsonify(IMAGE)


@routes.get("/images")
def show_images():
    """Shows what a list of images looks like, as a JSON Schema."""
    return jsonify(IMAGES)


@routes.get("/member")
def show_member():
    return jsonify(MEMBER)


@routes.get("/members")
def show_members():
    return jsonify(MEMBERS)
