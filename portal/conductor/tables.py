"""Tables of hosts: what is held is written down, and what is not as it is wanted is sent.

A table needs no operation and is never busy. Whoever must not end before a host holds it (a
create, say) has a task of its own for it; all others hear of it by a task without an operation,
one at a time for each table, however much has changed.
"""

import logging
import uuid
from datetime import timedelta

from sqlalchemy import Select, exists, or_, select, text

from portal.changes import TABLE_DEADLINE
from portal.conductor.repairs import BACKOFF, MOST_AT_A_TIME, answers, count_repair, still_due
from portal.db import now, session
from portal.models import Host, Operation, Scope, Task
from portal.models.scope import UNSETTLED
from portal.services import scopes
from workers.specs import Held, Observation

log = logging.getLogger(__name__)

LONGEST_STALE = timedelta(minutes=8)  # between two sendings of a table that fail


def take(host: Host, observation: Observation) -> None:
    """Which tables the host holds is known, where that is news."""
    held = {(each.kind, uuid.UUID(each.id)): each for each in observation.held}
    absent = {uuid.UUID(each) for each in observation.absent}
    if observation.everything:
        rows = scopes.of_host(host.id)
    elif held or absent:
        rows = scopes.of_host(host.id, {target_id for _, target_id in held} | absent)
    else:
        return
    for scope in rows:
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
            scope.wanted = max(scope.wanted, generation)  # after an older database was restored


def _log_unreadable(host: Host, there: Held | None) -> None:
    for row in there.unreadable if there else ():
        log.warning(
            "%s leaves out a row of its table %s %s: %s", host.name, there.kind, there.id, row
        )


def shortfall(task: Task) -> str:
    """Empty when the host holds the task's table, or has given it up; else what it holds."""
    scope = task.scope
    if goes(task):
        gone = scope.held == 0 or scope.wanted > task.revision
        return "" if gone else "the host still holds it"
    if scope.held >= task.revision:
        return ""
    return f"the host holds revision {scope.held} of {task.revision}"


def covered(task: Task) -> bool:
    """Whether another one's job has brought the host where this task shall bring it, or this
    one's table was wanted again since."""
    if task.scope is None:
        return False
    if goes(task):
        return task.scope.wanted > task.revision
    return task.scope.held >= task.revision


def goes(task: Task) -> bool:
    """Whether the task's table shall be gone."""
    return task.job == scopes.job_of(task.scope.kind, needed=False)


def ended(task: Task) -> None:
    """A table that was sent by itself is held: if the host loses it, it is mended at once."""
    if task.operation is None and task.scope.settled:
        task.scope.repairs, task.scope.repair_at = 0, None


def due() -> list[uuid.UUID]:
    """Tables that hosts which answer do not hold as they are wanted."""
    return list(session.scalars(_unsettled().with_only_columns(Scope.id).limit(MOST_AT_A_TIME)))


def mend(scope_id: uuid.UUID) -> bool:
    """The table is on its way to its host, or its end is."""
    scope = still_due(_unsettled(), Scope, scope_id)
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


def _unsettled() -> Select:
    """Not while a task of the present stage brings it: a later stage may be long in coming. What
    shall be gone waits for that too, since something may still be there that needs it."""
    moment = now()
    under_way = (
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
    return (
        select(Scope)
        .join(Scope.host)
        .where(
            text(f"({UNSETTLED})"),
            or_(Scope.repair_at.is_(None), Scope.repair_at <= moment),
            answers(moment),
            ~under_way,
        )
        .order_by(Scope.updated_at)
        .execution_options(populate_existing=True)
    )
