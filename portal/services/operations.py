"""Opening a change, and ending it before its time.

An operation is written in the transaction of the intent that it carries out, with a task for
every host and stage. From then on the conductor moves it; only what supersedes it ends it here.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Mapping
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from portal import bell
from portal.changes import CHANGES
from portal.db import after_commit, now, session, write
from portal.errors import Conflict
from portal.models import Host, Operation, Outcome, Scope, Task
from portal.policies import Actor, authorize
from portal.services import finding
from portal.services.listing import Query, like, page
from portal.services.scopes import Raised

TOLD = timedelta(days=1)  # so long a thing's page says that its last change failed
STATES = {
    "under way": Operation.finished_at.is_(None),
    "failed": Operation.outcome == Outcome.FAILED,
}


@dataclasses.dataclass(frozen=True)
class Part:
    """What one host does in a step of a change."""

    host_id: uuid.UUID
    target_id: uuid.UUID  # what its job is about
    scope_id: uuid.UUID | None = None  # of a table
    revision: int = 0  # of a table: done once the host holds it


Parts = Mapping[str, Iterable[Part]]  # of the steps, by their jobs


def open_operation(
    actor: Actor | None,
    target,
    action: str,
    parts: Parts,
    *,
    before: dict | None = None,
    tables: Iterable[Raised] = (),
    project_id: uuid.UUID | None = None,
) -> Operation:
    """The change `action` of `target` is under way, its tasks lie ready for the conductor.

    `before` is what it puts an end to: the intent to give back if it fails. `tables` are those
    that it altered, wherever they are. `project_id` says where it was wanted, of a target that
    belongs to no project. Without `actor` it is the cloud's own work. Raises Conflict when another
    change of the same thing has not finished.
    """
    columns = _columns(actor, target, action, tables)
    operation = Operation(**columns)
    operation.before, operation.project_id = before, operation.project_id or project_id
    _add(operation, target)
    session.flush()
    write(Task, _tasks(columns, parts))
    session.expire(target, ["open_operation"])
    after_commit(bell.ring)
    return operation


def open_first(
    actor: Actor, action: str, made: Iterable[tuple], *, tables: Iterable[Raised] = ()
) -> list[uuid.UUID]:
    """The first change of things that were made in this transaction, so that nobody else changes
    them, is under way; `made` pairs each with the parts of its change. Returns the ids of the
    operations."""
    tables, operations, tasks = list(tables), [], []
    for target, parts in made:
        operation = _columns(actor, target, action, tables)
        operations.append(operation)
        tasks += _tasks(operation, parts)
    write(Operation, operations)
    write(Task, tasks)
    after_commit(bell.ring)
    return [each["id"] for each in operations]


def table_parts(tables: Iterable[Raised], host_id: uuid.UUID | None = None) -> dict[str, list]:
    """What the hosts of these tables, or this one of them, still have to do, by the job."""
    parts: dict[str, list[Part]] = {}
    for each in tables:
        if not each.settled and host_id in (None, each.host_id):
            part = Part(each.host_id, each.target_id, each.id, each.wanted)
            parts.setdefault(each.job, []).append(part)
    return parts


def supersede(operation: Operation, reason: str) -> None:
    """The operation has ended without having been carried out; what a host still does of it is
    of no consequence, since a newer generation follows."""
    finish(operation, Outcome.SUPERSEDED, reason)
    session.flush()


def finish(operation: Operation, outcome: Outcome, reason: str = "") -> None:
    """The operation and all its unfinished tasks have ended with this outcome."""
    moment = now()
    operation.finished_at, operation.outcome, operation.reason = moment, outcome, reason
    if outcome is not Outcome.DONE:
        session.execute(
            update(Task)
            .where(Task.operation_id == operation.id, Task.finished_at.is_(None))
            .values(finished_at=moment, outcome=Outcome.SUPERSEDED)
        )


def open_of(target_id: uuid.UUID) -> Operation | None:
    """The change of this thing that is under way."""
    return session.scalar(
        select(Operation).where(Operation.target_id == target_id, Operation.finished_at.is_(None))
    )


def last_failure(target_id: uuid.UUID) -> Operation | None:
    """The change of this thing that somebody asked for last, if it failed, and that lately."""
    asked = session.scalar(
        select(Operation)
        .where(
            Operation.target_id == target_id,
            Operation.finished_at.is_not(None),
            Operation.user_id.is_not(None),
        )
        .order_by(Operation.created_at.desc())
        .limit(1)
    )
    lately = asked and now() - asked.finished_at < TOLD
    return asked if lately and asked.outcome is Outcome.FAILED else None


def under_way(actor: Actor, project_id: uuid.UUID) -> int:
    """How many changes of the project have not finished."""
    authorize(actor, "operations:read", project_id)
    return count_under_way(project_id)


def count_under_way(project_id: uuid.UUID) -> int:
    """How many changes of the project have not finished, for the frame around every page of
    somebody whose project it is."""
    return session.scalar(
        select(func.count())
        .select_from(Operation)
        .where(Operation.project_id == project_id, Operation.finished_at.is_(None))
    )


def find(actor: Actor, project_id: uuid.UUID | None, operation_id: uuid.UUID) -> Operation:
    """The operation with its tasks and their lines: of this project or, for who may look at the
    whole cloud, of any, and of none. Raises NotFound."""
    if project_id is None:
        authorize(actor, "cloud:read")
    options = (
        selectinload(Operation.tasks).selectinload(Task.lines),
        joinedload(Operation.user),
        joinedload(Operation.project),
    )
    return finding.find(actor, Operation, operation_id, project_id=project_id, options=options)


def listed(
    actor: Actor, wanted: Query, *, project_id: uuid.UUID | None = None
) -> tuple[list[Operation], int]:
    """A page of operations, newest first, and how many there are: of one project, or, for who may
    look at the whole cloud, of all of it. `wanted.text` is a part of a
    thing's name, `wanted.state` a key of STATES."""
    if project_id is None:
        authorize(actor, "cloud:read")
        query = select(Operation)
    else:
        authorize(actor, "operations:read", project_id)
        query = select(Operation).where(Operation.project_id == project_id)
    if wanted.text:
        query = query.where(Operation.target_name.ilike(like(wanted.text), escape="\\"))
    if wanted.state in STATES:
        query = query.where(STATES[wanted.state])
    columns = {"created_at": Operation.created_at, "id": Operation.id}
    return page(query, wanted, columns)


@dataclasses.dataclass(frozen=True)
class Spread:
    """How far a change of tables has come."""

    hosts: int  # that it concerns
    waiting: list[str]  # the names of those that answer and do not hold it yet
    dark: list[str]  # the names of those that get it when they return

    @property
    def held(self) -> int:
        """On how many of the hosts the change is done."""
        return self.hosts - len(self.waiting) - len(self.dark)


def spread(operation: Operation) -> Spread:
    """On how many of the hosts that the operation's tables concern they are as it wants them."""
    revisions = {uuid.UUID(scope_id): revision for scope_id, revision in operation.tables}
    scopes = session.scalars(
        select(Scope)
        .join(Scope.host)
        .where(Scope.id.in_(revisions))
        .options(contains_eager(Scope.host))
        .order_by(Host.name)
    ).all()
    behind = {
        scope.host
        for scope in scopes
        if (scope.held < revisions[scope.id] if scope.needed else scope.held > 0)
    }
    return Spread(
        hosts=len({scope.host_id for scope in scopes}),
        waiting=sorted(host.name for host in behind if not host.dark),
        dark=sorted(host.name for host in behind if host.dark),
    )


def _columns(actor: Actor | None, target, action: str, tables: Iterable[Raised]) -> dict:
    return {
        "id": uuid.uuid4(),
        "action": action,
        "target_type": target.__tablename__,
        "target_id": target.id,
        "target_name": target.name,
        "project_id": getattr(target, "project_id", None),
        "user_id": actor and actor.user_id,
        "request_id": actor.request_id if actor else "",
        "deadline": now() + CHANGES[target.__tablename__, action].deadline,
        "tables": [[str(each.id), each.wanted] for each in tables],
    }


def _add(operation: Operation, target) -> None:
    """The operation is the one open change of its thing. Another that was opened at the same
    moment, and that the database shows only by refusing this one, is treated like any other."""
    while True:
        _make_way(target, operation.action)
        try:
            with session.begin_nested():
                session.add(operation)
            return
        except IntegrityError as error:
            if "uq_operations_open" not in str(error.orig):
                raise


def _make_way(target, action: str) -> None:
    under_way = open_of(target.id)
    if under_way is None:
        return
    noun = target.__tablename__
    if under_way.action in CHANGES[noun, action].supersedes:
        supersede(under_way, f"{action.replace('_', ' ')} was asked for")
        return
    delete = CHANGES.get((noun, "delete"))
    raise Conflict(
        "{target} is busy: {action:verb} has not finished. Wait for it, or delete it."
        if delete and under_way.action in delete.supersedes
        else "{target} is busy: {action:verb} has not finished. Wait for it.",
        target=target.name,
        action=under_way.action,
    )


def _tasks(operation: dict, parts: Parts) -> list[dict]:
    """A task for every part of the steps of an operation, whose columns these are."""
    stages = CHANGES[operation["target_type"], operation["action"]].stages
    moment = now()
    return [
        {
            "operation_id": operation["id"],
            "stage": number,
            "job": step.job,
            "host_id": part.host_id,
            "target_id": part.target_id,
            "scope_id": part.scope_id,
            "revision": part.revision,
            "deadline": operation["deadline"],
            "due_at": moment,
        }
        for number, stage in enumerate(stages, start=1)
        for step in stage
        for part in parts.get(step.job, ())
    ]
