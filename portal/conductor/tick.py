"""One look at everything that is under way, and one move for each.

One SQL for the tasks that are sent or may be, one Redis pipeline for what became of them, one
transaction and one pipeline of sends for every few moves.
"""

import dataclasses
import functools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence

import redis
from sqlalchemy import Row, and_, bindparam, case, exists, func, or_, select, text

from portal.changes import LONG_JOBS
from portal.conductor import faults, locks, outcomes, tables
from portal.conductor.decide import Attempt, Move, Standing, decide
from portal.conductor.moves import make_moves, standing
from portal.conductor.outbox import Outbox, queue_of
from portal.conductor.wire import Address, Fate, Receipt, Wire, receipt
from portal.db import now, session, transaction
from portal.models import Host, Operation, Outcome, Scope, Task
from portal.models.scope import UNSETTLED
from portal.services import operations
from workers.wire import LONG

UNANSWERED_PER_WORKER = 2  # more wait in the database, where they use up nothing
LOOKED_AT_PER_HOST = 16  # tasks of one host and queue that may be sent, in one tick
MOVES_AT_A_TIME = 64  # in one transaction: others wait for what it holds
NOT_TAKEN = "what became of it could not be written down, and the conductor's log says why"

_QUEUE = case((Task.job.in_(LONG_JOBS), 1), else_=0)
_SINCE = func.coalesce(Operation.created_at, Task.created_at)
_MOMENT = bindparam("moment")
_WAITS = case((Task.sent_at.is_not(None), 0), (Task.due_at <= _MOMENT, 1), else_=2)
_RANKED = (
    select(
        Task.id,
        _WAITS.label("waits"),
        func.row_number()
        .over(
            partition_by=(Task.host_id, _QUEUE, _WAITS),
            order_by=(_SINCE, Task.created_at, Task.id),
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
# What is sent, what has passed its deadline or is fulfilled by another, and, of what may be sent,
# the oldest of each queue. Who pauses takes nobody's place.
UNFINISHED = (
    select(
        Task.id,
        Task.host_id,
        Task.operation_id,
        Task.scope_id,
        Task.job,
        Task.revision,
        Task.attempt,
        Task.sends,
        Task.sent_at,
        Task.due_at,
        Task.deadline,
        Host.name.label("host_name"),
        Host.sealed_key,
        Host.short_workers,
        Host.long_workers,
        Operation.target_type.label("noun"),
        Operation.target_id.label("about"),
        Scope.kind,
        Scope.needed,
        Scope.wanted,
        Scope.held,
    )
    .join(_RANKED, _RANKED.c.id == Task.id)
    .join(Host, Host.id == Task.host_id)
    .outerjoin(Task.operation)
    .outerjoin(Task.scope)
    .where(
        or_(
            _RANKED.c.waits == 0,
            and_(_RANKED.c.waits == 1, _RANKED.c.rank <= LOOKED_AT_PER_HOST),
            Task.deadline <= _MOMENT,
            tables.COVERED,
        )
    )
    .order_by(_SINCE, Task.created_at, Task.id)
)
_LEFT = exists().where(
    Task.operation_id == Operation.id,
    Task.stage == Operation.stage,
    Task.finished_at.is_(None),
)
# Open operations all of whose tasks of the present stage have ended.
IDLE = select(Operation.id, Operation.target_type, Operation.target_id).where(
    Operation.finished_at.is_(None), ~_LEFT
)
_BUSY = exists().where(Operation.finished_at.is_(None))
_STALE = exists().where(text(f"({UNSETTLED})")).select_from(Scope)
AT_REST = select(~or_(_BUSY, _STALE))

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Due(locks.Concern):
    """What is to be done about a task, as it was when that was judged."""

    sends: int
    of_table: bool
    move: Move
    fate: Fate
    otherwise: Move  # if that cannot be written down

    def __str__(self) -> str:
        return f"{self.noun} {self.target_id} (task {self.task_id})"


def tick(wire: Wire) -> int:
    """Every unfinished task has been looked at and moved, and what may go on by that once more,
    so that it waits for nothing. Returns how many moves were made.

    With Redis out of reach nothing is sent or judged, and deadlines end what they end.
    """
    made, going_on = _look_and_move(wire)
    return made + _look_and_move(wire)[0] if going_on else made


def at_rest() -> bool:
    """Whether no change is under way, and none is about to be."""
    return session.scalar(AT_REST)


def window(task: Row) -> int:
    """How many unanswered tasks of the queue of this one its host is given."""
    workers = task.long_workers if queue_of(task.job) == LONG else task.short_workers
    return UNANSWERED_PER_WORKER * workers


class Gates:
    """Who may be sent: a host has room for so many, and a table is on the wire once."""

    def __init__(self, tasks: Sequence[Row], *, reachable: bool):
        sent = [task for task in tasks if task.sent_at]
        self._reachable = reachable
        self._unanswered = Counter((task.host_id, queue_of(task.job)) for task in sent)
        self._tables = {task.scope_id for task in sent} - {None}

    def open_for(self, task: Row) -> bool:
        """Whether the task may be sent. Who is on the wire already has their place, be it lost a
        hundred times."""
        if task.sent_at or not self._reachable:
            return self._reachable
        full = self._unanswered[task.host_id, queue_of(task.job)] >= window(task)
        return not full and task.scope_id not in self._tables

    def let_through(self, task: Row) -> None:
        """The task is sent, and counts from now on."""
        if not task.sent_at:
            self._unanswered[task.host_id, queue_of(task.job)] += 1
            self._tables |= {task.scope_id} - {None}


def _look_and_move(wire: Wire) -> tuple[int, int]:
    """How many moves were made, and how many of them let others go on."""
    tasks = session.execute(UNFINISHED, {"moment": now()}).all()
    idle = session.execute(IDLE).all()
    if not tasks and not idle:
        return 0, 0
    fates, reachable = _look(wire, tasks)
    due = list(_judge(tasks, fates, reachable=reachable))
    counts = [
        _carry_out(wire, due[first : first + MOVES_AT_A_TIME])
        for first in range(0, len(due), MOVES_AT_A_TIME)
    ]
    if idle:
        counts += _advance(idle)
    return sum(made for made, _ in counts), sum(going_on for _, going_on in counts)


def _carry_out(wire: Wire, due: Sequence[Due]) -> tuple[int, int]:
    """These moves are made, and what they end has ended or is at another stage. One that cannot be
    is an attempt that crashed; and if that cannot be, its change has failed."""
    made = faults.apart(
        functools.partial(_make, wire),
        due,
        lambda each: faults.apart(
            functools.partial(_make, wire),
            [_crashed(each)],
            functools.partial(_break_off, wire),
            what="the failure of",
        )[0],
        what="the move of",
    )
    return sum(moved for moved, _ in made), sum(going_on for _, going_on in made)


def _crashed(due: Due) -> Due:
    """The answer is not taken in, and counts as none."""
    fate = Fate(Attempt.CRASHED, reason=NOT_TAKEN)
    return dataclasses.replace(due, said=None, alone=False, move=due.otherwise, fate=fate)


def _make(wire: Wire, due: Sequence[Due]) -> tuple[int, int]:
    outbox = Outbox()
    with transaction():
        held = locks.hold(due)
        made = [each for each in due if _still_due(held.tasks[each.task_id], each)]
        moves = [(held.tasks[each.task_id], each.move, each.fate) for each in made]
        make_moves(moves, held.tables, outbox)
        moved, going_on = outcomes.advance(held.operations)
    outbox.go(wire)
    tables_taken = sum(each.move is Move.TAKE and each.of_table for each in made)
    return len(made) + moved, going_on + tables_taken


def _break_off(wire: Wire, due: Due) -> tuple[int, int]:
    """The task has failed, and its change, without what that means to its noun."""
    outbox = Outbox()
    with transaction():
        held = locks.hold([due])
        task = held.tasks[due.task_id]
        if not _still_due(task, due):
            return 0, 0
        if task.sent_at:
            outbox.forget(task)
        outcomes.break_off(task, NOT_TAKEN)
    outbox.go(wire)
    return 1, 0


def _advance(idle: Sequence[Row]) -> list[tuple[int, int]]:
    """What has nothing to do in its present stage has ended or is at another stage."""
    return faults.apart(_advance_all, idle, _break_off_idle, what="the end of")


def _advance_all(idle: Sequence[Row]) -> tuple[int, int]:
    with transaction():
        return outcomes.advance(locks.idle(idle))


def _break_off_idle(idle: Row) -> tuple[int, int]:
    with transaction():
        for operation in locks.idle([idle]):
            operations.finish(operation, Outcome.FAILED, NOT_TAKEN)
    return 1, 0


def _still_due(task: Task, due: Due) -> bool:
    """Whether the task is still where it was when that was judged."""
    over = task.operation and task.operation.finished_at
    return not (task.finished_at or task.sends != due.sends or over)


def _look(wire: Wire, tasks: Sequence[Row]) -> tuple[dict[Receipt, Fate], bool]:
    jobs = [_latest(task) for task in tasks if task.sent_at]
    try:
        return wire.look(jobs), True
    except redis.RedisError as error:
        log.warning("Redis cannot be reached: %s", error)
        return {each: Fate(Attempt.UNDER_WAY) for each in jobs}, False


def _latest(task: Row) -> Receipt:
    host = Address(task.host_id, task.host_name, task.sealed_key)
    return receipt(host, task.id, task.sends, queue_of(task.job))


def _judge(tasks: Sequence[Row], fates: dict[Receipt, Fate], *, reachable: bool) -> Iterator[Due]:
    """What is to be done now, about the oldest first."""
    moment, gates = now(), Gates(tasks, reachable=reachable)
    for task in tasks:
        if task.sent_at:
            fate = fates.get(_latest(task), Fate(Attempt.UNDER_WAY))  # sent since: not looked at
        else:
            fate = Fate(Attempt.FULFILLED if _covered(task) else Attempt.UNSENT)
        move = decide(standing(task), fate.attempt, moment, room=gates.open_for(task))
        if move is Move.WAIT:
            continue
        if move is Move.SEND:
            gates.let_through(task)
        yield Due(
            task_id=task.id,
            host_id=task.host_id,
            operation_id=task.operation_id,
            noun=task.noun,
            target_id=task.about,
            said=fate.observation,
            alone=move is Move.SEND,
            sends=task.sends,
            of_table=task.scope_id is not None,
            move=move,
            fate=fate,
            otherwise=_otherwise(standing(task), move),
        )


def _otherwise(task: Standing, move: Move) -> Move:
    """What is done if a move cannot be made: only what a host has answered may be had again."""
    return decide(task, Attempt.CRASHED, now()) if move is Move.TAKE else Move.FAIL


def _covered(task: Row) -> bool:
    return task.scope_id is not None and tables.covered(task.job, task.revision, task)
