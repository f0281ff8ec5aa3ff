"""Disks to start from: listed, announced, looked at, changed, deleted.

https://docs.openstack.org/api-ref/image/v2/#images
"""

from flask import Response, jsonify, request

from portal.api import bodies, faults, links, lists, schemas, wire
from portal.api.image import fields, images_import, moments, patches
from portal.api.image.fields import shown
from portal.api.lists import Listed, an_id, flag, text, whole
from portal.api.routes import Routes
from portal.auth import tokens
from portal.errors import Conflict, Forbidden
from portal.models import Acceptance, ImageStatus, Visibility
from portal.services import images
from portal.services.images import Edit

EVERY = "all"
STATES = {theirs: ours for ours, theirs in fields.STATES.items()} | {
    "saving": ImageStatus.FETCHING,
    "uploading": ImageStatus.FETCHING,
    "pending_delete": ImageStatus.DELETED,
}
VISIBILITIES = {*map(str, Visibility), "community", EVERY}
ANSWERS = {*map(str, Acceptance), EVERY}


def _one_of(words: set[str], what: str):
    def read(value: str) -> str:
        if value not in words:
            listed = ", ".join(sorted(words))
            raise faults.bad(f"{value[:80]!r} is no {what}: {listed}.")
        return value

    return read


_status = _one_of({*STATES}, "status")

LISTED = Listed(
    "images",
    sorts={name: name for name in ("id", "name", "created_at", "updated_at", "min_disk", "status")}
    | {"disk_format": "format", "size": "size_bytes", "min_ram": "min_memory"}
    | {"container_format": "container", "visibility": "visibility", "protected": "protected"},
    filters={
        "id": ("id", an_id),
        "name": ("name", text),
        "owner": ("project_id", an_id),
        "visibility": ("visibility", _one_of(VISIBILITIES, "visibility")),
        "status": ("status", lambda value: STATES[_status(value)]),
        "disk_format": ("format", text),
        "container_format": ("container", text),
        "protected": ("protected", flag),
        "os_hidden": ("hidden", flag),
        "size": ("size_bytes", whole),
        "size_min": ("size_min", whole),
        "size_max": ("size_max", whole),
        "min_disk": ("min_disk", whole),
        "min_ram": ("min_memory", whole),
        "checksum": ("md5", text),
        "os_hash_value": ("sha256", text),
        "tag": ("tag", text),
        "created_at": ("created_at", moments.comparison),
        "updated_at": ("updated_at", moments.comparison),
    },
)
NO_PROPERTIES = {  # of a query; any other name is that of a property
    *LISTED.filters,
    *("limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "changes-since"),
}
CREATE = {
    "type": "object",
    "properties": {name: schema for name, (schema, _) in fields.SAID.items()}
    | {"id": schemas.ID, "owner": schemas.maybe(schemas.ID)},
    "additionalProperties": schemas.maybe(fields.PROPERTY),
}

routes = Routes(__name__, "/v2/images")


# An image of no id is not found: its path is none of the list's, other than everywhere else.
@routes.get("", strict_slashes=True)
def index():
    wanted = lists.wanted(LISTED)
    if EVERY in wanted.filters.get("visibility", ()):
        del wanted.filters["visibility"]
    others = [pair for pair in request.args.items(multi=True) if pair[0] not in NO_PROPERTIES]
    if others:
        wanted.filters["property"] = tuple((text(name), text(value)) for name, value in others)
    found, more = images.offered(tokens.actor(), wanted, said=_said())
    return jsonify(lists.answer(LISTED, [shown(each) for each in found], more))


@routes.post("", strict_slashes=True)
def create():
    """An image is born without bytes: they are a request of their own."""
    said, actor = bodies.read(), tokens.actor()
    for name in said.keys() - {"id", "owner"}:
        fields.check_name(name)
    if wrong := schemas.mistake(said, CREATE):
        raise faults.bad(wrong)
    image = images.announce(
        actor,
        _owner(said),
        _with_properties(said),
        image_id=wire.as_id(said.get("id")),
        key=bodies.idempotency_key(),
    )
    answer = jsonify(shown(image))
    answer.headers["Location"] = links.to(f"/image/v2/images/{image.id}")
    if images_import.METHODS:
        answer.headers["OpenStack-image-import-methods"] = ",".join(images_import.METHODS)
    return answer, 201


@routes.get("/<id:image_id>")
def show(image_id):
    actor = tokens.actor()
    return jsonify(shown(images.find_whole(actor, actor.project_id, image_id)))


@routes.patch("/<id:image_id>", body=patches.SCHEMA)
def change(image_id):
    actor = tokens.actor()
    images.require(actor, "change", images.find(actor, actor.project_id, image_id))
    steps = patches.read()
    image = images.edit(
        actor, actor.project_id, image_id, lambda image: patches.revised(image, steps)
    )
    return jsonify(shown(images.find_whole(actor, actor.project_id, image.id)))


@routes.delete("/<id:image_id>")
def delete(image_id):
    actor = tokens.actor()
    image = images.find(actor, actor.project_id, image_id)
    try:
        images.delete(actor, actor.project_id, image_id)
    except Conflict as refused:
        if image.protected:  # which is 403 there, and what is in use 409
            raise faults.Fault(Forbidden.status, str(refused)) from None
        raise
    return Response(status=204)


def _owner(said: dict):
    """The project whose the image shall be. Raises Fault."""
    actor = tokens.actor()
    project_id = wire.as_id(said.get("owner")) or actor.project_id
    if project_id is None:
        raise faults.bad("This token is for the whole cloud: say for which project, by owner.")
    return project_id


def _with_properties(said: dict) -> Edit:
    others = said.keys() - fields.SAID.keys() - {"id", "owner"}
    properties = {name: said[name] for name in sorted(others) if said[name] is not None}
    return Edit(**vars(fields.edit(said)) | {"properties": properties})


def _said() -> tuple[Acceptance, ...]:
    """What the project has said to the images of others that are listed."""
    wish = _one_of(ANSWERS, "answer of a member")(request.args.get("member_status", "accepted"))
    return tuple(Acceptance) if wish == EVERY else (Acceptance(wish),)
