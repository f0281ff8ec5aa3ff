"""People who may sign in, by pages or by programs."""

from flask import Response, jsonify

from portal.api import bodies, faults, links, lists, wire
from portal.api.identity import domains
from portal.api.identity.projects import shown as project_shown
from portal.api.routes import Routes
from portal.api.schemas import FLAG, fields, maybe, text
from portal.auth import tokens
from portal.errors import Refused
from portal.models import User
from portal.services import projects, users

SCHEMA = fields(
    {
        "user": fields(
            {"name": text(1), "password": text(1)},
            description=maybe(text(most=10_000)),
            domain_id=text(),
            default_project_id=maybe(text()),
            email=maybe(text()),
            enabled={"type": "boolean", "enum": [True]},
            options={"type": "object"},
        )
    }
)
CHANGE = fields({"user": fields(password=text(1), enabled=FLAG)})
OWN = fields({"user": fields({"password": text(1), "original_password": text(1)})})
LISTED = lists.Listed(
    "users",
    sorts={"name": "name"},
    filters={"name": ("name", lists.text), "enabled": ("enabled", lists.flag)},
    order=(("name", False),),
)

routes = Routes(__name__, "/v3/users")


@routes.get("")
def index():
    found, more = users.walk(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [_shown(each) for each in found], more))


@routes.post("")
def create():
    wish = bodies.read(SCHEMA)["user"]
    domains.refuse_others(wish.get("domain_id"))
    description = wish.get("description") or ""
    made = users.create(
        tokens.actor(), wish["name"], wish["password"], must_change=False, description=description
    )
    return jsonify(user=_shown(made)), 201


@routes.get("/<id:user_id>")
def show(user_id):
    return jsonify(user=_shown(users.seen(tokens.actor(), user_id)))


@routes.patch("/<id:user_id>")
def change(user_id):
    actor, wish = tokens.actor(), bodies.read(CHANGE)["user"]
    if len(wish) != 1:
        raise faults.bad("Change the password or whether they may sign in, one at a time.")
    if "password" in wish:
        users.reset_password(actor, user_id, wish["password"], must_change=False)
    else:
        users.enable(actor, user_id, enabled=wish["enabled"])
    return jsonify(user=_shown(users.find(actor, user_id)))


@routes.post("/<id:user_id>/password")
def change_password(user_id):
    actor, wish = tokens.actor(), bodies.read(OWN)["user"]
    try:
        users.change_password(actor, wish["original_password"], wish["password"], user_id=user_id)
    except Refused as refused:
        if refused.field == "current":
            raise faults.Fault(401, str(refused)) from None
        raise
    return Response(status=204)


@routes.get("/<id:user_id>/projects")
def list_projects(user_id):
    found = projects.of_user(tokens.actor(), user_id)
    return jsonify(projects=[project_shown(each) for each in found], links=links.of_list())


def _shown(user: User) -> dict:
    return {
        "id": wire.short(user.id),
        "name": user.name,
        "domain_id": domains.ID,
        "description": user.description,
        "enabled": user.enabled,
        "password_expires_at": None,
        "options": {},
        "links": {"self": links.to(f"/identity/v3/users/{wire.short(user.id)}")},
    }
