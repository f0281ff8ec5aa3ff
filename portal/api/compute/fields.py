"""What a server looks like: one table of its fields, each with the versions that have it."""

import base64
import dataclasses
import functools
import hashlib
import uuid
from collections.abc import Callable
from typing import NamedTuple

from portal.api import links, microversions, wire
from portal.models.status import WIRE, Status
from portal.policies import Actor
from portal.services.instances.reports import Report

PROGRESSING = {"ACTIVE", "BUILD", "DELETED", "REBUILD"}  # statuses of which a progress is told
FAULTY = {Status.ERROR, Status.DELETED}
FIRST, NEVER = (2, 1), (3, 0)


class Field(NamedTuple):
    """From which version a field is there, and how it is said of an instance. Whoever changes an
    instance is answered in fewer fields than whoever looks at it, up to 2.75."""

    say: Callable[["Look", Report], object]
    since: tuple[int, int] = FIRST
    until: tuple[int, int] = NEVER
    changed_since: tuple[int, int] = (2, 75)
    administrators: bool = False  # they alone are told
    listed: bool = True  # also of many at once
    everybody_since: tuple[int, int] = NEVER  # where at first administrators alone were told


@dataclasses.dataclass(frozen=True)
class Look:
    """Who is told of servers, in which version, and below which URL."""

    version: tuple[int, int]
    root: str
    administrator: bool
    changed: bool = False
    listed: bool = False

    @functools.cached_property
    def fields(self) -> dict[str, Callable]:
        """What of FIELDS is told."""
        return {name: each.say for name, each in FIELDS.items() if self._tells(each)}

    def tell(self, report: Report) -> dict:
        """A server as clients see it."""
        told = {name: say(self, report) for name, say in self.fields.items()}
        status = told["status"]
        if report.status in FAULTY and report.of.fault:
            created = wire.rough(report.of.updated_at)
            told["fault"] = {"code": 500, "message": report.of.fault, "created": created}
        if status in PROGRESSING:
            told["progress"] = 0 if status == "BUILD" else 100
        return told

    def _tells(self, field: Field) -> bool:
        since = max(field.since, field.changed_since) if self.changed else field.since
        told = self.administrator or not field.administrators
        return (
            since <= self.version < field.until
            and (told or self.version >= field.everybody_since)
            and (field.listed or not self.listed)
        )


def look(actor: Actor, *, changed: bool = False, listed: bool = False) -> Look:
    """How `actor` is told of servers by this request."""
    version, administrator = microversions.agreed(), actor.may("hosts:read")
    return Look(version, links.to("/compute"), administrator, changed, listed)


def brief(row, root: str) -> dict:
    """A server where many are named, of which the id and the name are known."""
    return {"id": str(row.id), "name": row.name, "links": _links(root, "servers", row.id)}


def addresses(report: Report, *, exact: bool = True) -> dict[str, list[dict]]:
    """Where a server is reached, by the name of the network; of which kind and by which MAC too,
    if it shall be `exact`."""
    found: dict[str, list[dict]] = {}
    for network, mac, address in report.places:
        place = {"version": 6 if ":" in address else 4, "addr": address}
        if exact:
            place |= {"OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": mac}
        found.setdefault(network, []).append(place)
    return found


def _links(root: str, noun: str, thing_id) -> list[dict]:
    return [
        {"rel": "self", "href": f"{root}/v2.1/{noun}/{thing_id}"},
        {"rel": "bookmark", "href": f"{root}/{noun}/{thing_id}"},
    ]


@functools.lru_cache(maxsize=4096)
def _host_id(project_id: uuid.UUID, host_id: uuid.UUID | None) -> str:
    """Tells servers of one project apart by their hosts, and says nothing of the host itself."""
    if host_id is None:
        return ""
    return hashlib.sha224(f"{project_id}{host_id}".encode()).hexdigest()


def _image(look: Look, report: Report) -> dict | str:
    image_id = report.of.image_id
    if image_id is None:
        return ""
    href = f"{look.root}/images/{image_id}"
    return {"id": str(image_id), "links": [{"rel": "bookmark", "href": href}]}


def _flavor(look: Look, report: Report) -> dict:
    """By its id, and since 2.47 by what it was when the server was made."""
    of = report.of
    if look.version < (2, 47):
        href = f"{look.root}/flavors/{of.flavor_key}"
        return {"id": of.flavor_key, "links": [{"rel": "bookmark", "href": href}]}
    return {
        "original_name": of.flavor_name,
        "vcpus": of.vcpus,
        "ram": of.memory_mib,
        "disk": of.disk_gib,
        "ephemeral": 0,
        "swap": 0,
        "extra_specs": of.extra_specs,
    }


def _host_status(_look: Look, report: Report) -> str:
    if report.of.host_id is None:
        return ""
    if not report.of.host_enabled:
        return "MAINTENANCE"
    return "UNKNOWN" if report.host_dark else "UP"


def _server_groups(_look: Look, report: Report) -> list[str]:
    group_id = report.of.placement_group_id
    return [str(group_id)] if group_id else []


def _user_data(_look: Look, report: Report) -> str | None:
    text = report.user_data
    return base64.b64encode(text.encode()).decode() if text else None


def _always(value) -> Callable[[Look, Report], object]:
    return lambda _look, _report: value


# fmt: off
SINCE_EVER = {"changed_since": FIRST}  # also for who changes it
FIELDS = {
    "id": Field(lambda _, it: str(it.of.id), **SINCE_EVER),
    "name": Field(lambda _, it: it.of.name, **SINCE_EVER),
    "status": Field(lambda _, it: WIRE[it.status].status, **SINCE_EVER),
    "tenant_id": Field(lambda _, it: it.of.project_id.hex, **SINCE_EVER),
    "user_id": Field(lambda _, it: it.of.user_id.hex, **SINCE_EVER),
    "metadata": Field(lambda _, it: it.of.properties, **SINCE_EVER),
    "hostId": Field(lambda _, it: _host_id(it.of.project_id, it.of.host_id), **SINCE_EVER),
    "image": Field(_image, **SINCE_EVER),
    "flavor": Field(_flavor, **SINCE_EVER),
    "created": Field(lambda _, it: wire.rough(it.of.created_at), **SINCE_EVER),
    "updated": Field(lambda _, it: wire.rough(it.of.updated_at), **SINCE_EVER),
    "addresses": Field(
        lambda look, it: addresses(it, exact=not look.changed or look.version >= (2, 75)),
        **SINCE_EVER,
    ),
    "accessIPv4": Field(lambda _, it: it.of.access_ipv4, **SINCE_EVER),
    "accessIPv6": Field(lambda _, it: it.of.access_ipv6, **SINCE_EVER),
    "links": Field(lambda look, it: _links(look.root, "servers", it.of.id), **SINCE_EVER),
    "OS-DCF:diskConfig": Field(_always("MANUAL"), **SINCE_EVER),
    "OS-EXT-AZ:availability_zone": Field(lambda _, it: it.of.host_zone or ""),
    "config_drive": Field(_always("True")),  # every guest has one
    "key_name": Field(lambda _, it: it.of.key_name or None),
    "OS-SRV-USG:launched_at": Field(lambda _, it: wire.zoneless(it.of.launched_at)),
    "OS-SRV-USG:terminated_at": Field(lambda _, it: wire.zoneless(it.of.deleted_at)),
    "OS-EXT-STS:task_state": Field(lambda _, it: WIRE[it.status].task_state),
    "OS-EXT-STS:vm_state": Field(lambda _, it: WIRE[it.status].vm_state),
    "OS-EXT-STS:power_state": Field(lambda _, it: WIRE[it.status].power_state),
    "os-extended-volumes:volumes_attached": Field(lambda *_: []),
    "security_groups": Field(lambda _, it: [{"name": each} for each in it.groups]),
    "OS-EXT-SRV-ATTR:host": Field(lambda _, it: it.of.host_name, administrators=True),
    "OS-EXT-SRV-ATTR:hypervisor_hostname": Field(
        lambda _, it: it.of.host_name, administrators=True
    ),
    "OS-EXT-SRV-ATTR:instance_name": Field(
        lambda _, it: f"instance-{it.of.id}", administrators=True
    ),
    "OS-EXT-SRV-ATTR:reservation_id": Field(
        lambda _, it: it.of.reservation_id, (2, 3), administrators=True
    ),
    "OS-EXT-SRV-ATTR:launch_index": Field(
        lambda _, it: it.of.launch_index, (2, 3), administrators=True
    ),
    "OS-EXT-SRV-ATTR:hostname": Field(
        lambda _, it: it.of.hostname, (2, 3), administrators=True, everybody_since=(2, 90)
    ),
    "OS-EXT-SRV-ATTR:kernel_id": Field(_always(""), (2, 3), administrators=True),
    "OS-EXT-SRV-ATTR:ramdisk_id": Field(_always(""), (2, 3), administrators=True),
    "OS-EXT-SRV-ATTR:root_device_name": Field(_always("/dev/vda"), (2, 3), administrators=True),
    "OS-EXT-SRV-ATTR:user_data": Field(_user_data, (2, 3), administrators=True, listed=False),
    "locked": Field(lambda _, it: it.of.locked, (2, 9), **SINCE_EVER),
    "host_status": Field(_host_status, (2, 16), administrators=True),
    "description": Field(lambda _, it: it.of.description or None, (2, 19), **SINCE_EVER),
    "tags": Field(lambda _, it: it.of.tags, (2, 26), **SINCE_EVER),
    "trusted_image_certificates": Field(_always(None), (2, 63), **SINCE_EVER),
    "server_groups": Field(_server_groups, (2, 71), listed=False, **SINCE_EVER),
    "locked_reason": Field(lambda _, it: it.of.locked_reason or None, (2, 73), **SINCE_EVER),
    "pinned_availability_zone": Field(lambda _, it: it.of.zone or None, (2, 96), **SINCE_EVER),
}
# fmt: on
