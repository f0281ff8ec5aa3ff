"""What projects used in a time.

https://docs.openstack.org/api-ref/compute/#usage-reports-os-simple-tenant-usage
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from flask import jsonify, request

from portal.api import faults, links, lists, microversions, wire
from portal.api.routes import Routes
from portal.auth import tokens
from portal.db import now
from portal.services import projects, usage
from portal.services.usage import Use

PAGED = (2, 40)
LOOKS_BACK = timedelta(weeks=4)  # where nobody says from when

routes = Routes(__name__, "/v2.1/os-simple-tenant-usage")


@routes.get("")
def index():
    start, stop = _time()
    used, more = usage.of_cloud(tokens.actor(), start, stop, **_part())
    detailed = request.args.get("detailed") == "1"
    told = [
        _shown(project_id, each, start, stop, detailed=detailed)
        for project_id, each in usage.by_project(used).items()
    ]
    return jsonify({"tenant_usages": told} | _links("tenant_usages", used, more=more))


@routes.get("/<id:project_id>")
def show(project_id):
    project = projects.find(tokens.actor(), project_id)
    start, stop = _time()
    used, more = usage.of_project(tokens.actor(), project.id, start, stop, **_part())
    told = _shown(project.id, used, start, stop, detailed=True) if used else {}
    return jsonify({"tenant_usage": told} | _links("tenant_usage", used, more=more))


def _time() -> tuple[datetime, datetime]:
    """From when to when. Raises Fault for what is no moment."""
    stop = lists.moment(request.args["end"]) if "end" in request.args else now()
    start = lists.moment(request.args["start"]) if "start" in request.args else stop - LOOKS_BACK
    return start, stop


def _part() -> dict:
    """Raises Fault for what cannot be meant."""
    if microversions.agreed() < PAGED:
        return {}
    limit = lists.whole(request.args.get("limit", str(lists.MOST)))
    if limit < 0:
        raise faults.bad(f"A limit is 0 or more, and not {limit}.")
    marker = request.args.get("marker")
    after = (wire.as_id(marker) or lists.NEVER) if marker else None
    return {"limit": min(limit, lists.MOST) or lists.MOST, "after": after}


def _links(noun: str, used: Sequence[Use], *, more: bool) -> dict:
    if not more:
        return {}
    href = links.here(marker=used[-1].instance_id)
    return {f"{noun}_links": [{"rel": "next", "href": href}]}


def _shown(
    project_id: uuid.UUID, used: Sequence[Use], start: datetime, stop: datetime, *, detailed: bool
) -> dict:
    told = {
        "tenant_id": wire.short(project_id),
        "start": wire.zoneless(start),
        "stop": wire.zoneless(stop),
        "total_hours": sum(each.hours for each in used),
        "total_vcpus_usage": sum(each.hours * each.vcpus for each in used),
        "total_memory_mb_usage": sum(each.hours * each.memory_mib for each in used),
        "total_local_gb_usage": sum(each.hours * each.disk_gib for each in used),
    }
    return told | ({"server_usages": [_of_server(each) for each in used]} if detailed else {})


def _of_server(use: Use) -> dict:
    return {
        "instance_id": str(use.instance_id),
        "name": use.name,
        "tenant_id": wire.short(use.project_id),
        "flavor": use.flavor_name,
        "vcpus": use.vcpus,
        "memory_mb": use.memory_mib,
        "local_gb": use.disk_gib,
        "started_at": wire.zoneless(use.began_at),
        "ended_at": wire.zoneless(use.ended_at),
        "hours": use.hours,
        "uptime": int(use.age.total_seconds()),
        "state": "terminated" if use.ended_at else "active",
    }
