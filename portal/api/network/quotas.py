"""How much of what networks are made of a project may have.

https://docs.openstack.org/api-ref/network/v2/#quotas-extension-quotas
"""

from flask import Response, jsonify

from portal import config
from portal.api import bodies, faults, lists, schemas
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import projects, quotas

NO_LIMIT = quotas.NO_LIMIT
COUNTED = {  # by the names that Neutron has for them
    "network": "networks",
    "security_group": "security_groups",
    "security_group_rule": "security_group_rules",
}
UNLIMITED = ("port", "subnet")
LIMIT = {"type": ["integer", "string"], "pattern": "^(-1|[0-9]{1,10})$", "minimum": -1}
WISH = schemas.fields(
    {
        "quota": schemas.fields(
            **dict.fromkeys((*COUNTED, *UNLIMITED), LIMIT),
            force=lists.BOOLEAN,
            check_limit=lists.BOOLEAN,  # which is the way here, unless forced
        )
    }
)

routes = Routes(__name__, "/v2.0/quotas")


@routes.get("/<id:project_id>")
def show(project_id):
    """Shows the limits of a project."""
    standing = quotas.usage(projects.find(tokens.actor(), project_id).id)
    limits = {name: standing[ours].written for name, ours in COUNTED.items()}
    return jsonify(quota=_limits(limits))


@routes.get("/<id:project_id>/default")
def show_default(project_id):
    """Shows the limits that a project has unless they are changed."""
    projects.find(tokens.actor(), project_id)
    settings = config.current()
    limits = {name: getattr(settings, f"quota_{ours}") for name, ours in COUNTED.items()}
    return jsonify(quota=_limits(limits))


@routes.get("/<id:project_id>/details")
def show_details(project_id):
    """Shows limits, and what is used, also of what has no limit."""
    project = projects.find(tokens.actor(), project_id)
    standing = quotas.usage(project.id)
    told = {
        name: (standing[ours].written, standing[ours].used) for name, ours in COUNTED.items()
    } | {name: (NO_LIMIT, used) for name, used in quotas.unlimited(project.id).items()}
    return jsonify(
        quota={
            name: {"limit": limit, "used": used, "reserved": 0}
            for name, (limit, used) in told.items()
        }
    )


@routes.put("/<id:project_id>")
def change(project_id):
    """Sets limits of a project; -1 is no limit."""
    wish = bodies.read(WISH)["quota"]
    project = projects.find(tokens.actor(), project_id)
    for name in UNLIMITED:
        if int(wish.get(name, NO_LIMIT)) != NO_LIMIT:
            raise faults.bad(f"{name} has no limit here, and cannot be given one.")
    forced = lists.truth(wish.get("force", False))
    named = {ours: int(wish[name]) for name, ours in COUNTED.items() if name in wish}
    quotas.change(tokens.actor(), project.id, named, forced=forced)
    standing = quotas.usage(project.id)
    return jsonify(quota=_limits({name: standing[ours].written for name, ours in COUNTED.items()}))


@routes.delete("/<id:project_id>")
def reset(project_id):
    """Gives a project the limits back that all have."""
    project = projects.find(tokens.actor(), project_id)
    quotas.reset(tokens.actor(), project.id, COUNTED.values())
    return Response(status=204)


def _limits(limits: dict) -> dict:
    return limits | dict.fromkeys(UNLIMITED, NO_LIMIT)
