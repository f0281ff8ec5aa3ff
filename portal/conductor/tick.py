"""One look at everything that is under way, and one move for each.

One SQL for the tasks that are sent or may be, one Redis pipeline for what became of them, one
transaction and one pipeline of sends for every few moves.
"""

import dataclasses
import logging
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import redis
from sqlalchemy import Select, case, exists, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from portal.conductor import outcomes
from portal.conductor.decide import Attempt, Move, Standing, decide, pause
from portal.conductor.plans import LONG_JOBS
from portal.conductor.queue import Fate, Sent, Wire
from portal.conductor.sends import Sends, latest, queue_of
from portal.db import now, session, transaction
from portal.models import Host, Image, Instance, Operation, Outcome, Scope, Task
from portal.services import scopes
from workers.wire import LONG

UNANSWERED_PER_WORKER = 2  # more wait in the database, where they use up nothing
LOOKED_AT_PER_HOST = 16  # unsent tasks of one host and queue in one tick
MOVES_AT_A_TIME = 64  # in one transaction: others wait for what it holds
LOST_AFTER = timedelta(seconds=10)  # a sent job of which Redis knows nothing will not turn up

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Due:
    """What is to be done about a task, as it was when that was judged."""

    task_id: uuid.UUID
    sends: int
    move: Move
    fate: Fate | None


def tick(wire: Wire) -> int:
    """Every unfinished task has been looked at and moved, and what begins its next stage once
    more, so that it waits for nothing. Returns how many moves were made.

    With Redis out of reach nothing is sent or judged, and deadlines end what they end.
    """
    made, going_on = _look_and_move(wire)
    return made + _look_and_move(wire)[0] if going_on else made


def at_rest() -> bool:
    """Whether no change is under way, and none is about to be."""
    changing = exists().where(Operation.finished_at.is_(None))
    return not session.scalar(select(or_(changing, exists().where(Scope.held < Scope.wanted))))


def _look_and_move(wire: Wire) -> tuple[int, int]:
    """How many moves were made, and how many operations are at another stage."""
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
    sends = Sends()
    with transaction():
        made = _write_down(due, sends)
        ended = _to_advance()
        going_on = outcomes.advance(ended)
    sends.go(wire)
    return made + len(ended), going_on


def window(host: Host, queue: str) -> int:
    """How many unanswered tasks of a queue a host is given."""
    return UNANSWERED_PER_WORKER * (host.long_workers if queue == LONG else host.short_workers)


def _unfinished() -> list[Task]:
    """What is sent, what has passed its deadline, and of the rest the oldest of each queue."""
    queue = case((Task.job.in_(LONG_JOBS), 1), else_=0)
    ranked = (
        select(
            Task.id,
            Task.sent_at,
            Operation.deadline,
            func.row_number()
            .over(
                partition_by=(Task.host_id, queue, Task.sent_at.is_(None)),
                order_by=(Operation.created_at, Task.created_at, Task.id),
            )
            .label("rank"),
        )
        .join(Task.operation)
        .where(Task.finished_at.is_(None), Task.stage == Operation.stage)
        .subquery()
    )
    return list(
        session.scalars(
            select(Task)
            .join(ranked, ranked.c.id == Task.id)
            .join(Task.operation)
            .where(
                or_(
                    ranked.c.sent_at.is_not(None),
                    ranked.c.deadline <= now(),
                    ranked.c.rank <= LOOKED_AT_PER_HOST,
                )
            )
            .options(contains_eager(Task.operation), joinedload(Task.host))
            .order_by(Operation.created_at, Task.created_at, Task.id)
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
    """Those, locked with what they are about. What somebody changes meanwhile is left to the next
    tick: they may wait for what this one holds."""
    idle = _stages_without_work()
    elsewhere = Operation.target_type.not_in([Instance.__tablename__, Image.__tablename__])
    held = [
        target_id
        for model in (Instance, Image)
        for target_id in session.scalars(
            select(model.id)
            .where(model.id.in_(idle.with_only_columns(Operation.target_id)))
            .with_for_update(key_share=True, skip_locked=True)
        )
    ]
    return list(
        session.scalars(
            idle.where(or_(Operation.target_id.in_(held), elsewhere))
            .with_for_update(of=Operation, skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )


def _look(wire: Wire, tasks: list[Task]) -> tuple[dict[Sent, Fate], bool]:
    jobs = [latest(task) for task in tasks if task.sent_at]
    try:
        return wire.look(jobs), True
    except redis.RedisError as error:
        log.warning("Redis cannot be reached: %s", error)
        return {each: Fate(Attempt.UNDER_WAY) for each in jobs}, False


def _decide(task: Task, fate: Fate | None, moment: datetime) -> Move:
    attempt = fate.attempt if fate else Attempt.MISSING
    due_at = task.due_at
    if task.sent_at and attempt is Attempt.MISSING:
        due_at = task.sent_at + LOST_AFTER
    return decide(Standing(task.attempt, due_at), attempt, moment, deadline=task.operation.deadline)


def _judge(tasks: list[Task], fates: dict[Sent, Fate], *, reachable: bool) -> Iterator[Due]:
    """What is to be done now, about the oldest first."""
    moment = now()
    on_the_wire = [task for task in tasks if task.sent_at]
    unanswered = Counter((task.host_id, queue_of(task.job)) for task in on_the_wire)
    tables = {task.scope_id for task in on_the_wire} - {None}
    for task in tasks:
        fate = fates.get(latest(task))
        move = _decide(task, fate, moment)
        if move is Move.SEND and not (
            reachable and (task.sent_at or _has_room(task, unanswered, tables))
        ):
            continue
        if move is not Move.WAIT:
            yield Due(task.id, task.sends, move, fate)


def _write_down(due: list[Due], sends: Sends) -> int:
    """The moves are made, each only if its task is still where it was when it was judged."""
    tasks = _locked([each.task_id for each in due])
    answered = [tasks[each.task_id] for each in due if each.move is not Move.SEND]
    scopes.lock({task.scope_id for task in answered} - {None})
    made = 0
    for each in due:
        task = tasks[each.task_id]
        if task.finished_at or task.sends != each.sends or task.operation.finished_at:
            continue
        if each.move is Move.SEND:
            sends.send(task)
        else:
            _end_attempt(task, each.move, each.fate, sends)
        made += 1
    return made


def _has_room(task: Task, unanswered: Counter, tables: set[uuid.UUID]) -> bool:
    """Whether its host may be given one more task, which is then counted. Who is on the wire
    already has their place, be it lost a hundred times."""
    place = (task.host_id, queue_of(task.job))
    if unanswered[place] >= window(task.host, place[1]) or task.scope_id in tables:
        return False
    unanswered[place] += 1
    if task.scope_id:
        tables.add(task.scope_id)
    return True


def _locked(task_ids: list[uuid.UUID]) -> dict[uuid.UUID, Task]:
    """These tasks as they are now, and until the transaction ends nobody else's to change.

    Rows are locked in the order of the services: hosts, instances, images, then what is done to
    them, then tables; so nobody waits in a circle. (SQLite has one writer at a time and ignores
    it.)
    """
    concerned = (
        select(Task.host_id, Operation.target_id)
        .join(Task.operation)
        .where(Task.id.in_(task_ids))
        .subquery()
    )
    for model, ids in (
        (Host, concerned.c.host_id),
        (Instance, concerned.c.target_id),
        (Image, concerned.c.target_id),
    ):
        session.execute(
            select(model.id)
            .where(model.id.in_(select(ids)))
            .order_by(model.id)
            .with_for_update(key_share=True)
        )
    rows = session.scalars(
        select(Task)
        .join(Task.operation)
        .where(Task.id.in_(task_ids))
        .order_by(Task.operation_id, Task.id)
        .options(contains_eager(Task.operation), joinedload(Task.host))
        .with_for_update(of=(Operation, Task))
    )
    return {task.id: task for task in rows}


def _end_attempt(task: Task, move: Move, fate: Fate | None, sends: Sends) -> None:
    if task.sent_at:
        sends.forget(task)
    if move is Move.SUCCEED:
        outcomes.take(task.host, fate.observation)
        session.flush()
        if shortfall := outcomes.fulfilled(task):
            fate = Fate(Attempt.CRASHED, reason=shortfall)
            move = decide(
                Standing(task.attempt, task.due_at),
                fate.attempt,
                now(),
                deadline=task.operation.deadline,
            )
    match move:
        case Move.SUCCEED:
            outcomes.end_task(task, Outcome.DONE)
            _end_covered(task)
        case Move.FAIL:
            outcomes.end_task(task, Outcome.FAILED, _reason(task, fate))
        case Move.PAUSE | Move.PAUSE_FREE:
            free = move is Move.PAUSE_FREE
            wait = timedelta(seconds=fate.after_seconds) if free else pause(task.attempt)
            task.attempt -= free
            task.sent_at, task.due_at = None, now() + wait
            task.reason = fate.reason
            session.flush()


def _end_covered(task: Task) -> None:
    """A table covers all changes before it, so whoever waited for it has waited enough, unless
    somebody is just now ending the wait."""
    if task.scope_id is None:
        return
    for other in session.scalars(
        select(Task)
        .join(Task.operation)
        .where(
            Task.scope_id == task.scope_id,
            Task.finished_at.is_(None),
            Task.sent_at.is_(None),
            Task.job == task.job,
        )
        .options(contains_eager(Task.operation))
        .with_for_update(of=(Operation, Task), skip_locked=True)
        .execution_options(populate_existing=True)
    ):
        if not outcomes.fulfilled(other):
            outcomes.end_task(other, Outcome.DONE)


def _reason(task: Task, fate: Fate | None) -> str:
    """Why it failed, in words for whoever asked for it."""
    name = task.host.name
    if fate and fate.attempt is Attempt.REFUSED:
        return fate.reason
    if fate and fate.attempt is Attempt.CRASHED:
        return f"host {name} tried {task.attempt} times; the last time: {fate.reason}"
    if task.host.dark:
        return f"host {name} did not answer"
    if task.attempt == 0:
        before = session.scalar(
            select(func.count())
            .select_from(Task)
            .where(
                Task.host_id == task.host_id,
                Task.finished_at.is_(None),
                Task.created_at < task.created_at,
            )
        )
        return f"{name} had {before} changes before yours and did not come to it in time"
    last = f"; the last time: {task.reason}" if task.reason else ""
    return f"host {name} did not finish it in time{last}"
