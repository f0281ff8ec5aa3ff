"""People who may sign in, by pages or by programs."""

from flask import Response, jsonify

from portal.api import bodies, faults, links, lists, wire
from portal.api.identity import domains
from portal.api.identity.projects import shown as project_shown
from portal.api.routes import Routes
from portal.api.schemas import FLAG, ID, fields, maybe, text
from portal.auth import tokens
from portal.errors import Refused
from portal.models import User
from portal.services import departures, passwords, projects, users
from portal.services.users import About

OPTIONAL = {
    "description": maybe(text(most=10_000)),
    "domain_id": maybe(text()),
    "default_project_id": maybe(ID),
    "project_id": maybe(text(most=64)),  # that clients note, and read again
    "email": maybe(text()),
    "enabled": FLAG,
    "options": fields(),  # of which none is served
}
SCHEMA = fields({"user": fields({"name": text(1)}, password=maybe(text(1)), **OPTIONAL)})
CHANGE = fields({"user": fields(id=ID, name=text(1), password=text(1), **OPTIONAL)})
OWN = fields({"user": fields({"password": text(1), "original_password": text(1)})})
LISTED = lists.Listed(
    "users",
    sorts={"name": "name"},
    filters={
        "name": ("name", lists.text),
        "enabled": ("enabled", lists.flag),
        "domain_id": ("domain_id", lists.text),
    },
    order=(("name", False),),
)

routes = Routes(__name__, "/v3/users")


@routes.get("")
def index():
    found, more = users.walk(tokens.actor(), lists.wanted(LISTED))
    return jsonify(lists.answer(LISTED, [shown(each) for each in found], more))


@routes.post("")
def create():
    """Without a password they sign in once somebody has set one."""
    wish = bodies.read(SCHEMA)["user"]
    domains.refuse_others(wish.get("domain_id"))
    made = users.create(
        tokens.actor(),
        wish["name"],
        wish.get("password") or passwords.new(),
        must_change=False,
        about=About(**_values(wish)),
    )
    return jsonify(user=shown(made)), 201


@routes.get("/<id:user_id>")
def show(user_id):
    return jsonify(user=shown(users.seen(tokens.actor(), user_id)))


@routes.patch("/<id:user_id>")
def change(user_id):
    wish = bodies.read(CHANGE)["user"]
    domains.refuse_others(wish.get("domain_id"))
    if wire.as_id(wish.get("id", user_id.hex)) != user_id:
        raise faults.bad("The id of a user stays as it is.")
    named = {name: wish[name] for name in ("name", "password") if name in wish}
    return jsonify(user=shown(users.update(tokens.actor(), user_id, _values(wish) | named)))


@routes.delete("/<id:user_id>")
def delete(user_id):
    departures.delete(tokens.actor(), user_id)
    return Response(status=204)


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


@routes.get("/<id:user_id>/access_rules")
def list_access_rules(user_id):
    """No application credential has any."""
    users.seen(tokens.actor(), user_id)
    return jsonify(access_rules=[], links=links.of_list())


def _values(wish: dict) -> dict:
    """What is to be known of somebody, by the names that the service has."""
    values = {name: wish[name] or "" for name in ("description", "email") if name in wish}
    if "project_id" in wish:
        values["project_note"] = wish["project_id"] or ""
    if "default_project_id" in wish:
        values["default_project_id"] = wire.as_id(wish["default_project_id"])
    return values | ({"enabled": wish["enabled"]} if "enabled" in wish else {})


def shown(user: User) -> dict:
    """Somebody as clients see them."""
    noted = {
        "default_project_id": wire.short(user.default_project_id),
        "project_id": user.project_note,
        "email": user.email,
    }
    said = {name: value for name, value in noted.items() if value}
    return said | {
        "id": wire.short(user.id),
        "name": user.name,
        "domain_id": domains.ID,
        "description": user.description,
        "enabled": user.enabled,
        "password_expires_at": None,
        "options": {},
        "links": {"self": links.to(f"/identity/v3/users/{wire.short(user.id)}")},
    }
