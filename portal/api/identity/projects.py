"""Projects, which everything belongs to."""

from flask import Response, jsonify

from portal.api import bodies, links, lists, roles, wire
from portal.api.identity import domains
from portal.api.routes import Routes
from portal.api.schemas import FLAG, fields, maybe, text
from portal.auth import tokens
from portal.models import Project, Role
from portal.services import grants, projects

SCHEMA = fields(
    {
        "project": fields(
            {"name": text(1)},
            description=maybe(text(most=10_000)),
            domain_id=text(),
            parent_id=maybe(text()),
            enabled=FLAG,
            is_domain=FLAG,
            tags={"type": "array"},
            options={"type": "object"},
        )
    }
)
LISTED = lists.Listed(
    "projects",
    sorts={"name": "name"},
    filters={"name": ("name", lists.text), "enabled": ("enabled", lists.flag)},
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
    made = projects.create(tokens.actor(), wish["name"], description=wish.get("description") or "")
    return jsonify(project=shown(made)), 201


@routes.get("/<id:chosen_id>")
def show(chosen_id):
    return jsonify(project=shown(projects.find(tokens.actor(), chosen_id)))


@routes.get("/<id:chosen_id>/users/<id:user_id>/roles/<id:role_id>")
def check_role(chosen_id, user_id, role_id):
    """Says whether a user has this role in a project."""
    role = _role(chosen_id, role_id)
    grants.held(tokens.actor(), chosen_id, user_id, role)
    return Response(status=204)


@routes.put("/<id:chosen_id>/users/<id:user_id>/roles/<id:role_id>")
def give_role(chosen_id, user_id, role_id):
    """Gives a user this role in a project."""
    role = _role(chosen_id, role_id)
    grants.give(tokens.actor(), chosen_id, user_id, role)
    return Response(status=204)


@routes.delete("/<id:chosen_id>/users/<id:user_id>/roles/<id:role_id>")
def take_role(chosen_id, user_id, role_id):
    """Takes this role in a project from a user."""
    role = _role(chosen_id, role_id)
    grants.take(tokens.actor(), chosen_id, user_id, role)
    return Response(status=204)


def _role(chosen_id, role_id) -> Role:
    """The role in a project that is meant, once it is sure that the actor knows the project."""
    projects.find(tokens.actor(), chosen_id)
    return roles.in_project(role_id)


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
        "tags": [],
        "options": {},
        "links": {"self": links.to(f"/identity/v3/projects/{wire.short(project.id)}")},
    }
