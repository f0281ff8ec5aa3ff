"""What lists of servers may be asked for: how they are narrowed, ordered and followed."""

import dataclasses
from collections.abc import Sequence

from flask import request

from portal.api import faults, lists, microversions
from portal.auth import tokens
from portal.models.status import WIRE
from portal.services.instances import reports
from portal.services.listing import Stretch

KNOWN = {each.status for each in WIRE.values()} | {  # statuses of Nova's
    *("HARD_REBOOT", "MIGRATING", "PASSWORD", "REBUILD", "RESCUE", "RESIZE", "REVERT_RESIZE"),
    *("SHELVED", "SHELVED_OFFLOADED", "SOFT_DELETED", "SUSPENDED", "UNKNOWN", "VERIFY_RESIZE"),
}
ALIKE = (  # what servers do not differ by here
    *("auto_disk_config", "config_drive", "progress", "kernel_id", "ramdisk_id"),
    *("root_device_name", "locked_by", "node", "availability_zone", "instance_type_id"),
)
SORTS = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "launched_at": "launched_at",
    "terminated_at": "deleted_at",
    "display_name": "name",
    "display_description": "description",
    "uuid": "id",
    "vm_state": "observed",
    "power_state": "observed",
    "task_state": "desired",
    "image_ref": "image_id",
    "access_ip_v4": "access_ipv4",
    "access_ip_v6": "access_ipv6",
    "locked": "locked",
    **{
        name: name
        for name in ("host", "hostname", "key_name", "launch_index", "project_id", "user_id")
    },
    **dict.fromkeys(ALIKE, "id"),
}


def _status(text: str) -> str:
    """A status; one that there is not finds nothing, and is refused since 2.38."""
    if microversions.agreed() >= (2, 38) and text.upper() not in KNOWN:
        raise faults.bad(f"Invalid status value: {text[:80]}")
    return lists.text(text)


def _tags(text: str) -> Sequence[str]:
    return tuple(each for each in lists.text(text).split(",") if each)


FILTERS = {
    "name": ("name", lists.text),
    "status": ("status", _status),
    "image": ("image_id", lists.an_id),
    "flavor": ("flavor_key", lists.text),
    "ip": ("address", lists.text),
    "ip6": ("address6", lists.text),
    "reservation_id": ("reservation_id", lists.text),
    "changes-since": ("changed_since", lists.moment),
    "changes-before": ("changed_before", lists.moment),
    "locked": ("locked", lists.flag),
    "tags": ("tags", _tags),
    "tags-any": ("any_tags", _tags),
    "not-tags": ("not_tags", _tags),
    "not-tags-any": ("not_any_tags", _tags),
    "uuid": ("id", lists.an_id),
    "key_name": ("key_name", lists.text),
    "access_ip_v4": ("access_ipv4", lists.text),
    "access_ip_v6": ("access_ipv6", lists.text),
    "user_id": ("user_id", lists.an_id),
}
ADMINISTRATORS = {  # what others may not ask for, which is passed over
    "deleted": ("deleted", lists.flag),
    "host": ("host", lists.text),
    "hostname": ("hostname", lists.text),
    "project_id": ("project_id", lists.an_id),
    "tenant_id": ("project_id", lists.an_id),
    "launch_index": ("launch_index", lists.whole),
}
SINCE = {  # filters that are passed over below a version
    "ip6": (2, 5),
    **dict.fromkeys(("tags", "tags-any", "not-tags", "not-tags-any"), (2, 26)),
    "changes-before": (2, 66),
    "locked": (2, 73),
}
LISTED = lists.Listed(
    "servers",
    sorts=SORTS,
    filters=FILTERS | ADMINISTRATORS,
    known=("all_tenants", *ALIKE, "vm_state", "task_state", "power_state", "description"),
    alone_from=(2, 75),
)


def found(*, bare: bool = False) -> tuple[list, bool]:
    """The servers that this request asks for, as far as whoever asks may; and whether there are
    more. Reports, or, of `bare` ones, rows of an id and a name."""
    actor, wanted = tokens.actor(), _wanted()
    project_id = None if _whole_cloud() else actor.project_id
    return reports.listed(actor, project_id, wanted, bare=bare)


def _wanted() -> Stretch:
    administrator = tokens.actor().may("cloud:read")
    filters = FILTERS | (ADMINISTRATORS if administrator else {})
    listed = dataclasses.replace(
        LISTED,
        filters={
            name: each
            for name, each in filters.items()
            if microversions.agreed() >= SINCE.get(name, (2, 1))
        },
        known=(*LISTED.known, *SINCE, *ADMINISTRATORS),
    )
    return lists.wanted(listed)


def _whole_cloud() -> bool:
    """Without a word it is asked for too; naming another project asks for it."""
    if "all_tenants" in request.args:
        return lists.flag(request.args["all_tenants"] or "1")
    named = {"project_id", "tenant_id"}.intersection(request.args)
    return bool(named) and tokens.actor().may("cloud:read")
