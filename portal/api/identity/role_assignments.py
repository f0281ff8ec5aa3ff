"""Who has which role where."""

from flask import jsonify, request

from portal.api import links, lists, roles, wire
from portal.api.identity import domains
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Group, RoleAssignment, User
from portal.services import grants

routes = Routes(__name__, "/v3/role_assignments")


@routes.get("")
def index():
    asked, effective = request.args, _wanted("effective")
    ids = {
        ours: lists.an_id(asked[theirs]) if theirs in asked else None
        for ours, theirs in (
            ("project_id", "scope.project.id"),
            ("user_id", "user.id"),
            ("group_id", "group.id"),
        )
    }
    of_cloud = _wanted("scope.system")
    found = grants.listed(tokens.actor(), of_cloud=of_cloud, effective=effective, **ids)
    if "scope.domain.id" in asked:
        found = []  # nobody has a role in a domain
    shown = [
        _shown(held, user, name, named=_wanted("include_names"))
        for held, user in found
        for name in _names(held, effective=effective)
    ]
    if "role.id" in asked:
        role = lists.an_id(asked["role.id"]).hex
        shown = [each for each in shown if each["role"]["id"] == role]
    return jsonify(role_assignments=shown, links=links.of_list())


def _wanted(name: str) -> bool:
    """Whether a word of the query is there, and does not say no."""
    return name in request.args and request.args[name].lower() not in lists.NO


def _names(held: RoleAssignment, *, effective: bool) -> list[str]:
    """What was given, or all that follows from it."""
    return roles.implied(roles.of(held)) if effective else [roles.of(held)]


def _shown(held: RoleAssignment, user: User | None, name: str, *, named: bool) -> dict:
    """Effective ones are their users', and say by a link what they come from."""
    whom, kind = (user, "user") if user else (held.group, "group")
    scope, where = {"system": {"all": True}}, "system"
    if held.project_id:
        project = {"id": wire.short(held.project_id)}
        where = f"projects/{project['id']}"
        if named:
            project |= {"name": held.project.name, "domain": domains.BRIEF}
        scope = {"project": project}
    from_ = ("groups", held.group_id) if held.group_id else ("users", held.user_id)
    given = roles.IDS[roles.of(held)].hex
    here = f"/identity/v3/{where}/{from_[0]}/{wire.short(from_[1])}/roles/{given}"
    assigned = {"assignment": links.to(here)}
    if user and held.group_id:
        member = f"/identity/v3/groups/{wire.short(held.group_id)}/users/{wire.short(user.id)}"
        assigned["membership"] = links.to(member)
    return {
        "role": roles.brief(name) if named else {"id": roles.IDS[name].hex},
        kind: _brief(whom, named=named),
        "scope": scope,
        "links": assigned,
    }


def _brief(whom: User | Group, *, named: bool) -> dict:
    said = {"id": wire.short(whom.id)}
    return said | {"name": whom.name, "domain": domains.BRIEF} if named else said
