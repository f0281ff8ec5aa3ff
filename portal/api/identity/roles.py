"""The four roles that there are: nobody makes others."""

from flask import jsonify, request

from portal.api import links, roles
from portal.api.routes import Routes
from portal.errors import NotFound

routes = Routes(__name__, "/v3/roles")


@routes.get("")
def index():
    wanted = request.args.get("name")
    found = [_shown(each) for each in roles.NAMES if wanted in (None, each)]
    return jsonify(roles=found, links=links.of_list())


@routes.get("/<id:role_id>")
def show(role_id):
    found = roles.of_id(role_id)
    if found is None:
        raise NotFound("There is no such role.")
    return jsonify(role=_shown(found))


def _shown(name: str) -> dict:
    said = roles.brief(name)
    return said | {
        "domain_id": None,
        "description": None,
        "options": {},
        "links": {"self": links.to(f"/identity/v3/roles/{said['id']}")},
    }
