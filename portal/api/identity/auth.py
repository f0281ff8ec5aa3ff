"""Signing in by program: tokens, what they are good for, and where their users may go."""

import contextlib
from collections.abc import Iterator

from flask import Response, g, jsonify, request

from portal.api import bodies, catalog, faults, links, roles, wire
from portal.api.identity import domains, sign_in
from portal.api.identity.projects import shown as project_shown
from portal.api.pace import SignedInTooOften
from portal.api.routes import Routes
from portal.auth import tokens as shown_tokens
from portal.errors import Busy, Refused, Unavailable
from portal.services import projects, tokens
from portal.services.activities import record_failed_sign_in
from portal.services.tokens import Grant

routes = Routes(__name__, "/v3/auth")


@routes.post("/tokens")
def issue():
    """Signs in: gives out a token, for a project, the whole cloud, or to say who somebody is."""
    wish = sign_in.read(bodies.read())
    with _refusals_said_by_401(wish):
        token, grant = sign_in.carry_out(
            wish, address=request.remote_addr or "", request_id=g.request_id
        )
    answer = jsonify(token=_token(grant))
    answer.status_code, answer.headers["X-Subject-Token"] = 201, token
    return answer


@routes.get("/tokens")
def validate():
    """Says what a token is good for."""
    token, grant = _subject()
    answer = jsonify(token=_token(grant))
    answer.headers["X-Subject-Token"] = token
    return answer


@routes.delete("/tokens")
def revoke():
    """Ends a token at once."""
    tokens.end(shown_tokens.actor(), _subject()[1])
    return Response(status=204)


@routes.get("/catalog")
def show_catalog():
    return jsonify(catalog=catalog.entries(), links={"self": links.here()})


@routes.get("/projects")
def list_projects():
    """Lists the projects that somebody may have a token for."""
    found = projects.open_to(shown_tokens.actor())
    return jsonify(
        projects=[project_shown(each) for each in found],
        links=links.of_list(),
    )


@routes.get("/domains")
def list_domains():
    """Lists the domains in which somebody has a role: there are none here."""
    return jsonify(domains=[], links=links.of_list())


@routes.get("/system")
def list_systems():
    """Says whether somebody has a role in the whole cloud."""
    role = projects.role_in_cloud(shown_tokens.actor())
    return jsonify(system=[{"all": True}] if role else [], links={"self": links.here()})


def _subject() -> tuple[str, Grant]:
    token = request.headers.get("X-Subject-Token", "")
    return token, tokens.subject(shown_tokens.actor(), shown_tokens.find(token))


@contextlib.contextmanager
def _refusals_said_by_401(wish: sign_in.Wish) -> Iterator[None]:
    """Whoever is not let in is told so by 401, however often they tried; what is known is in the
    record."""
    try:
        yield
    except (Busy, Unavailable, SignedInTooOften):
        raise
    except Refused as refused:
        record_failed_sign_in(
            wish.user_name, refused, address=request.remote_addr or "", request_id=g.request_id
        )
        wait = {"Retry-After": str(refused.retry_after)} if refused.retry_after else {}
        raise faults.Fault(401, str(refused), headers=wait) from None


def _token(grant: Grant) -> dict:
    said = {
        "methods": list(grant.methods),
        "user": {
            "id": wire.short(grant.user_id),
            "name": grant.user_name,
            "domain": domains.BRIEF,
            "password_expires_at": None,
        },
        "audit_ids": list(grant.audit_ids),
        "expires_at": wire.exact(grant.expires_at),
        "issued_at": wire.exact(grant.issued_at),
    }
    if grant.credential_id:
        said["application_credential"] = {
            "id": wire.short(grant.credential_id),
            "name": grant.credential_name,
            "restricted": True,
        }
    if grant.project_id:
        said["is_domain"] = False
        said["project"] = {
            "id": wire.short(grant.project_id),
            "name": grant.project_name,
            "domain": domains.BRIEF,
        }
    if grant.of_cloud:
        said["system"] = {"all": True}
    if name := role_name(grant):
        said["roles"] = [roles.brief(each) for each in roles.implied(name)]
        if "nocatalog" not in request.args:
            said["catalog"] = catalog.entries()
    return said


def role_name(grant: Grant) -> str | None:
    """What clients call the role that a token has in what it is for; None for one that only says
    who somebody is."""
    if grant.cloud_role:
        return roles.name(grant.cloud_role, of_cloud=True)
    return roles.name(grant.role) if grant.role else None
