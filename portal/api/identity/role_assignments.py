"""Who has which role where."""

from flask import jsonify, request

from portal.api import links, lists, roles, wire
from portal.api.identity import domains
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import RoleAssignment
from portal.services import grants

routes = Routes(__name__, "/v3/role_assignments")


@routes.get("")
def index():
    asked = request.args
    project, user = (
        lists.an_id(asked[name]) if name in asked else None
        for name in ("scope.project.id", "user.id")
    )
    found = grants.listed(tokens.actor(), project_id=project, user_id=user)
    shown = [_shown(each, named=_wanted("include_names")) for each in found]
    if "role.id" in asked:
        role = lists.an_id(asked["role.id"]).hex
        shown = [each for each in shown if each["role"]["id"] == role]
    if "scope.system" in asked:
        shown = [each for each in shown if "system" in each["scope"]]
    if "group.id" in asked or "scope.domain.id" in asked:
        shown = []  # roles are given to users alone, and not in domains
    return jsonify(role_assignments=shown, links=links.of_list())


def _wanted(name: str) -> bool:
    """Whether a word of the query is there, and does not say no."""
    return name in request.args and request.args[name].lower() not in lists.NO


def _shown(held: RoleAssignment, *, named: bool) -> dict:
    name = roles.name(held.role, of_cloud=held.project_id is None)
    user = {"id": wire.short(held.user_id)}
    scope, where = {"system": {"all": True}}, "system"
    if held.project_id:
        project = {"id": wire.short(held.project_id)}
        where = f"projects/{project['id']}"
        if named:
            project |= {"name": held.project.name, "domain": domains.BRIEF}
        scope = {"project": project}
    href = links.to(f"/identity/v3/{where}/users/{user['id']}/roles/{roles.IDS[name].hex}")
    if named:
        user |= {"name": held.user.name, "domain": domains.BRIEF}
    role = roles.brief(name) if named else {"id": roles.IDS[name].hex}
    return {"role": role, "user": user, "scope": scope, "links": {"assignment": href}}
