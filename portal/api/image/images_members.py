"""Projects that images are shared with.

https://docs.openstack.org/api-ref/image/v2/#sharing
"""

from flask import Response, jsonify

from portal.api import bodies, faults, wire
from portal.api.routes import Routes
from portal.api.schemas import fields, text
from portal.auth import tokens
from portal.models import Acceptance, ImageMember
from portal.services import images

CREATE = fields({"member": text(1)})
CHANGE = fields({"status": {"type": "string", "enum": [*map(str, Acceptance)]}})

routes = Routes(__name__, "/v2/images/<id:image_id>/members")


@routes.get("")
def index(image_id):
    actor = tokens.actor()
    found = images.members(actor, actor.project_id, image_id)
    shown = [_shown(member) for member, _ in found]
    return jsonify(members=shown, schema="/v2/schemas/members")


@routes.post("")
def share(image_id):
    """Shares an image with a project."""
    wish, actor = bodies.read(CREATE), tokens.actor()
    member_id = wire.as_id(wish["member"])
    if member_id is None:
        raise faults.bad("A member is a project, by its id.")
    return jsonify(_shown(images.share(actor, actor.project_id, image_id, member_id)))


@routes.get("/<id:member_id>")
def show(image_id, member_id):
    actor = tokens.actor()
    return jsonify(_shown(images.member(actor, actor.project_id, image_id, member_id)))


@routes.put("/<id:member_id>")
def accept(image_id, member_id):
    """Takes an image that is shared into the own list, or out of it."""
    wish, actor = bodies.read(CHANGE), tokens.actor()
    answer = Acceptance(wish["status"])
    return jsonify(_shown(images.accept(actor, actor.project_id, image_id, member_id, answer)))


@routes.delete("/<id:member_id>")
def unshare(image_id, member_id):
    """Shares an image with a project no more."""
    actor = tokens.actor()
    images.unshare(actor, actor.project_id, image_id, member_id)
    return Response(status=204)


def _shown(member: ImageMember) -> dict:
    return {
        "image_id": str(member.image_id),
        "member_id": wire.short(member.project_id),
        "status": member.status.value,
        "created_at": wire.rough(member.created_at),
        "updated_at": wire.rough(member.updated_at),
        "schema": "/v2/schemas/member",
    }
