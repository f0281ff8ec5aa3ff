"""One look at everything that is under way, and one move for each.

One SQL for the tasks that are sent or may be, one Redis pipeline for what became of them, one
transaction and one pipeline of sends for every few moves.
"""

import dataclasses
import logging
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator

import redis
from sqlalchemy import Select, and_, case, exists, func, or_, select, text
from sqlalchemy.orm import contains_eager, joinedload
from sqlalchemy.orm.attributes import set_committed_value

from portal.changes import LONG_JOBS
from portal.conductor import outcomes, tables
from portal.conductor.decide import Attempt, Move, decide
from portal.conductor.moves import make_move, standing
from portal.conductor.nouns import NOUNS
from portal.conductor.outbox import Outbox, latest, queue_of
from portal.conductor.wire import Fate, Receipt, Wire
from portal.db import now, session, transaction
from portal.models import Host, Operation, Scope, Task
from portal.models.scope import UNSETTLED
from portal.services import scopes
from workers.wire import LONG

UNANSWERED_PER_WORKER = 2  # more wait in the database, where they use up nothing
LOOKED_AT_PER_HOST = 16  # tasks of one host and queue that may be sent, in one tick
MOVES_AT_A_TIME = 64  # in one transaction: others wait for what it holds

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Due:
    """What is to be done about a task, as it was when that was judged."""

    task_id: uuid.UUID
    host_id: uuid.UUID
    operation_id: uuid.UUID | None
    sends: int
    move: Move
    fate: Fate


def tick(wire: Wire) -> int:
    """Every unfinished task has been looked at and moved, and what may go on by that once more,
    so that it waits for nothing. Returns how many moves were made.

    With Redis out of reach nothing is sent or judged, and deadlines end what they end.
    """
    made, going_on = _look_and_move(wire)
    return made + _look_and_move(wire)[0] if going_on else made


def at_rest() -> bool:
    """Whether no change is under way, and none is about to be."""
    under_way = exists().where(Operation.finished_at.is_(None))
    stale = exists().where(text(f"({UNSETTLED})")).select_from(Scope)
    return not session.scalar(select(or_(under_way, stale)))


def window(host: Host, queue: str) -> int:
    """How many unanswered tasks of a queue a host is given."""
    return UNANSWERED_PER_WORKER * (host.long_workers if queue == LONG else host.short_workers)


class Gates:
    """Who may be sent: a host has room for so many, and a table is on the wire once."""

    def __init__(self, tasks: list[Task], *, reachable: bool):
        sent = [task for task in tasks if task.sent_at]
        self._reachable = reachable
        self._unanswered = Counter((task.host_id, queue_of(task.job)) for task in sent)
        self._tables = {task.scope_id for task in sent} - {None}

    def open_for(self, task: Task) -> bool:
        """Whether the task may be sent. Who is on the wire already has their place, be it lost a
        hundred times."""
        if task.sent_at or not self._reachable:
            return self._reachable
        queue = queue_of(task.job)
        full = self._unanswered[task.host_id, queue] >= window(task.host, queue)
        return not full and task.scope_id not in self._tables

    def let_through(self, task: Task) -> None:
        """The task is sent, and counts from now on."""
        if not task.sent_at:
            self._unanswered[task.host_id, queue_of(task.job)] += 1
            self._tables |= {task.scope_id} - {None}


def _look_and_move(wire: Wire) -> tuple[int, int]:
    """How many moves were made, and how many of them let others go on."""
    tasks = _unfinished()
    idle = session.scalar(select(_stages_without_work().exists()))
    if not tasks and not idle:
        return 0, 0
    fates, reachable = _look(wire, tasks)
    due = list(_judge(tasks, fates, reachable=reachable))
    if not due and not idle:
        return 0, 0
    counts = [
        _carry_out(wire, due[first : first + MOVES_AT_A_TIME])
        for first in range(0, len(due) or 1, MOVES_AT_A_TIME)
    ]
    return sum(made for made, _ in counts), sum(going_on for _, going_on in counts)


def _carry_out(wire: Wire, due: list[Due]) -> tuple[int, int]:
    """These moves are made, and what they end has ended or is at another stage."""
    outbox = Outbox()
    with transaction():
        made, going_on = _write_down(due, outbox)
        ended = _to_advance()
        going_on += outcomes.advance(ended)
    outbox.go(wire)
    return made + len(ended), going_on


def _unfinished() -> list[Task]:
    """What is sent, what has passed its deadline or is fulfilled by another, and, of what may be
    sent, the oldest of each queue. Who pauses takes nobody's place."""
    queue = case((Task.job.in_(LONG_JOBS), 1), else_=0)
    since = func.coalesce(Operation.created_at, Task.created_at)
    waits = case((Task.sent_at.is_not(None), 0), (Task.due_at <= now(), 1), else_=2)
    ranked = (
        select(
            Task.id,
            waits.label("waits"),
            func.row_number()
            .over(
                partition_by=(Task.host_id, queue, waits),
                order_by=(since, Task.created_at, Task.id),
            )
            .label("rank"),
        )
        .outerjoin(Task.operation)
        .where(
            Task.finished_at.is_(None),
            or_(Task.operation_id.is_(None), Task.stage == Operation.stage),
        )
        .subquery()
    )
    return list(
        session.scalars(
            select(Task)
            .join(ranked, ranked.c.id == Task.id)
            .outerjoin(Task.operation)
            .outerjoin(Task.scope)
            .where(
                or_(
                    ranked.c.waits == 0,
                    and_(ranked.c.waits == 1, ranked.c.rank <= LOOKED_AT_PER_HOST),
                    Task.deadline <= now(),
                    Scope.held >= Task.revision,
                )
            )
            .options(
                contains_eager(Task.operation), contains_eager(Task.scope), joinedload(Task.host)
            )
            .order_by(since, Task.created_at, Task.id)
            .execution_options(populate_existing=True)
        )
    )


def _stages_without_work() -> Select:
    """Open operations all of whose tasks of the present stage have ended."""
    left = (
        select(Task.id)
        .where(
            Task.operation_id == Operation.id,
            Task.stage == Operation.stage,
            Task.finished_at.is_(None),
        )
        .exists()
    )
    return select(Operation).where(Operation.finished_at.is_(None), ~left)


def _to_advance() -> list[Operation]:
    """Operations whose stage has no work left, locked with what they are about. What somebody
    changes meanwhile is left to the next tick: they may wait for what this one holds."""
    idle = _stages_without_work()
    concerned = session.execute(
        idle.with_only_columns(Operation.id, Operation.target_type, Operation.target_id)
    ).all()
    if not concerned:
        return []
    held = _lock_targets(concerned, skip_locked=True)
    free = [
        operation_id
        for operation_id, noun, target_id in concerned
        if NOUNS[noun].model is None or target_id in held
    ]
    return list(
        session.scalars(
            idle.where(Operation.id.in_(free))
            .with_for_update(of=Operation, skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )


def _look(wire: Wire, tasks: list[Task]) -> tuple[dict[Receipt, Fate], bool]:
    jobs = [latest(task) for task in tasks if task.sent_at]
    try:
        return wire.look(jobs), True
    except redis.RedisError as error:
        log.warning("Redis cannot be reached: %s", error)
        return {each: Fate(Attempt.UNDER_WAY) for each in jobs}, False


def _judge(tasks: list[Task], fates: dict[Receipt, Fate], *, reachable: bool) -> Iterator[Due]:
    """What is to be done now, about the oldest first."""
    moment, gates = now(), Gates(tasks, reachable=reachable)
    for task in tasks:
        if task.sent_at:
            fate = fates.get(latest(task), Fate(Attempt.UNDER_WAY))  # sent since: not looked at
        else:
            fate = Fate(Attempt.FULFILLED if tables.covered(task) else Attempt.UNSENT)
        move = decide(standing(task), fate.attempt, moment, room=gates.open_for(task))
        if move is Move.WAIT:
            continue
        if move is Move.SEND:
            gates.let_through(task)
        yield Due(task.id, task.host_id, task.operation_id, task.sends, move, fate)


def _write_down(due: list[Due], outbox: Outbox) -> tuple[int, int]:
    """The moves are made, each only if its task is still where it was when it was judged. Returns
    how many, and how many let another task of a table end."""
    if not due:
        return 0, 0
    rows = _locked(due)
    made = going_on = 0
    for each in due:
        task = rows[each.task_id]
        over = task.operation and task.operation.finished_at
        if task.finished_at or task.sends != each.sends or over:
            continue
        make_move(task, each.move, each.fate, outbox)
        going_on += each.move is Move.TAKE and task.scope_id is not None
        made += 1
    return made, going_on


def _locked(due: list[Due]) -> dict[uuid.UUID, Task]:
    """The tasks as they are now, and until the transaction ends nobody else's to change.

    Rows are locked in the order of the services: hosts, things, then what is done to them, then
    tables; so nobody waits in a circle. (SQLite has one writer at a time and ignores it.)
    """
    task_ids = [each.task_id for each in due]
    hosts = select(Host.id).where(Host.id.in_({each.host_id for each in due}))
    session.execute(hosts.order_by(Host.id).with_for_update(key_share=True))
    operation_ids = {each.operation_id for each in due} - {None}
    if operation_ids:
        concerned = select(Operation.id, Operation.target_type, Operation.target_id)
        _lock_targets(session.execute(concerned.where(Operation.id.in_(operation_ids))).all())
        operations = session.scalars(
            select(Operation)
            .where(Operation.id.in_(operation_ids))
            .order_by(Operation.id)
            .with_for_update()
        ).all()
    else:
        operations = []
    rows = session.scalars(
        select(Task)
        .where(Task.id.in_(task_ids))
        .order_by(Task.operation_id, Task.id)
        .options(joinedload(Task.host))
        .with_for_update(of=Task)
    ).all()
    answered = {each.task_id for each in due if each.move is not Move.SEND}
    scopes.lock({task.scope_id for task in rows if task.id in answered} - {None})
    found = {task.id: task for task in rows}
    _attach(found.values(), operations)
    return found


def _attach(rows, operations) -> None:
    """Each task knows its operation and its table, without a question for each."""
    scope_ids = {task.scope_id for task in rows} - {None}
    held = (
        {scope.id: scope for scope in session.scalars(select(Scope).where(Scope.id.in_(scope_ids)))}
        if scope_ids
        else {}
    )
    known = {operation.id: operation for operation in operations}
    for task in rows:
        set_committed_value(task, "operation", known.get(task.operation_id))
        set_committed_value(task, "scope", held.get(task.scope_id))


def _lock_targets(concerned, *, skip_locked: bool = False) -> set[uuid.UUID]:
    """The things that these operations are about are locked, noun after noun. Returns which."""
    by_noun = defaultdict(set)
    for _, noun, target_id in concerned:
        by_noun[noun].add(target_id)
    held = set()
    for name, noun in NOUNS.items():
        if noun.model is not None and name in by_noun:
            model = noun.model
            held |= set(
                session.scalars(
                    select(model.id)
                    .where(model.id.in_(by_noun[name]))
                    .order_by(model.id)
                    .with_for_update(key_share=True, skip_locked=skip_locked)
                )
            )
    return held
