"""Opening a change, and ending it before its time.

An operation is written in the transaction of the intent that it carries out, with a task for
every host and stage. From then on the conductor moves it; only what supersedes it ends it here.
"""

import uuid
from collections import Counter

from sqlalchemy import and_, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload, selectinload

from portal import bell
from portal.conductor.plans import DEADLINES, PLANS, TABLE_KINDS, Step
from portal.db import after_commit, now, session
from portal.errors import Conflict, Unavailable
from portal.models import Host, Image, Instance, Network, Operation, Outcome, Scope, Task
from portal.policies import Actor, authorize
from portal.services import finding, scopes
from portal.services.listing import Asked, like, ordered

SUPERSEDES = {  # which open changes a new one does not wait for
    "delete": {"create", "fetch", "start", "stop", "force_stop", "reboot", "repair", "update"},
    "force_stop": {"stop", "reboot", "repair"},
    "clean": set(),  # whatever lies about on a host can wait
}
STATES = {
    "under way": Operation.finished_at.is_(None),
    "failed": Operation.outcome == Outcome.FAILED,
}
ROUTINE = and_(Operation.action == "update", Operation.outcome.is_not_distinct_from(Outcome.DONE))
ALTERS = {"create", "delete"}  # what tables say, the first time; the cloud only tries again
ALWAYS_SUPERSEDED = {"repair", "update"}  # the cloud's own work waits for nobody's


def open_operation(
    actor: Actor | None,
    target,
    action: str,
    *,
    before: dict | None = None,
    project_id: uuid.UUID | None = None,
) -> Operation:
    """The change `action` of `target` is under way, its tasks lie ready for the conductor.

    `before` is what it puts an end to: the intent to give back if it fails. `project_id` says
    where it was asked for, of a target that belongs to no project. Without `actor` it is the
    cloud's own work. Raises Conflict when another change of the same thing has not finished.
    """
    operation = _operation(actor, target, action)
    operation.before, operation.project_id = before, operation.project_id or project_id
    _add(operation, target)
    _plan([operation], [target])
    return operation


def open_creates(actor: Actor, made: list[Instance]) -> list[Operation]:
    """Instances that were made in this transaction, so that nobody else changes them, are being
    created: all that they need is locked and raised at once."""
    operations = [_operation(actor, each, "create") for each in made]
    session.add_all(operations)
    session.flush()
    _plan(operations, made)
    return operations


def supersede(operation: Operation, reason: str) -> None:
    """The operation has ended without having been carried out; what a host still does of it is
    of no consequence, since a newer generation follows."""
    finish(operation, Outcome.SUPERSEDED, reason)


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
    session.flush()


def open_of(target_id: uuid.UUID) -> Operation | None:
    """The change of this thing that is under way."""
    return session.scalar(
        select(Operation).where(Operation.target_id == target_id, Operation.finished_at.is_(None))
    )


def under_way(actor: Actor, project_id: uuid.UUID) -> int:
    """How many changes of the project have not finished."""
    authorize(actor, "operations:read", project_id)
    return session.scalar(
        select(func.count())
        .select_from(Operation)
        .where(Operation.project_id == project_id, Operation.finished_at.is_(None))
    )


def find(actor: Actor, project_id: uuid.UUID, operation_id: uuid.UUID) -> Operation:
    """The operation with its tasks and their lines. Raises NotFound."""
    options = (
        selectinload(Operation.tasks).selectinload(Task.lines),
        joinedload(Operation.user),
    )
    return finding.find(actor, Operation, operation_id, project_id=project_id, options=options)


def listed(
    actor: Actor, asked: Asked, *, project_id: uuid.UUID | None = None
) -> tuple[list[Operation], int]:
    """A page of operations, newest first, and how many there are, but for what is ROUTINE: of one
    project, or, for who may look at the whole cloud, of all of it. `asked.query` is a part of a
    thing's name, `asked.state` a key of STATES."""
    if project_id is None:
        authorize(actor, "cloud:read")
        query = select(Operation)
    else:
        authorize(actor, "operations:read", project_id)
        query = select(Operation).where(Operation.project_id == project_id)
    query = query.where(~ROUTINE)
    if asked.query:
        query = query.where(Operation.target_name.ilike(like(asked.query), escape="\\"))
    if asked.state in STATES:
        query = query.where(STATES[asked.state])
    total = session.scalar(select(func.count()).select_from(query.subquery()))
    columns = {"created_at": Operation.created_at, "id": Operation.id}
    return list(session.scalars(ordered(query, asked, columns))), total


def _operation(actor: Actor | None, target, action: str) -> Operation:
    return Operation(
        action=action,
        target_type=target.__tablename__,
        target_id=target.id,
        target_name=target.name,
        project_id=getattr(target, "project_id", None),
        user_id=actor and actor.user_id,
        request_id=actor.request_id if actor else "",
        deadline=now() + DEADLINES[action],
    )


def _add(operation: Operation, target) -> None:
    """It is the one open change of its thing. One that was opened at the same moment, and that
    the database shows only by refusing this one, is treated like any other."""
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
    if under_way.action in SUPERSEDES.get(action, ALWAYS_SUPERSEDED):
        supersede(under_way, f"{action.replace('_', ' ')} was asked for")
        return
    way_out = (
        "Wait for it, or delete it." if isinstance(target, Instance | Image) else "Wait for it."
    )
    raise Conflict(
        f"{target.name} is busy: {under_way.action.replace('_', ' ')} has not finished. {way_out}"
    )


def _plan(operations: list[Operation], targets: list) -> None:
    """The operations, which do the same to things of one kind, have their tasks."""
    action = operations[0].action
    plan = PLANS[operations[0].target_type, action]
    tables = _tables(plan, targets, alters=action in ALTERS and operations[0].user_id is not None)
    for operation, target in zip(operations, targets, strict=True):
        needed = [each for each in tables if _needs(target, each)]
        for number, stage in enumerate(plan, start=1):
            for step in stage:
                for task in _tasks(step, action, target=target, tables=needed):
                    task.operation_id, task.stage = operation.id, number
                    session.add(task)
    session.flush()
    for target in targets:
        session.expire(target, ["open_operation"])
    after_commit(bell.ring)


def _tasks(step: Step, action: str, *, target, tables: list[Scope]) -> list[Task]:
    match step.about:
        case "instance":
            return [_task(step, target.host_id, target.id)]
        case "host":
            return [_task(step, target.id, target.id)]
        case "image":
            host = session.get_one(Host, target.host_id)
            image = session.get_one(Instance, target.id).image_id
            return [] if _cached(host, image) else [_task(step, host.id, image)]
        case "download" if action == "fetch":
            return [_task(step, _fetcher(target).id, target.id)]
        case "download":
            return [_task(step, host_id, target.id) for host_id in _asked(target)]
        case "networks" | "firewall":
            return [
                _task(step, scope.host_id, scope.target_id, scope=scope)
                for scope in tables
                if scope.kind == TABLE_KINDS[step.job]
            ]
    raise ValueError(step.about)


def _tables(plan: tuple, targets: list, *, alters: bool) -> list[Scope]:
    """The tables that say something of these things, raised if the change alters it."""
    kinds = {TABLE_KINDS[step.job] for stage in plan for step in stage if step.job in TABLE_KINDS}
    if not kinds:
        return []
    if isinstance(targets[0], Instance):
        return scopes.of_instances(targets, kinds, alters=alters)
    if isinstance(targets[0], Network):
        concerned = scopes.of_network(*targets)
    else:
        concerned = scopes.of_host(*targets, kinds)
    if alters:
        scopes.want([scope.id for scope in concerned])
    return concerned


def _needs(target, scope: Scope) -> bool:
    """Whether a change is done only when the host has this table. An instance needs what is on
    its own: the other hosts are sent theirs by `conductor.drift`, one at a time however much has
    changed, and what keeps them from taking it is no concern of the instance's."""
    if scope.held >= scope.wanted:
        return False
    if isinstance(target, Instance):
        return scope.host_id == target.host_id
    return not scope.host.dark


def _fetcher(image: Image) -> Host:
    """Of the hosts that answer and are not in maintenance, the one that was asked least often for
    this image: a retry asks another, should one have no way to the publisher, or not share the
    image store."""
    asked = _asked(image)
    hosts = [host for host in session.scalars(select(Host).order_by(Host.name)) if host.placeable]
    if not hosts:
        raise Unavailable(
            f"No host answers, so none can fetch {image.name}. Start one: its worker and its "
            "agent. `flask doctor` says which are known."
        )
    if not any(host.enabled for host in hosts):
        raise Unavailable(
            f"Every host that answers is in maintenance, so none can fetch {image.name}. Take one "
            "out of maintenance on its page."
        )
    return min((host for host in hosts if host.enabled), key=lambda host: asked.get(host.id, 0))


def _asked(image: Image) -> Counter:
    """How often each host was asked to fetch the image, by its id."""
    hosts = session.scalars(
        select(Task.host_id)
        .join(Task.operation)
        .where(Operation.target_id == image.id, Operation.action == "fetch")
    )
    return Counter(hosts)


def _cached(host: Host, image_id: uuid.UUID) -> bool:
    return session.get_one(Image, image_id).sha256 in host.images


def _task(step: Step, host_id: uuid.UUID, target_id: uuid.UUID, *, scope=None) -> Task:
    return Task(
        job=step.job,
        host_id=host_id,
        target_id=target_id,
        scope_id=scope and scope.id,
        revision=scope.wanted if scope else 0,
        due_at=now(),
    )
