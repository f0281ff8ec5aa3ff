"""Tables of hosts: what is held is written down, and what is not as it is wanted is sent.

A table needs no operation and is never busy. Whoever must not end before a host holds it (a
create, say) has a task of its own for it; all others hear of it by a task without an operation,
one at a time for each table, however much has changed.
"""

import logging
import uuid
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Row, and_, case, exists, or_, select, text

from portal.changes import TABLE_DEADLINE
from portal.conductor.noun import Reports
from portal.conductor.repairs import (
    ANSWERS,
    BACKOFF,
    MOST_AT_A_TIME,
    at_present,
    count_repair,
    may_be_mended,
    still_due,
)
from portal.db import now, session
from portal.models import Host, Operation, Scope, Task
from portal.models.scope import UNSETTLED
from portal.services import scopes
from workers.specs import Held, Observation

log = logging.getLogger(__name__)

LONGEST_STALE = timedelta(minutes=8)  # between two sendings of a table that fail

UNDER_WAY = (
    exists()
    .where(Task.scope_id == Scope.id, Task.finished_at.is_(None))
    .where(
        or_(
            Task.operation_id.is_(None),
            ~Scope.needed,
            exists().where(Operation.id == Task.operation_id, Operation.stage == Task.stage),
        )
    )
)
# Not while a task of the present stage brings it: a later stage may be long in coming. What shall
# be gone waits for that too, since something may still be there that needs it.
STALE = (
    select(Scope)
    .join(Scope.host)
    .where(text(f"({UNSETTLED})"), may_be_mended(Scope), ANSWERS, ~UNDER_WAY)
    .order_by(Scope.updated_at)
    .execution_options(populate_existing=True)
)
DUE = STALE.with_only_columns(Scope.id).limit(MOST_AT_A_TIME)
# `covered`, of a task and its table.
COVERED = case(
    (Task.job == scopes.job_of(Scope.kind, needed=False), Scope.wanted > Task.revision),
    else_=or_(
        Scope.held >= Task.revision,
        and_(~Scope.needed, Scope.wanted > Task.revision, Scope.held == 0),
    ),
)


def concerned(
    said: Collection[tuple[uuid.UUID, Observation]], scope_ids: Collection[uuid.UUID] = ()
) -> list[Scope]:
    """The tables that what these hosts said may be about, and these others, locked."""
    everything = any(observation.everything for _, observation in said)
    named = {each for _, observation in said for each in _named(observation)}
    return scopes.lock(
        scope_ids,
        host_ids={host_id for host_id, _ in said},
        target_ids=None if everything else named,
    )


def take(reports: Reports, known: Collection[Scope]) -> None:
    """Which of the known tables the hosts hold is written down, where that is news."""
    by_host: dict[uuid.UUID, list[Scope]] = {}
    for scope in known:
        by_host.setdefault(scope.host_id, []).append(scope)
    for host, observation in reports:
        held = {(each.kind, uuid.UUID(each.id)): each for each in observation.held}
        absent = {uuid.UUID(each) for each in observation.absent}
        for scope in by_host.get(host.id, ()):
            there = held.get((scope.kind, scope.target_id))
            generation = there.generation if there else 0
            named = there or scope.target_id in absent
            if not (named or observation.everything):
                continue
            if scope.older_than(observation.boot_id, observation.sequence):
                if generation != scope.held:
                    _log_unreadable(host, there)
                scope.held, scope.held_boot_id = generation, observation.boot_id
                scope.held_sequence = observation.sequence
                scope.wanted = max(scope.wanted, generation)  # an older database was restored


def _log_unreadable(host: Host, there: Held | None) -> None:
    for row in there.unreadable if there else ():
        log.warning(
            "%s leaves out a row of its table %s %s: %s", host.name, there.kind, there.id, row
        )


def shortfall(task: Task) -> str:
    """Empty when the host holds the task's table, or has given it up; else what it holds."""
    scope = task.scope
    goes = _goes(task.job, scope.kind)
    if covered(task.job, task.revision, scope) or (goes and scope.held == 0):
        return ""
    if goes:
        return "the host still holds it"
    return f"the host holds revision {scope.held} of {task.revision}"


def covered(job: str, revision: int, scope: Scope | Row) -> bool:
    """Whether a task with this job and revision has nothing left to bring about at `scope`, its
    table or the columns of it: another one's job has done it, the table was wanted again since, or
    was wanted no more since and has gone."""
    if _goes(job, scope.kind):
        return scope.wanted > revision
    given_up = not scope.needed and scope.wanted > revision and scope.held == 0
    return scope.held >= revision or given_up


def _goes(job: str, kind: str) -> bool:
    """Whether the job makes a table of this kind go."""
    return job == scopes.job_of(kind, needed=False)


def ended(task: Task) -> None:
    """A table that was sent by itself is held: if the host loses it, it is mended at once."""
    if task.operation is None and task.scope.settled:
        task.scope.repairs, task.scope.repair_at = 0, None


def due() -> list[uuid.UUID]:
    """Tables that hosts which answer do not hold as they are wanted."""
    return list(session.scalars(DUE, at_present()))


def mend(scope_id: uuid.UUID) -> bool:
    """The table is on its way to its host, or its end is."""
    scope = still_due(STALE, Scope, scope_id)
    if scope is None:
        return False
    count_repair(scope, longest=LONGEST_STALE if scope.held else BACKOFF[-1])
    moment = now()
    session.add(
        Task(
            job=scopes.job_of(scope.kind, needed=scope.needed),
            host_id=scope.host_id,
            target_id=scope.target_id,
            scope_id=scope.id,
            revision=scope.wanted,
            deadline=moment + TABLE_DEADLINE,
            due_at=moment,
        )
    )
    return True


def _named(observation: Observation) -> set[uuid.UUID]:
    """The things of which an observation says something."""
    held = {uuid.UUID(each.id) for each in observation.held}
    return held | {uuid.UUID(each) for each in observation.absent}
