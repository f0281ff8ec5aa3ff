"""Projects, which everything belongs to."""

from flask import jsonify

from portal.api import links, wire
from portal.api.identity import domains
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Project
from portal.services import projects

routes = Routes(__name__, "/v3/projects")


@routes.get("/<id:chosen_id>")
def show(chosen_id):
    return jsonify(project=shown(projects.find(tokens.actor(), chosen_id)))


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
