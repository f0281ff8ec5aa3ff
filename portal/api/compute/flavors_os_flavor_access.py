"""To which projects a flavor is given that is not for every one."""

from flask import jsonify

from portal.api import wire
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import flavors

routes = Routes(__name__, "/v2.1/flavors/<flavor_id>/os-flavor-access")


@routes.get("")
def index(flavor_id):
    return jsonify(shown(*flavors.projects_with(tokens.actor(), flavor_id)))


def shown(flavor, project_ids) -> dict:
    """The list as clients see it."""
    return {
        "flavor_access": [
            {"flavor_id": flavor.key, "tenant_id": wire.short(each)} for each in project_ids
        ]
    }
