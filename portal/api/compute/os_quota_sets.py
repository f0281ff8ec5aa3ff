"""How much a project may have, set and taken back by administrators of the cloud.

https://docs.openstack.org/api-ref/compute/#quota-sets-os-quota-sets
"""

import uuid

from flask import Response, jsonify

from portal import config
from portal.api import bodies, faults, microversions, schemas, wire
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import projects, quotas
from portal.services.details import MOST_PROPERTIES
from portal.services.key_pairs import MOST as MOST_KEYS

COUNTED = {  # by the names that Nova has for them
    "instances": "instances",
    "cores": "vcpus",
    "ram": "memory_mib",
    "security_groups": "security_groups",
    "security_group_rules": "security_group_rules",
    "server_groups": "placement_groups",
    "server_group_members": "placement_group_members",
}
SAME_FOR_ALL = {"metadata_items": MOST_PROPERTIES, "key_pairs": MOST_KEYS} | dict.fromkeys(
    ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes"), 0
)
NETWORKS_END, FILES_END = (2, 36), (2, 57)
CHANGES = dict.fromkeys(
    ("fixed_ips", "floating_ips", "security_groups", "security_group_rules"), (None, NETWORKS_END)
) | dict.fromkeys(
    ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes"),
    (None, FILES_END),
)
LIMIT = {"type": ["integer", "string"], "pattern": "^(-1|[0-9]{1,10})$", "minimum": -1}
FORCE = {"type": ["boolean", "string"]}

routes = Routes(__name__, "/v2.1/os-quota-sets/<id:project_id>")


@routes.get("")
def show(project_id):
    standing = quotas.standing(tokens.actor(), _project(project_id))
    limits = {name: standing[ours].written for name, ours in _counted().items()}
    return jsonify(quota_set=_whole(limits) | {"id": wire.short(project_id)})


@routes.get("/defaults")
def defaults(project_id):
    """Shows the limits that a project has unless they are changed."""
    _project(project_id)
    settings = config.current()
    limits = {name: getattr(settings, f"quota_{ours}") for name, ours in _counted().items()}
    return jsonify(quota_set=_whole(limits) | {"id": wire.short(project_id)})


@routes.get("/detail")
def detail(project_id):
    standing = quotas.standing(tokens.actor(), _project(project_id))
    limits = {name: standing[ours].written for name, ours in _counted().items()}
    used = {name: standing[ours].used for name, ours in _counted().items()}
    told = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
        for name, limit in _whole(limits).items()
    }
    return jsonify(quota_set=told | {"id": wire.short(project_id)})


@routes.put("")
def change(project_id):
    known = _whole(dict.fromkeys(_counted(), quotas.NO_LIMIT))
    limits = dict.fromkeys(known, LIMIT)
    wish = bodies.read(schemas.fields({"quota_set": schemas.fields(force=FORCE, **limits)}))
    asked = dict(wish["quota_set"])
    forced = str(asked.pop("force", False)).lower() == "true"
    for name, limit in asked.items():
        if name not in _counted() and int(limit) != known[name]:
            raise faults.bad(f"{name} is {known[name]} in every project here, and cannot be set.")
    named = {_counted()[name]: int(each) for name, each in asked.items() if name in _counted()}
    quotas.change(tokens.actor(), project_id, named, forced=forced)
    standing = quotas.usage(project_id)
    limits = {name: standing[ours].written for name, ours in _counted().items()}
    return jsonify(quota_set=_whole(limits))


@routes.delete("")
def reset(project_id):
    quotas.reset(tokens.actor(), project_id, _counted().values())
    return Response(status=202)


def _project(project_id: uuid.UUID) -> uuid.UUID:
    return projects.find(tokens.actor(), project_id).id


def _counted() -> dict[str, str]:
    """What is counted here of what Nova knows."""
    return {name: ours for name, ours in COUNTED.items() if ours in quotas.RESOURCES}


def _whole(limits: dict) -> dict:
    """All that this version names; what is not counted here has no limit."""
    every = [*COUNTED, "fixed_ips", "floating_ips"]
    whole = dict.fromkeys(every, quotas.NO_LIMIT) | SAME_FOR_ALL | limits
    return microversions.fitting(whole, CHANGES)
