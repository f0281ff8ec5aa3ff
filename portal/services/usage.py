"""What projects used in a time: from kept intervals, so that it stays true when instances change
their size or are gone."""

import dataclasses
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Select, or_, select, update

from portal.db import now, session, write
from portal.errors import Refused
from portal.models import Instance, UsageInterval
from portal.policies import Actor, authorize

HOUR = timedelta(hours=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Use:
    """One instance at one size, as far as it falls into the time that was asked about."""

    project_id: uuid.UUID
    instance_id: uuid.UUID
    name: str
    flavor_name: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    began_at: datetime
    ended_at: datetime | None
    span: timedelta

    @property
    def hours(self) -> float:
        """How long it was, of the time that was asked about."""
        return self.span / HOUR

    @property
    def age(self) -> timedelta:
        """How long it has been, or was, in all."""
        return (self.ended_at or now()) - self.began_at


def begin(instances: Iterable[Instance]) -> None:
    """These instances have the size that they have from their launch on. For use inside a
    change."""
    write(
        UsageInterval,
        [
            {
                "project_id": each.project_id,
                "instance_id": each.id,
                "flavor_name": each.flavor_name,
                "vcpus": each.vcpus,
                "memory_mib": each.memory_mib,
                "disk_gib": each.disk_gib,
                "began_at": each.launched_at,
            }
            for each in instances
        ],
    )


def end(instance_id: uuid.UUID) -> None:
    """The instance uses nothing from now on. For use inside a change."""
    session.execute(
        update(UsageInterval)
        .where(UsageInterval.instance_id == instance_id, UsageInterval.ended_at.is_(None))
        .values(ended_at=now())
    )


def of_project(
    actor: Actor, project_id: uuid.UUID, start: datetime, stop: datetime, **part
) -> tuple[list[Use], bool]:
    """What instances of the project used in this time, by the instance, and whether there is more.
    `part` is as of `of_cloud`. Raises NotFound, Refused."""
    authorize(actor, "instances:read", project_id)
    return _used(start, stop, UsageInterval.project_id == project_id, **part)


def of_cloud(actor: Actor, start: datetime, stop: datetime, **part) -> tuple[list[Use], bool]:
    """What instances of all projects used in this time, by the instance, and whether there is
    more. `part` may hold `limit`, how many instances, and `after`, behind which. Raises Refused."""
    authorize(actor, "cloud:read")
    return _used(start, stop, **part)


def by_project(used: Iterable[Use]) -> dict[uuid.UUID, list[Use]]:
    """What was used, by the project whose instances used it."""
    found: dict[uuid.UUID, list[Use]] = {}
    for each in used:
        found.setdefault(each.project_id, []).append(each)
    return found


def _used(
    start: datetime,
    stop: datetime,
    *where,
    limit: int | None = None,
    after: uuid.UUID | None = None,
) -> tuple[list[Use], bool]:
    if start >= stop:
        raise Refused(
            "Invalid start time. The start time cannot occur after the end time.", field="start"
        )
    within = (
        *where,
        UsageInterval.began_at < stop,
        or_(UsageInterval.ended_at.is_(None), UsageInterval.ended_at > start),
    )
    ids = select(UsageInterval.instance_id).where(*within).distinct()
    if after is not None:
        _require(ids, after)
        ids = ids.where(UsageInterval.instance_id > after)
    if limit is not None:
        ids = ids.order_by(UsageInterval.instance_id).limit(limit + 1)
        named = session.scalars(ids).all()
        more, ids = len(named) > limit, named[:limit]
    else:
        more = False
    rows = session.execute(
        select(UsageInterval.__table__, Instance.name)
        .join(Instance, Instance.id == UsageInterval.instance_id)
        .where(*within, UsageInterval.instance_id.in_(ids))
        .order_by(UsageInterval.instance_id, UsageInterval.began_at)
    )
    return [_use(row, start, stop) for row in rows], more


def _require(ids: Select, after: uuid.UUID) -> None:
    if session.scalar(ids.where(UsageInterval.instance_id == after)) is None:
        raise Refused("marker [{marker}] not found", marker=after, field="marker")


def _use(row, start: datetime, stop: datetime) -> Use:
    names = {each.name for each in dataclasses.fields(Use)} - {"span"}
    known = {name: row._mapping[name] for name in names}
    last = min(each for each in (row.ended_at, stop, now()) if each is not None)
    span = max(last - max(row.began_at, start), timedelta())
    return Use(**known, span=span)
