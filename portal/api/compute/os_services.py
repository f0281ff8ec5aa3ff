"""What runs where, for administrators: one service a host. Taking it out of service is our
maintenance of the host.

Up to version 2.52 services have numbers and a route for each change; from 2.53 on UUIDs and one.
https://docs.openstack.org/api-ref/compute/#compute-services-os-services
"""

from flask import jsonify, request

from portal.api import bodies, faults, microversions, schemas, wire
from portal.api.compute import numbered
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Host
from portal.services import hosts

BINARY = "nova-compute"
FORCED, UUIDS = (2, 11), numbered.UUIDS
NAME = schemas.text(1)
WHERE = {"host": NAME, "binary": NAME}
REASON = schemas.text(1)
STATUS = {"type": "string", "enum": ["enabled", "disabled"]}
NOT_FORCED = schemas.FLAG | {"enum": [False]}  # a host is away when it is not heard
WITH_REASON = WHERE | {"disabled_reason": REASON}
FORCED_DOWN = WHERE | {"forced_down": NOT_FORCED}

routes = Routes(__name__, "/v2.1/os-services")


@routes.get("")
def index():
    found = hosts.every(tokens.actor())
    numbered.refuse_others("host", "binary")
    name, binary = request.args.get("host"), request.args.get("binary", BINARY)
    found = [each for each in found if binary == BINARY and name in (None, each.name)]
    return jsonify(services=[_shown(each) for each in found])


@routes.put("/<any(enable,disable):wish>", body=schemas.fields(WHERE))
def switch(wish):
    """Takes a host out of service, or back into it."""
    host, _ = _named(WHERE)
    enabled = wish == "enable"
    host = hosts.enable(tokens.actor(), host.id, enabled=enabled)
    return jsonify(service=_brief(host) | {"status": f"{wish}d"})


@routes.put("/disable-log-reason", body=schemas.fields(WITH_REASON))
def disable_log_reason():
    """Takes a host out of service, and says why."""
    host, wish = _named(WITH_REASON)
    reason = wish["disabled_reason"]
    host = hosts.enable(tokens.actor(), host.id, enabled=False, reason=reason)
    return jsonify(
        service=_brief(host) | {"status": "disabled", "disabled_reason": host.disabled_reason}
    )


@routes.put("/force-down", body=schemas.fields(FORCED_DOWN))
def force_down():
    """Says that a host is not forced down, which none is here."""
    host, _ = _named(FORCED_DOWN, since=FORCED)
    return jsonify(service=_brief(host) | {"forced_down": False})


@routes.put("/<hypervisor_id>")
def update(hypervisor_id):
    wish = bodies.read(
        schemas.fields(status=STATUS, disabled_reason=schemas.maybe(REASON), forced_down=NOT_FORCED)
    )
    found = hosts.every(tokens.actor())
    if microversions.agreed() < UUIDS:
        raise faults.Fault(404, "There is nothing at this path.")
    host = numbered.find(found, hypervisor_id, f"Service {hypervisor_id[:80]} could not be found.")
    if not wish:
        raise faults.bad("No updates were requested. Fields 'status' or 'forced_down' are known.")
    reason = wish.get("disabled_reason")
    if reason and wish.get("status") != "disabled":
        raise faults.bad("Specifying disabled_reason requires that status is 'disabled'.")
    if "status" in wish:
        enabled = wish["status"] == "enabled"
        hosts.enable(tokens.actor(), host.id, enabled=enabled, reason=reason or "")
    return jsonify(service=_shown(hosts.find(tokens.actor(), host.id)))


def _named(known: dict, *, since: tuple[int, int] = (2, 1)) -> tuple[Host, dict]:
    """The host that a body names, and the body. Raises Fault."""
    wish = bodies.read(schemas.fields(known))
    found = hosts.every(tokens.actor())
    if not since <= microversions.agreed() < UUIDS:
        raise faults.Fault(404, "There is nothing at this path in the version that was asked for.")
    host = next((each for each in found if each.name == wish["host"]), None)
    if host is None or wish["binary"] != BINARY:
        raise faults.Fault(
            404, f"Could not find binary {wish['binary'][:80]} on host {wish['host'][:80]}."
        )
    return host, wish


def _brief(host: Host) -> dict:
    return {"binary": BINARY, "host": host.name}


def _shown(host: Host) -> dict:
    whole = {
        "id": numbered.shown_id(host),
        **_brief(host),
        "zone": host.zone,
        "status": "enabled" if host.enabled else "disabled",
        "state": "down" if host.dark else "up",
        "updated_at": wire.zoneless(host.heard_at),
        "disabled_reason": None if host.enabled else host.disabled_reason or None,
        "forced_down": False,
    }
    return microversions.fitting(whole, {"forced_down": (FORCED, None)})
