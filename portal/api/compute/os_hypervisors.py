"""Hosts, which clients call hypervisors: what they have and have promised, for administrators.

All of it is read from rows. Up to version 2.52 they have numbers and routes of their own for
searches; from 2.53 on UUIDs; from 2.88 on nothing that says how full they are.
https://docs.openstack.org/api-ref/compute/#hypervisors-os-hypervisors
"""

import json
from collections.abc import Iterable, Mapping

from flask import jsonify, request

from portal import words
from portal.api import faults, links, lists, microversions
from portal.api.compute import numbered
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Host, Resource
from portal.services import hosts, placement

PAGED, UUIDS, BARE = (2, 33), numbered.UUIDS, (2, 88)
QUERY = ("limit", "marker", "hypervisor_hostname_pattern", "with_servers")
GONE_LATER = (  # at BARE
    *("cpu_info", "current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb"),
    *("local_gb", "local_gb_used", "memory_mb", "memory_mb_used", "running_vms"),
    *("vcpus", "vcpus_used"),
)
CHANGES = dict.fromkeys(GONE_LATER, (None, BARE)) | {"uptime": (BARE, None)}

routes = Routes(__name__, "/v2.1/os-hypervisors")


@routes.get("")
def index():
    return jsonify(_listed(_brief))


@routes.get("/detail")
def detail():
    return jsonify(_listed(_shown))


@routes.get("/statistics")
def statistics():
    """Sums up what all hypervisors have and use."""
    every = hosts.every(tokens.actor())
    _only_before(BARE)
    rooms, guests = placement.room_of(every), hosts.guests_on(each.id for each in every)
    shown = [_amounts(each, rooms[each.id], len(guests[each.id])) for each in every]
    sums = {name: sum(each[name] for each in shown) for name in GONE_LATER if name != "cpu_info"}
    return jsonify(hypervisor_statistics=sums | {"count": len(every)})


@routes.get("/<hypervisor_id>")
def show(hypervisor_id):
    host = _find(hypervisor_id)
    [shown] = _all(_shown, [host])
    return jsonify(hypervisor=shown)


@routes.get("/<hypervisor_id>/uptime")
def uptime(hypervisor_id):
    """Shows how long a hypervisor has been up, as far as it says so."""
    host = _find(hypervisor_id)
    _only_before(BARE)
    if host.dark:
        raise faults.bad(f"Hypervisor {host.name} does not answer, so nothing is known of it.")
    return jsonify(hypervisor=_named(host) | {"uptime": _uptime(host)})


@routes.get("/<pattern>/search")
def search(pattern):
    """Finds hypervisors by a part of their name."""
    found = _matching(pattern)
    _only_before(UUIDS)
    return jsonify(hypervisors=[_named(each) for each in found])


@routes.get("/<pattern>/servers")
def servers(pattern):
    """Lists the servers on hypervisors, found by a part of their name."""
    found = _matching(pattern)
    _only_before(UUIDS)
    guests = hosts.guests_on(each.id for each in found)
    return jsonify(hypervisors=[_named(each) | _servers(guests[each.id]) for each in found])


def _listed(show) -> dict:
    found = hosts.every(tokens.actor())
    numbered.refuse_others(*QUERY)
    pattern = request.args.get("hypervisor_hostname_pattern")
    if pattern and microversions.agreed() >= UUIDS:
        found = _matching(pattern)
    if microversions.agreed() < PAGED:
        return {"hypervisors": _all(show, found)}
    found, more = numbered.stretch(
        found, missing=f"Marker {request.args.get('marker', '')[:80]} could not be found."
    )
    body = {"hypervisors": _all(show, found)}
    if more:
        href = links.here(marker=numbered.shown_id(found[-1]))
        body["hypervisors_links"] = [{"rel": "next", "href": href}]
    return body


def _all(show, found: list[Host]) -> list[dict]:
    rooms, guests = placement.room_of(found), hosts.guests_on(each.id for each in found)
    with_servers = lists.flag(request.args.get("with_servers") or "false")
    told = []
    for host in found:
        shown = show(host, rooms[host.id], guests[host.id])
        if with_servers and microversions.agreed() >= UUIDS:
            shown |= _servers(guests[host.id])
        told.append(shown)
    return told


def _find(hypervisor_id: str) -> Host:
    missing = f"Hypervisor with ID '{hypervisor_id[:80]}' could not be found."
    return numbered.find(hosts.every(tokens.actor()), hypervisor_id, missing)


def _matching(pattern: str) -> list[Host]:
    found = [each for each in hosts.every(tokens.actor()) if pattern in each.name]
    if not found:
        raise faults.Fault(404, f"No hypervisor matching '{pattern[:80]}' could be found.")
    return found


def _only_before(version: tuple[int, int]) -> None:
    if microversions.agreed() >= version:
        raise faults.Fault(404, "This is not there any more in the version that was asked for.")


def _named(host: Host) -> dict:
    return {
        "id": numbered.shown_id(host),
        "hypervisor_hostname": host.name,
        "state": "down" if host.dark else "up",
        "status": "enabled" if host.enabled else "disabled",
    }


def _brief(host: Host, _room, _guests) -> dict:
    return _named(host)


def _shown(host: Host, room: Mapping, guests: list) -> dict:
    reason = host.disabled_reason or None
    whole = {
        **_named(host),
        **_amounts(host, room, len(guests)),
        "host_ip": "127.0.0.1",  # by which nobody reaches it: hosts are spoken to by a queue
        "hypervisor_type": "fake" if host.driver == "fake" else "QEMU",
        "hypervisor_version": _version(host.versions.get("qemu", "")),
        "service": {
            "id": numbered.shown_id(host),
            "host": host.name,
            "disabled_reason": None if host.enabled else reason,
        },
        "uptime": None if host.dark else _uptime(host),
    }
    return microversions.fitting(whole, CHANGES)


def _amounts(host: Host, room: Mapping, guests: int) -> dict:
    used = {each: room[each].claimed for each in Resource}
    return {
        "vcpus": host.vcpus,
        "vcpus_used": used[Resource.VCPU],
        "memory_mb": host.memory_mib,
        "memory_mb_used": used[Resource.MEMORY],
        "free_ram_mb": host.memory_mib - used[Resource.MEMORY],
        "local_gb": host.disk_gib,
        "local_gb_used": used[Resource.DISK],
        "free_disk_gb": host.disk_gib - used[Resource.DISK],
        "disk_available_least": host.disk_free_gib,
        "current_workload": 0,
        "running_vms": guests,
        "cpu_info": {} if microversions.agreed() >= (2, 28) else json.dumps({}),
    }


def _servers(guests: Iterable) -> dict:
    shown = [{"uuid": str(each.id), "name": each.name} for each in guests]
    return {"servers": shown} if shown else {}


def _uptime(host: Host) -> str:
    """Since when it runs is in no row; that it does, and when it was heard, is."""
    return f"up, heard {words.since(host.heard_at)}"


def _version(text: str) -> int:
    """8.2.1 as libvirt writes it: 8002001."""
    parts = [int(each) for each in text.split(".")[:3] if each.isdigit()]
    major, minor, micro = (*parts, 0, 0, 0)[:3]
    return major * 1_000_000 + minor * 1000 + micro
