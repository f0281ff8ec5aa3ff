"""Application credentials: what a program signs in with instead of its user's password."""

from datetime import UTC, datetime

from flask import Response, jsonify

from portal.api import bodies, faults, links, lists, roles, wire
from portal.api.routes import Routes
from portal.api.schemas import FLAG, fields, maybe, text
from portal.auth import tokens
from portal.models import ApplicationCredential, Role
from portal.policies import Actor
from portal.services import application_credentials
from portal.services.application_credentials import NewCredential

ROLE = {"type": "object", "properties": {"id": text(), "name": text()}}
SCHEMA = fields(
    {
        "application_credential": fields(
            {"name": text(1)},
            description=maybe(text(most=10_000)),
            secret=maybe(text()),
            expires_at=maybe(text(most=40)),
            roles=maybe({"type": "array", "items": ROLE, "maxItems": 20}),
            unrestricted=maybe(FLAG),
            access_rules=maybe({"type": "array"}),
            project_id=maybe(text()),
        )
    }
)
LISTED = lists.Listed(
    "application_credentials",
    filters={"name": ("name", lists.text)},
    order=(("created_at", False),),
)

routes = Routes(__name__, "/v3/users/<id:user_id>/application_credentials")


@routes.get("")
def index(user_id):
    found, more = application_credentials.listed(tokens.actor(), user_id, lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [_shown(each) for each in found], more))


@routes.post("")
def create(user_id):
    """Makes an application credential, whose secret is said this once."""
    actor, wish = tokens.actor(), bodies.read(SCHEMA)["application_credential"]
    made, secret = application_credentials.create(actor, user_id, _new(actor, wish))
    credential = application_credentials.find(actor, user_id, made.id)
    answer = jsonify(application_credential=_shown(credential) | {"secret": secret})
    answer.status_code = 201
    return answer


@routes.get("/<id:application_credential_id>")
def show(user_id, application_credential_id):
    found = application_credentials.find(tokens.actor(), user_id, application_credential_id)
    return jsonify(application_credential=_shown(found))


@routes.delete("/<id:application_credential_id>")
def delete(user_id, application_credential_id):
    application_credentials.delete(tokens.actor(), user_id, application_credential_id)
    return Response(status=204)


def _new(actor: Actor, wish: dict) -> NewCredential:
    """What is wanted, for what the token is for. Raises Fault for what is not served."""
    if wish.get("unrestricted"):
        raise faults.bad("No credential here may make others: leave unrestricted out.")
    if wish.get("access_rules"):
        raise faults.bad("Access rules are not served: give the credential a weaker role instead.")
    if actor.project_id is None:
        raise faults.bad("An application credential is for a project: take a token for one.")
    if wish.get("project_id") and wire.as_id(wish["project_id"]) != actor.project_id:
        raise faults.bad("An application credential is for the project that your token is for.")
    role, of_cloud = None, actor.system is Role.ADMIN
    if wanted := wish.get("roles"):
        role, of_cloud = roles.NAMES[roles.strongest(wanted)]
    return NewCredential(
        project_id=actor.project_id,
        name=wish["name"],
        role=role,
        of_cloud=of_cloud,
        expires_at=_moment(wish.get("expires_at")),
        description=wish.get("description") or "",
        secret=wish.get("secret"),
    )


def _moment(said: str | None) -> datetime | None:
    """ISO 8601, in UTC unless it says otherwise. Raises Fault."""
    if said is None:
        return None
    try:
        moment = datetime.fromisoformat(said)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise faults.bad(f"{said!r} is no moment: write it as 2027-01-31T12:00:00Z.") from None


def _shown(credential: ApplicationCredential) -> dict:
    name = roles.name(credential.role, of_cloud=credential.of_cloud)
    user, id_ = wire.short(credential.user_id), wire.short(credential.id)
    here = f"/identity/v3/users/{user}/application_credentials/{id_}"
    return {
        "id": id_,
        "name": credential.name,
        "description": credential.description,
        "user_id": user,
        "project_id": wire.short(credential.project_id),
        "system": None,
        "roles": [roles.brief(each) | {"domain_id": None} for each in roles.implied(name)],
        "expires_at": wire.zoneless(credential.expires_at),
        "unrestricted": False,
        "links": {"self": links.to(here)},
    }
