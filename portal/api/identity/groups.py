"""Groups of people, who have their roles together."""

from flask import Response, jsonify

from portal.api import bodies, links, lists, wire
from portal.api.identity import domains
from portal.api.identity.users import shown as user_shown
from portal.api.routes import Routes
from portal.api.schemas import fields, maybe, text
from portal.auth import tokens
from portal.models import Group
from portal.services import groups

OPTIONAL = {"description": maybe(text(most=10_000)), "domain_id": maybe(text())}
NOTED = {"project_id": maybe(text())}  # that some clients send, and nobody reads
SCHEMA = fields({"group": fields({"name": text(1, 64)}, **OPTIONAL, **NOTED)})
CHANGE = fields({"group": fields(name=text(1, 64), **OPTIONAL)})
LISTED = lists.Listed(
    "groups",
    sorts={"name": "name"},
    filters={"name": ("name", lists.text), "domain_id": ("domain_id", lists.text)},
    order=(("name", False),),
)
MEMBERS = lists.Listed(
    "users",
    sorts={"name": "name"},
    filters={"name": ("name", lists.text), "enabled": ("enabled", lists.flag)},
    order=(("name", False),),
)

routes = Routes(__name__, "/v3/groups")


@routes.get("")
def index():
    found, more = groups.walk(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [shown(each) for each in found], more))


@routes.post("")
def create():
    wish = bodies.read(SCHEMA)["group"]
    domains.refuse_others(wish.get("domain_id"))
    made = groups.create(tokens.actor(), wish["name"], description=wish.get("description") or "")
    return jsonify(group=shown(made)), 201


@routes.get("/<id:group_id>")
def show(group_id):
    return jsonify(group=shown(groups.find(tokens.actor(), group_id)))


@routes.patch("/<id:group_id>")
def change(group_id):
    wish = bodies.read(CHANGE)["group"]
    domains.refuse_others(wish.pop("domain_id", None))
    values = {name: value or "" for name, value in wish.items()}
    return jsonify(group=shown(groups.update(tokens.actor(), group_id, values)))


@routes.delete("/<id:group_id>")
def delete(group_id):
    groups.delete(tokens.actor(), group_id)
    return Response(status=204)


@routes.get("/<id:group_id>/users")
def list_members(group_id):
    found, more = groups.members(tokens.actor(), group_id, lists.wanted(MEMBERS))
    return jsonify(lists.answer(MEMBERS, [user_shown(each) for each in found], more))


@routes.get("/<id:group_id>/users/<id:user_id>")
def check_member(group_id, user_id):
    groups.held(tokens.actor(), group_id, user_id)
    return Response(status=204)


@routes.put("/<id:group_id>/users/<id:user_id>")
def add_member(group_id, user_id):
    groups.add(tokens.actor(), group_id, user_id)
    return Response(status=204)


@routes.delete("/<id:group_id>/users/<id:user_id>")
def remove_member(group_id, user_id):
    groups.remove(tokens.actor(), group_id, user_id)
    return Response(status=204)


def shown(group: Group) -> dict:
    """A group as clients see it."""
    return {
        "id": wire.short(group.id),
        "name": group.name,
        "description": group.description,
        "domain_id": domains.ID,
        "links": {"self": links.to(f"/identity/v3/groups/{wire.short(group.id)}")},
    }
