"""What to do about an unfinished task. Pure."""

import dataclasses
import enum
from datetime import datetime, timedelta

ATTEMPTS = 5


class Attempt(enum.Enum):
    """What became of the latest attempt of a task."""

    UNDER_WAY = "under way"  # queued or started
    MISSING = "missing"  # never sent, lost, or forgotten after a pause
    DONE = "done"
    REFUSED = "refused"  # the host says that it will never work
    CRASHED = "crashed"  # it raised, or its process died
    BUSY = "busy"  # the host says: not now


class Move(enum.Enum):
    """What to do."""

    WAIT = "wait"
    SEND = "send"
    PAUSE = "pause"  # forget the attempt, send another after a while
    PAUSE_FREE = "pause free"  # the same, without having used up an attempt
    SUCCEED = "succeed"
    FAIL = "fail"


@dataclasses.dataclass(frozen=True)
class Standing:
    """What of a task is judged: how many attempts it has used up, and until when to wait."""

    attempt: int
    due_at: datetime


def decide(task: Standing, attempt: Attempt, now: datetime, *, deadline: datetime) -> Move:
    """What to do about an unfinished task.

    Every WAIT ends at `due_at` or the operation's deadline and every SEND uses up an attempt, so
    nothing stays open for ever, whatever the queue loses and whichever host dies.
    """
    last = task.attempt >= ATTEMPTS
    match attempt:
        case Attempt.DONE:
            return Move.SUCCEED
        case Attempt.REFUSED:
            return Move.FAIL
        case Attempt.CRASHED:
            return Move.FAIL if last else Move.PAUSE
        case Attempt.BUSY:
            return Move.PAUSE_FREE
    if now >= deadline:
        return Move.FAIL
    if now < task.due_at:
        return Move.WAIT
    return Move.FAIL if last else Move.SEND


def pause(attempt: int) -> timedelta:
    """How long to leave a task alone after its attempt number `attempt` crashed: 1, 2, 4, 8 s."""
    return timedelta(seconds=2 ** max(0, attempt - 1))
