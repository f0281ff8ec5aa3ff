"""Zones of the hosts that networks reach, which are all of them.

https://docs.openstack.org/api-ref/network/v2/#availability-zones
"""

from flask import jsonify

from portal.api.routes import Routes
from portal.services import aggregates

routes = Routes(__name__, "/v2.0/availability_zones")


@routes.get("")
def index():
    zones = aggregates.zones()
    return jsonify(
        availability_zones=[
            {"name": name, "resource": "network", "state": _state(held)}
            for name, held in zones.items()
        ]
    )


def _state(held: list) -> str:
    return "available" if not held or any(each.enabled for each in held) else "unavailable"
