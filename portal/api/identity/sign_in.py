"""Reading who wants a token for what, and getting it.

https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
"""

import dataclasses
import uuid

from portal.api import faults, pace, schemas, wire
from portal.api.identity import domains
from portal.api.lists import NEVER
from portal.api.schemas import fields, text
from portal.auth import tokens as shown_tokens
from portal.errors import Refused
from portal.models import User
from portal.services import application_credentials, projects, tokens, users
from portal.services.tokens import CLOUD, Grant

NAMED = {"type": "object", "properties": {"id": text(), "name": text()}}
WITH_DOMAIN = {"type": "object", "properties": {"id": text(), "name": text(), "domain": NAMED}}
USER = {
    "type": "object",
    "properties": {**WITH_DOMAIN["properties"], "password": {"type": "string"}},
}
CREDENTIAL = {
    "type": "object",
    "properties": {"id": text(), "name": text(), "secret": text(), "user": WITH_DOMAIN},
    "required": ["secret"],
}
METHODS = {
    "password": fields({"user": USER | {"required": ["password"]}}),
    "token": fields({"id": text(1)}),
    "application_credential": CREDENTIAL,
}
SCHEMA = fields(
    {
        "auth": {
            "type": "object",
            "properties": {
                "identity": {
                    "type": "object",
                    "properties": {
                        "methods": {
                            "type": "array",
                            "items": {"type": "string"},
                            "minItems": 1,
                            "maxItems": 4,
                        },
                        **METHODS,
                    },
                    "required": ["methods"],
                },
                "scope": {
                    "type": ["object", "string"],
                    "properties": {
                        "project": WITH_DOMAIN,
                        "domain": NAMED,
                        "system": {"type": "object"},
                        "unscoped": {"type": "object"},
                    },
                },
            },
            "required": ["identity"],
        }
    }
)


@dataclasses.dataclass(frozen=True)
class Wish:
    """Who says that they are who, and what they want to speak for."""

    method: str
    said: dict
    scope: dict | None
    user_name: str = ""  # as far as it is known, for the record
    as_usual: bool = False  # nothing is said of a scope: the user's default project is meant


def read(body: dict) -> Wish:
    """What the body of a request asks for. Raises Fault, 400, for what cannot be meant."""
    if wrong := schemas.mistake(body, SCHEMA):
        raise faults.bad(wrong)
    identity, scope = body["auth"]["identity"], body["auth"].get("scope")
    methods = identity["methods"]
    if len(methods) != 1 or methods[0] not in METHODS:
        raise faults.Fault(401, f"Sign in by one of these methods: {', '.join(METHODS)}.")
    said = identity.get(methods[0])
    if said is None:
        raise faults.bad(f"Expecting to find {methods[0]} in identity.")
    if isinstance(scope, dict) and len(scope) > 1:
        raise faults.bad("A token is for one project, for the whole cloud, or for none.")
    unscoped = not isinstance(scope, dict) or "unscoped" in scope or not scope
    name = said.get("user", {}).get("name", "") if methods[0] == "password" else ""
    return Wish(methods[0], said, None if unscoped else scope, name, as_usual=scope is None)


def carry_out(wish: Wish, *, address: str, request_id: str) -> tuple[str, Grant]:
    """They have the token. Raises Refused where they are not who they say, or have no role there;
    SignedInTooOften, and Busy and Unavailable where no password can be judged at this moment."""
    match wish.method:
        case "password":
            return _by_password(wish, address=address, request_id=request_id)
        case "token":
            return _by_token(wish, address=address, request_id=request_id)
    return _by_credential(wish, address=address, request_id=request_id)


def _by_password(wish: Wish, *, address: str, request_id: str) -> tuple[str, Grant]:
    said = wish.said["user"]
    user = users.prove(_user_name(said), said["password"], address=address)
    if user is None:
        raise Refused("That user name and password do not go together.")
    if user.must_change_password:
        raise Refused("Choose a password of your own first: sign in to the pages of this cloud.")
    pace.count_sign_in(user.id)
    scope = _usual_scope(user) if wish.as_usual else _scope(wish)
    return tokens.issue(user, scope, methods=["password"], address=address, request_id=request_id)


def _by_token(wish: Wish, *, address: str, request_id: str) -> tuple[str, Grant]:
    earlier = shown_tokens.find(wish.said["id"])
    if earlier is None:
        raise faults.Fault(404, "This token is unknown, too old, or was revoked.")
    if earlier.credential_id:
        raise Refused("The token of an application credential is for its own project alone.")
    pace.count_sign_in(earlier.user_id)
    methods = [*dict.fromkeys(("token", *earlier.methods))]
    return tokens.issue(
        users.standing(earlier.user_id),
        _scope(wish),
        methods=methods,
        address=address,
        request_id=request_id,
        earlier=earlier,
    )


def _by_credential(wish: Wish, *, address: str, request_id: str) -> tuple[str, Grant]:
    if wish.scope:
        raise Refused("An application credential is for its own project: name none with it.")
    said = wish.said
    credential = application_credentials.prove(
        said["secret"],
        id_=wire.as_id(said.get("id")),
        name=said.get("name", ""),
        user_name=_user_name(said.get("user", {})),
    )
    pace.count_sign_in(credential.user_id)
    return tokens.issue(
        credential.user,
        credential.project_id,
        methods=["application_credential"],
        address=address,
        request_id=request_id,
        credential=credential,
    )


def _user_name(user: dict) -> str:
    """The name of who is meant, by name and domain or by id; one that nobody has for nobody."""
    if "id" in user:
        id_ = wire.as_id(user["id"])
        return users.name_of(id_) if id_ else ""
    return user.get("name", "") if domains.meant(user.get("domain", {})) else ""


def _scope(wish: Wish) -> uuid.UUID | str | None:
    """What `tokens.issue` calls it."""
    if wish.scope is None:
        return None
    if "system" in wish.scope:
        return CLOUD
    project = wish.scope.get("project", {})  # in a domain nobody has a role
    if "id" in project:
        found = wire.as_id(project["id"])
    else:
        named = domains.meant(project.get("domain", {})) and project.get("name")
        found = tokens.project_named(named) if named else None
    return found or NEVER  # so that nobody learns which there are


def _usual_scope(user: User) -> uuid.UUID | None:
    """The user's default project, if they may speak for it; None without one."""
    open_to = projects.of_actor(users.actor_of(user)) if user.default_project_id else []
    return next((each.id for each in open_to if each.id == user.default_project_id), None)
