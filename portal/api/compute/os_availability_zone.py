"""Zones that servers can be put into, and for administrators the hosts of each.

https://docs.openstack.org/api-ref/compute/#availability-zones-os-availability-zone
"""

from flask import jsonify

from portal.api import wire
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Host
from portal.services import aggregates, hosts

routes = Routes(__name__, "/v2.1/os-availability-zone")


@routes.get("")
def index():
    zones = aggregates.zones()
    return jsonify(availabilityZoneInfo=[_zone(name, zones[name], None) for name in zones])


@routes.get("/detail")
def detail():
    hosts.every(tokens.actor())
    zones = aggregates.zones()
    return jsonify(
        availabilityZoneInfo=[
            _zone(name, held, {each.name: {"nova-compute": _service(each)} for each in held})
            for name, held in zones.items()
        ]
    )


def _zone(name: str, held: list[Host], told: dict | None) -> dict:
    available = not held or any(each.enabled for each in held)
    return {"zoneName": name, "zoneState": {"available": available}, "hosts": told}


def _service(host: Host) -> dict:
    return {
        "active": host.enabled,
        "available": not host.dark,
        "updated_at": wire.zoneless(host.heard_at),
    }
