"""What a move does to its task."""

from datetime import timedelta

from sqlalchemy import func, select

from portal.conductor import outcomes
from portal.conductor.decide import Attempt, Move, Standing, decide, pause
from portal.conductor.outbox import Outbox
from portal.conductor.wire import Fate
from portal.db import now, session
from portal.models import Outcome, Task


def standing(task: Task) -> Standing:
    """What of the task is judged."""
    return Standing(task.attempt, task.due_at, task.deadline, task.sent_at)


def make_move(task: Task, move: Move, fate: Fate, outbox: Outbox) -> None:
    """The move is made, with all that follows from it in the rows. What it puts on the wire, or
    takes from there, lies in the outbox."""
    if move is Move.SEND:
        outbox.send(task)
        return
    if task.sent_at:
        outbox.forget(task)
    match move:
        case Move.TAKE:
            outcomes.take(task.host, fate.observation)
            session.flush()
            missing = outcomes.shortfall(task)
            found = Fate(Attempt.SHORT if missing else Attempt.FULFILLED, reason=missing)
            then = decide(standing(task), found.attempt, now())
            make_move(task, then, found, outbox)
            if then is Move.PAUSE:
                outcomes.go_back(task)
        case Move.SUCCEED:
            outcomes.end_task(task, Outcome.DONE)
        case Move.FAIL:
            outcomes.end_task(task, Outcome.FAILED, _reason(task, fate))
        case Move.PAUSE | Move.PAUSE_FREE:
            free = move is Move.PAUSE_FREE
            wait = timedelta(seconds=fate.after_seconds) if free else pause(task.attempt)
            task.attempt -= free
            task.sent_at, task.due_at = None, now() + wait
            task.reason = fate.reason
            session.flush()


def _reason(task: Task, fate: Fate) -> str:
    """Why it failed, in words for whoever wanted it."""
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
