"""Instances as programs are told of them, many at once: read by columns instead of as objects.

Of a thousand, objects with all that hangs on them would take a second to load; so three statements
read the columns that are told, whatever their number, and nothing else.
"""

import dataclasses
import uuid
from collections.abc import Sequence

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import aliased

from portal.db import session
from portal.errors import NotFound
from portal.models import FixedIp, Host, Instance, Network, Operation, Port, Power, SecurityGroup
from portal.models.host import dark
from portal.models.port import port_groups
from portal.models.status import STANDSTILLS, Status, status
from portal.policies import Actor, authorize
from portal.services import finding
from portal.services.instances import filters
from portal.services.listing import Stretch, stretch

OWN = tuple(
    getattr(Instance, name)
    for name in (
        *("id", "name", "description", "properties", "tags", "project_id", "user_id"),
        *("created_at", "updated_at", "launched_at", "deleted_at", "host_id", "image_id"),
        *("flavor_name", "flavor_key", "extra_specs", "vcpus", "memory_mib", "disk_gib"),
        *("key_name", "hostname", "access_ipv4", "access_ipv6", "locked", "locked_reason"),
        *("reservation_id", "launch_index", "fault", "desired", "observed", "observed_reason"),
        *("zone", "placement_group_id"),
    )
)
CHANGE, END = aliased(Operation), aliased(Operation)  # of the instance, and of its project
SEEN = (
    select(
        *OWN,
        Host.name.label("host_name"),
        Host.zone.label("host_zone"),
        Host.heard_at.label("host_heard_at"),
        Host.enabled.label("host_enabled"),
        CHANGE.action.label("action"),
        END.id.label("end_of_project_id"),
    )
    .select_from(Instance)
    .outerjoin(Host, Host.id == Instance.host_id)
    .outerjoin(CHANGE, (CHANGE.target_id == Instance.id) & CHANGE.finished_at.is_(None))
    .outerjoin(END, (END.target_id == Instance.project_id) & END.finished_at.is_(None))
)
DISTINCT_GROUPS = (
    select(Port.owner_id, SecurityGroup.name)
    .join(port_groups, port_groups.c.port_id == Port.id)
    .join(SecurityGroup, SecurityGroup.id == port_groups.c.group_id)
    .distinct()
    .order_by(SecurityGroup.name)
)
PLACES = (
    select(Port.owner_id, Network.name, Port.mac, FixedIp.address)
    .join(Network, Network.id == Port.network_id)
    .join(FixedIp, FixedIp.port_id == Port.id)
    .order_by(Port.created_at, Port.id, FixedIp.created_at, FixedIp.id)
)


@dataclasses.dataclass(slots=True)
class Report:
    """One instance: `of` has its columns, those of `OWN`, and of its host."""

    of: Row
    status: Status
    places: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    """(network, MAC, address) of each address that it has."""
    groups: list[str] = dataclasses.field(default_factory=list)
    user_data: str | None = None  # where it is asked for

    @property
    def host_dark(self) -> bool:
        """Whether its host has not been heard for so long that this may be old."""
        return dark(self.of.host_heard_at)


def listed(
    actor: Actor, project_id: uuid.UUID | None, wanted: Stretch, *, bare: bool = False
) -> tuple[list, bool]:
    """A part of the project's instances, or, without a project, of those of the whole cloud; and
    whether there are more. Those that are deleted are among them only where `wanted` asks for
    them. Reports, or, of `bare` ones, rows of an id and a name."""
    authorize(actor, *(("instances:read", project_id) if project_id else ("cloud:read",)))
    query = select(Instance.id, Instance.name) if bare else SEEN
    if project_id:
        query = query.where(Instance.project_id == project_id)
    deleted = any(each.upper() == "DELETED" for each in wanted.filters.get("status", ()))
    if deleted:
        authorize(actor, "cloud:read")
    if not deleted and not filters.DELETED_TOO.intersection(wanted.filters):
        query = query.where(Instance.deleted_at.is_(None))
    rows, more = stretch(query, wanted, filters.COLUMNS, filters=filters.FILTERS, rows=True)
    return (rows if bare else _completed(rows)), more


def one(
    actor: Actor, project_id: uuid.UUID | None, instance_id: uuid.UUID, *, scripts: bool = False
) -> Report:
    """The instance; with its user data, if `scripts` are wanted. Raises NotFound."""
    authorize(actor, *(("instances:read", project_id) if project_id else ("cloud:read",)))
    query = SEEN.where(Instance.id == instance_id, Instance.deleted_at.is_(None))
    if project_id:
        query = query.where(Instance.project_id == project_id)
    found = _completed(session.execute(query).all())
    if not found:
        raise NotFound.saying(finding.KINDS[Instance].missing)
    if scripts:
        text = select(Instance.user_data).where(Instance.id == instance_id)
        found[0].user_data = session.scalar(text)
    return found[0]


def _completed(rows: Sequence[Row]) -> list[Report]:
    reports = {row.id: Report(row, _status(row)) for row in rows}
    there = [row.id for row in rows if not row.deleted_at]
    for owner_id, *place in _of(PLACES, there):
        reports[owner_id].places.append(tuple(place))
    for owner_id, name in _of(DISTINCT_GROUPS, there):
        reports[owner_id].groups.append(name)
    return list(reports.values())


def _of(query: Select, owner_ids: Sequence[uuid.UUID]) -> Sequence[Row]:
    return session.execute(query.where(Port.owner_id.in_(owner_ids))).all() if owner_ids else ()


def _status(row: Row) -> Status:
    """What `Instance.status` says, of a row."""
    if row.deleted_at:
        return Status.DELETED
    absent = row.desired is Power.ABSENT
    goes_with_project = absent and row.action is None and row.end_of_project_id is not None
    return status(
        row.desired,
        row.observed,
        action="delete" if goes_with_project else row.action,
        faulty=bool(row.fault),
        still=row.observed is Power.RUNNING and row.observed_reason in STANDSTILLS,
    )
