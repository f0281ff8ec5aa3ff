"""Projects, which everything belongs to."""

import uuid

from flask import Response, jsonify

from portal.api import bodies, faults, links, lists, roles, schemas, wire
from portal.api.identity import domains, grants
from portal.api.routes import Routes
from portal.api.schemas import FLAG, fields, maybe, text
from portal.auth import tokens
from portal.errors import NotFound
from portal.models import Project
from portal.services import deletions, projects

NAME = text(1, 64)
TAG_LIST = {
    "type": "array",
    "items": text(1, pattern="^[^,/\\x00-\\x1f]*$"),
    "maxItems": 80,
    "uniqueItems": True,
}
OPTIONAL = {
    "description": maybe(text(most=10_000)),
    "domain_id": maybe(text()),
    "parent_id": maybe(text()),
    "enabled": FLAG,
    "is_domain": {"type": "boolean", "enum": [False]},
    "tags": TAG_LIST,
    "options": fields(),  # of which none is served
}
SCHEMA = fields({"project": fields({"name": NAME}, **OPTIONAL)})
CHANGE = fields({"project": fields(name=NAME, **OPTIONAL)})
TAGS = fields({"tags": TAG_LIST})
USER = "/<id:chosen_id>/users/<id:user_id>/roles"
GROUP = "/<id:chosen_id>/groups/<id:group_id>/roles"
LISTED = lists.Listed(
    "projects",
    sorts={"name": "name"},
    filters={
        "name": ("name", lists.text),
        "enabled": ("enabled", lists.flag),
        "domain_id": ("domain_id", lists.text),
        "parent_id": ("domain_id", lists.text),
        "is_domain": ("is_domain", lists.flag),
        "user_id": ("user_id", lists.an_id),
    },
    order=(("name", False),),
)

routes = Routes(__name__, "/v3/projects")


@routes.get("")
def index():
    found, more = projects.walk(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [shown(each) for each in found], more))


@routes.post("")
def create():
    wish = bodies.read(SCHEMA)["project"]
    domains.refuse_others(wish.get("domain_id"), wish.get("parent_id"))
    values = _values(wish)
    made = projects.create(tokens.actor(), values.pop("name"), **values)
    return jsonify(project=shown(made)), 201


@routes.get("/<id:chosen_id>")
def show(chosen_id):
    return jsonify(project=shown(projects.standing(tokens.actor(), chosen_id)))


@routes.patch("/<id:chosen_id>")
def change(chosen_id):
    wish = bodies.read(CHANGE)["project"]
    domains.refuse_others(wish.pop("domain_id", None), wish.pop("parent_id", None))
    return jsonify(project=shown(projects.update(tokens.actor(), chosen_id, _values(wish))))


@routes.delete("/<id:chosen_id>")
def delete(chosen_id):
    projects.standing(tokens.actor(), chosen_id)
    deletions.delete(tokens.actor(), chosen_id)
    return Response(status=204)


@routes.get("/<id:chosen_id>/tags")
def list_tags(chosen_id):
    tags = projects.standing(tokens.actor(), chosen_id).tags
    return jsonify(tags=tags, links={"self": links.here()})


@routes.put("/<id:chosen_id>/tags")
def set_tags(chosen_id):
    wish = bodies.read(TAGS)
    made = projects.update(tokens.actor(), chosen_id, {"tags": sorted(wish["tags"])})
    return jsonify(tags=made.tags, links={"self": links.here()})


@routes.delete("/<id:chosen_id>/tags")
def delete_tags(chosen_id):
    projects.update(tokens.actor(), chosen_id, {"tags": []})
    return Response(status=204)


@routes.get("/<id:chosen_id>/tags/<project_tag>")
def check_tag(chosen_id, project_tag):
    if project_tag not in projects.standing(tokens.actor(), chosen_id).tags:
        raise NotFound("The project has no such tag.")
    return Response(status=204)


@routes.put("/<id:chosen_id>/tags/<project_tag>")
def add_tag(chosen_id, project_tag):
    if wrong := schemas.mistake([project_tag], TAG_LIST):
        raise faults.bad(wrong)
    projects.tag(tokens.actor(), chosen_id, project_tag, there=True)
    return Response(status=201)


@routes.delete("/<id:chosen_id>/tags/<project_tag>")
def remove_tag(chosen_id, project_tag):
    projects.tag(tokens.actor(), chosen_id, project_tag, there=False)
    return Response(status=204)


@routes.get(USER)
@routes.get(GROUP)
def list_roles(chosen_id, user_id=None, group_id=None):
    return grants.listed(_known(chosen_id), grants.holder(user_id, group_id))


@routes.get(f"{USER}/<id:role_id>")
@routes.get(f"{GROUP}/<id:role_id>")
def check_role(chosen_id, role_id, user_id=None, group_id=None):
    return grants.checked(_known(chosen_id), grants.holder(user_id, group_id), roles.level(role_id))


@routes.put(f"{USER}/<id:role_id>")
@routes.put(f"{GROUP}/<id:role_id>")
def give_role(chosen_id, role_id, user_id=None, group_id=None):
    return grants.given(_known(chosen_id), grants.holder(user_id, group_id), roles.level(role_id))


@routes.delete(f"{USER}/<id:role_id>")
@routes.delete(f"{GROUP}/<id:role_id>")
def take_role(chosen_id, role_id, user_id=None, group_id=None):
    return grants.taken(_known(chosen_id), grants.holder(user_id, group_id), roles.level(role_id))


def _known(chosen_id) -> uuid.UUID:
    """The id of the project, once it is sure that the actor knows it."""
    return projects.find(tokens.actor(), chosen_id).id


def _values(wish: dict) -> dict:
    """What a project is to have, by the names of its columns."""
    known = ("name", "description", "enabled", "tags")
    values = {name: wish[name] for name in known if name in wish}
    if "description" in values:
        values["description"] = values["description"] or ""
    if "tags" in values:
        values["tags"] = sorted(values["tags"])
    return values


def shown(project: Project) -> dict:
    """A project as clients see it."""
    return {
        "id": wire.short(project.id),
        "name": project.name,
        "domain_id": domains.ID,
        "parent_id": domains.ID,
        "is_domain": False,
        "description": project.description,
        "enabled": project.enabled,
        "tags": project.tags,
        "options": {},
        "links": {"self": links.to(f"/identity/v3/projects/{wire.short(project.id)}")},
    }
