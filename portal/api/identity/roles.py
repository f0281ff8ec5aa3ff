"""The four roles that there are, of which each implies those before it: nobody makes others."""

from flask import jsonify, request

from portal.api import bodies, links, roles
from portal.api.routes import Routes
from portal.api.schemas import fields, maybe, text
from portal.auth import tokens
from portal.errors import Conflict, Forbidden, NotFound
from portal.policies import authorize

SCHEMA = fields(
    {
        "role": fields(
            {"name": text(1)},
            description=maybe(text(most=10_000)),
            domain_id=maybe(text()),
            options={"type": "object"},
        )
    }
)

routes = Routes(__name__, "/v3/roles")


@routes.get("")
def index():
    wanted = request.args.get("name")
    found = [] if request.args.get("domain_id") else list(roles.NAMES)
    found = [shown(each) for each in found if wanted in (None, each)]
    return jsonify(roles=found, links=links.of_list())


@routes.post("")
def create():
    """Programs that make the roles they need find them here, or are told that there are none but
    these."""
    wish = bodies.read(SCHEMA)["role"]
    authorize(tokens.actor(), "users:change")
    if wish["name"] in roles.NAMES:
        raise Conflict("There is a role named {name} already.", name=wish["name"])
    raise _fixed()


@routes.get("/<id:role_id>")
def show(role_id):
    return jsonify(role=shown(_named(role_id)))


@routes.patch("/<id:role_id>")
@routes.delete("/<id:role_id>")
def change(role_id):
    authorize(tokens.actor(), "users:change")
    _named(role_id)
    raise _fixed()


@routes.get("/<id:role_id>/implies")
def list_implied(role_id):
    name = _named(role_id)
    return jsonify(role_inference=_inference(name), links={"self": links.here()})


@routes.get("/<id:role_id>/implies/<id:implied_id>")
def check_implied(role_id, implied_id):
    prior, name = _named(role_id), _named(implied_id)
    if name not in roles.implied(prior)[1:2]:
        raise NotFound("{prior} does not imply {name} directly.", prior=prior, name=name)
    inference = {"prior_role": _brief(prior), "implies": _brief(name)}
    return jsonify(role_inference=inference, links={"self": links.here()})


def shown(name: str) -> dict:
    """A role as clients see it."""
    said = roles.brief(name)
    return said | {
        "domain_id": None,
        "description": None,
        "options": {},
        "links": {"self": links.to(f"/identity/v3/roles/{said['id']}")},
    }


def inferences() -> list[dict]:
    """Which role implies which."""
    return [_inference(each) for each in roles.NAMES if len(roles.implied(each)) > 1]


def _fixed() -> Forbidden:
    return Forbidden(
        "The roles of this cloud are {names:list}: they stay as they are, and there are no others.",
        names=list(roles.NAMES),
    )


def _inference(name: str) -> dict:
    """What a role implies directly: the one before it."""
    return {
        "prior_role": _brief(name),
        "implies": [_brief(each) for each in roles.implied(name)[1:2]],
    }


def _brief(name: str) -> dict:
    return roles.brief(name) | {"links": shown(name)["links"]}


def _named(role_id) -> str:
    found = roles.of_id(role_id)
    if found is None:
        raise NotFound("There is no such role.")
    return found
