"""Zones that servers can be put into: there is one."""

from flask import jsonify

from portal.api import wire
from portal.api.compute.fields import ZONE
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Host
from portal.services import hosts

routes = Routes(__name__, "/v2.1/os-availability-zone")


@routes.get("")
def index():
    return jsonify(availabilityZoneInfo=[_zone(None)])


@routes.get("/detail")
def detail():
    found = {each.name: {"nova-compute": _service(each)} for each in hosts.every(tokens.actor())}
    return jsonify(availabilityZoneInfo=[_zone(found)])


def _zone(held: dict | None) -> dict:
    return {"zoneName": ZONE, "zoneState": {"available": True}, "hosts": held}


def _service(host: Host) -> dict:
    return {
        "active": host.enabled,
        "available": not host.dark,
        "updated_at": wire.zoneless(host.heard_at),
    }
