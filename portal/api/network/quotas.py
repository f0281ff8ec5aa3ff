"""How many networks a project may have.

https://docs.openstack.org/api-ref/network/v2/#quotas-extension-quotas
"""

from flask import jsonify

from portal import config
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import projects, quotas

NO_LIMIT = -1
UNLIMITED = ("port", "security_group", "security_group_rule", "subnet")

routes = Routes(__name__, "/v2.0/quotas")


@routes.get("/<id:project_id>")
def show(project_id):
    """Shows the limits of a project."""
    project = projects.find(tokens.actor(), project_id)
    return jsonify(quota=_limits(quotas.usage(project.id)["networks"].limit))


@routes.get("/<id:project_id>/default")
def show_default(project_id):
    """Shows the limits that a project has unless they are changed."""
    projects.find(tokens.actor(), project_id)
    return jsonify(quota=_limits(config.current().quota_networks))


@routes.get("/<id:project_id>/details")
def show_details(project_id):
    """Shows limits, and what is used. What has no limit is not counted, and so not named."""
    project = projects.find(tokens.actor(), project_id)
    standing = quotas.usage(project.id)["networks"]
    return jsonify(
        quota={"network": {"limit": standing.limit, "used": standing.used, "reserved": 0}}
    )


def _limits(networks: int) -> dict:
    return {"network": networks} | dict.fromkeys(UNLIMITED, NO_LIMIT)
