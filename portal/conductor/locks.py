"""What a few moves are about: read and locked together, so that a move asks for nothing more.

Rows are locked in the order of the services: hosts, things, then what is done to them, then
tables; so nobody waits in a circle. (SQLite has one writer at a time and ignores it.)
"""

import dataclasses
import itertools
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import defer, lazyload
from sqlalchemy.orm.attributes import set_committed_value

from portal.conductor import tables
from portal.conductor.nouns import NOUNS
from portal.db import session
from portal.models import Host, Operation, Scope, Task
from workers.specs import Observation

HOSTS = (
    select(Host)
    .options(defer(Host.versions), defer(Host.obstacles))
    .with_for_update(key_share=True)
    .order_by(Host.id)
    .execution_options(populate_existing=True)
)
OPERATIONS = (
    select(Operation).options(defer(Operation.tables)).execution_options(populate_existing=True)
)
TASKS = (
    select(Task)
    .options(lazyload(Task.host))
    .order_by(Task.operation_id, Task.id)
    .with_for_update(of=Task)
    .execution_options(populate_existing=True)
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Concern:
    """A task, and what its move touches."""

    task_id: uuid.UUID
    host_id: uuid.UUID
    operation_id: uuid.UUID | None
    noun: str | None  # of what the operation is about
    target_id: uuid.UUID | None
    said: Observation | None  # what its host has answered
    alone: bool  # whether it touches the task alone, and says only that it was sent


@dataclasses.dataclass(frozen=True)
class Held:
    """Rows that are nobody else's to change until the transaction ends. They are kept here: the
    session forgets what nobody holds."""

    tasks: dict[uuid.UUID, Task]
    operations: list[Operation]
    tables: list[Scope]
    around: list  # the hosts, and what the operations are about


def hold(concerns: Collection[Concern]) -> Held:
    """The tasks as they are now, with all that their moves may change. Each knows its host, its
    operation and its table."""
    wide = [each for each in concerns if not each.alone]
    hosts = _hosts({each.host_id for each in wide})
    things = things_of((each.noun, each.target_id) for each in wide if each.operation_id)
    operations = _operations({each.operation_id for each in concerns} - {None})
    rows = session.scalars(TASKS.where(Task.id.in_([each.task_id for each in concerns])))
    tasks = {task.id: task for task in rows}
    held = tables.concerned(
        [(each.host_id, each.said) for each in wide if each.said],
        {tasks[each.task_id].scope_id for each in wide} - {None},
    )
    _attach(tasks.values(), hosts, operations, held)
    return Held(tasks, operations, held, [*hosts, *things])


def things_of(named: Iterable[tuple[str, uuid.UUID]], *, skip_locked: bool = False) -> list:
    """The things of these nouns and ids, noun after noun; without those that somebody else is
    changing, if `skip_locked`."""
    by_noun = defaultdict(set)
    for noun, target_id in named:
        by_noun[noun].add(target_id)
    found = []
    for name, noun in NOUNS.items():
        if noun.model is not None and name in by_noun:
            model = noun.model
            found += session.scalars(
                select(model)
                .where(model.id.in_(by_noun[name]))
                .order_by(model.id)
                .with_for_update(of=model, key_share=True, skip_locked=skip_locked)
                .execution_options(populate_existing=True)
            )
    return found


def idle(concerns: Collection[tuple[uuid.UUID, str, uuid.UUID]]) -> list[Operation]:
    """The operations of these (id, noun, target), with what they are about. What somebody changes
    meanwhile is left to the next tick: they may wait for what this one holds."""
    things = {each.id for each in things_of([each[1:] for each in concerns], skip_locked=True)}
    free = [
        operation_id
        for operation_id, noun, target_id in concerns
        if NOUNS[noun].model is None or target_id in things
    ]
    if not free:
        return []
    query = OPERATIONS.where(Operation.id.in_(free), Operation.finished_at.is_(None))
    return list(session.scalars(query.with_for_update(of=Operation, skip_locked=True)))


def _hosts(ids: set[uuid.UUID]) -> list[Host]:
    return list(session.scalars(HOSTS.where(Host.id.in_(ids)))) if ids else []


def _operations(ids: set[uuid.UUID]) -> list[Operation]:
    if not ids:
        return []
    query = OPERATIONS.where(Operation.id.in_(ids)).order_by(Operation.id)
    return list(session.scalars(query.with_for_update()))


def _attach(tasks: Iterable[Task], *rows: Iterable) -> None:
    known = {each.id: each for each in itertools.chain(*rows)}
    for task in tasks:
        set_committed_value(task, "operation", known.get(task.operation_id))
        set_committed_value(task, "scope", known.get(task.scope_id))
        if task.host_id in known:
            set_committed_value(task, "host", known[task.host_id])
