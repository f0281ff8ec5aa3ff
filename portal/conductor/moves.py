"""What a move does to its task."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import func, select

from portal.conductor import outcomes
from portal.conductor.decide import Attempt, Move, Standing, decide, pause
from portal.conductor.outbox import Outbox
from portal.conductor.wire import Fate
from portal.db import now, session
from portal.models import Outcome, Scope, Task


def standing(task) -> Standing:
    """What of a task, or of its columns, is judged."""
    return Standing(task.attempt, task.due_at, task.deadline, task.sent_at)


def make_moves(
    moves: Sequence[tuple[Task, Move, Fate]], concerned: Collection[Scope], outbox: Outbox
) -> None:
    """The moves are made, with all that follows from them in the rows. What they put on the wire,
    or take from there, lies in the outbox. What hosts said is taken in for all of them first: the
    tables that it concerns are locked."""
    outcomes.take_all(
        [(task.host, fate.observation) for task, move, fate in moves if move is Move.TAKE],
        concerned,
    )
    for task, move, fate in moves:
        if move is Move.SEND:
            outbox.send(task)
            continue
        if task.sent_at:
            outbox.forget(task)
        if task.finished_at:
            continue  # one before it has ended their operation
        if move is Move.TAKE:
            missing = outcomes.shortfall(task)
            fate = Fate(Attempt.SHORT if missing else Attempt.FULFILLED, reason=missing)
            move = decide(standing(task), fate.attempt, now())
            if move is Move.PAUSE:
                outcomes.go_back(task)
        _end(task, move, fate)


def _end(task: Task, move: Move, fate: Fate) -> None:
    """The latest attempt of the task has ended, and maybe the task."""
    match move:
        case Move.SUCCEED:
            outcomes.end_task(task, Outcome.DONE)
        case Move.FAIL:
            outcomes.end_task(task, Outcome.FAILED, _reason(task, fate))
        case Move.PAUSE | Move.PAUSE_FREE:
            free = move is Move.PAUSE_FREE
            wait = timedelta(seconds=fate.after_seconds) if free else pause(task.attempt)
            task.attempt -= free
            task.sent_at, task.due_at = None, now() + wait
            within = fate.within_seconds
            task.promised_at = None if within is None else now() + timedelta(seconds=within)
            task.reason = fate.reason


def _reason(task: Task, fate: Fate) -> str:
    """Why the task failed, in words for whoever wanted it."""
    name = task.host.name
    if fate.attempt is Attempt.REFUSED:
        return fate.reason
    if fate.attempt in (Attempt.CRASHED, Attempt.SHORT):
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
