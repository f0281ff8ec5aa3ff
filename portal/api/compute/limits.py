"""How much a project may have, and how much it has."""

from flask import jsonify, request

from portal.api import lists, microversions, wire
from portal.api.compute.places import current_project
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import quotas
from portal.services.details import MOST_PROPERTIES
from portal.services.key_pairs import MOST as MOST_KEYS

FIXED = {
    "maxServerMeta": MOST_PROPERTIES,
    "maxImageMeta": MOST_PROPERTIES,
    "maxTotalKeypairs": MOST_KEYS,
    "maxSecurityGroups": -1,  # nobody counts them
    "maxSecurityGroupRules": -1,
    "totalSecurityGroupsUsed": 0,
    **dict.fromkeys(  # what is not there
        (
            "maxPersonality",
            "maxPersonalitySize",
            "maxServerGroups",
            "maxServerGroupMembers",
            "maxTotalFloatingIps",
            "totalServerGroupsUsed",
            "totalFloatingIpsUsed",
        ),
        0,
    ),
}
CHANGES = {
    **dict.fromkeys(  # what the service of networks says since then
        (
            "maxSecurityGroups",
            "maxSecurityGroupRules",
            "maxTotalFloatingIps",
            "totalSecurityGroupsUsed",
            "totalFloatingIpsUsed",
        ),
        (None, (2, 36)),
    ),
    "maxImageMeta": (None, (2, 39)),
    "maxPersonality": (None, (2, 57)),
    "maxPersonalitySize": (None, (2, 57)),
}
COUNTED = {"Instances": "instances", "Cores": "vcpus", "RAM": "memory_mib"}

routes = Routes(__name__, "/v2.1/limits")


@routes.get("")
def index():
    if microversions.agreed() >= (2, 75):
        lists.refuse_others(("reserved", "tenant_id"))
    named = request.args.get("tenant_id")
    project_id = (wire.as_id(named) or lists.NEVER) if named else current_project()
    standing = quotas.standing(tokens.actor(), project_id)
    absolute = microversions.fitting(FIXED, CHANGES)
    for name, ours in COUNTED.items():
        size = "Size" if name == "RAM" else ""
        absolute[f"maxTotal{name}{size}"] = standing[ours].written
        absolute[f"total{name}Used"] = standing[ours].used
    return jsonify(limits={"rate": [], "absolute": absolute})
