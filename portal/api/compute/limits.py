"""How much a project may have, and how much it has."""

from flask import jsonify

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
COUNTED = {"Instances": "instances", "Cores": "vcpus", "RAM": "memory_mib"}

routes = Routes(__name__, "/v2.1/limits")


@routes.get("")
def index():
    standing = quotas.standing(tokens.actor(), current_project())
    absolute = dict(FIXED)
    for name, ours in COUNTED.items():
        size = "Size" if name == "RAM" else ""
        absolute[f"maxTotal{name}{size}"] = standing[ours].limit
        absolute[f"total{name}Used"] = standing[ours].used
    return jsonify(limits={"rate": [], "absolute": absolute})
