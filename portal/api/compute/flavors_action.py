"""Giving a flavor to a project, and taking it away again."""

from flask import jsonify

from portal.api import bodies, faults, lists, schemas, wire
from portal.api.compute import flavors_os_flavor_access as access
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import flavors

TENANT = schemas.fields({"tenant": schemas.text(1)})
ACTIONS = {"addTenantAccess": flavors.give, "removeTenantAccess": flavors.take}

routes = Routes(__name__, "/v2.1/flavors/<flavor_id>/action")


@routes.post("")
def act(flavor_id):
    """Gives a project a private flavor, or takes it away."""
    body = bodies.read(schemas.fields(**dict.fromkeys(ACTIONS, TENANT)))
    if len(body) != 1:
        raise faults.bad("Name one action.")
    [(name, wish)] = body.items()
    project_id = wire.as_id(wish["tenant"]) or lists.NEVER
    return jsonify(access.shown(*ACTIONS[name](tokens.actor(), flavor_id, project_id)))
