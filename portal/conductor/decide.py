"""What to do about an unfinished task: the whole state machine. Pure."""

import dataclasses
import enum
from datetime import datetime, timedelta

from portal.changes import ATTEMPTS

LOST_AFTER = timedelta(seconds=10)  # a sent job of which the wire knows nothing will not turn up


class Attempt(enum.Enum):
    """What became of the latest attempt of a task."""

    UNSENT = "unsent"  # nothing of it is on the wire: not yet, or not before a pause is over
    UNDER_WAY = "under way"  # queued or started
    LOST = "lost"  # it was sent, and the wire knows nothing of it
    ANSWERED = "answered"  # the host says that it is done
    SHORT = "short"  # the host said so, and what it reports is less
    FULFILLED = "fulfilled"  # what it was for is so, be it by another one's job
    REFUSED = "refused"  # the host says that it will never work
    CRASHED = "crashed"  # it raised, or its process died
    BUSY = "busy"  # the host says: not now


class Move(enum.Enum):
    """What to do."""

    WAIT = "wait"
    SEND = "send"
    TAKE = "take"  # write down what the host reports, and judge again
    PAUSE = "pause"  # forget the attempt, send another after a while
    PAUSE_FREE = "pause free"  # the same, without having used up an attempt
    SUCCEED = "succeed"
    FAIL = "fail"


@dataclasses.dataclass(frozen=True)
class Standing:
    """What of a task is judged."""

    attempt: int  # how many it has used up
    due_at: datetime  # until when the latest, or the pause after it, is waited for
    deadline: datetime
    sent_at: datetime | None = None


def decide(task: Standing, attempt: Attempt, now: datetime, *, room: bool = True) -> Move:
    """What to do about an unfinished task. `room` says whether its host can be given a job.

    Every WAIT ends at `due_at` or the deadline and every SEND uses up an attempt, so nothing
    stays open for ever, whatever the queue loses and whichever host dies.
    """
    last = task.attempt >= ATTEMPTS
    match attempt:
        case Attempt.FULFILLED:
            return Move.SUCCEED
        case Attempt.ANSWERED:
            return Move.TAKE
        case Attempt.REFUSED:
            return Move.FAIL
        case Attempt.CRASHED | Attempt.SHORT:
            return Move.FAIL if last else Move.PAUSE
        case Attempt.BUSY:
            return Move.PAUSE_FREE
    if now >= task.deadline:
        return Move.FAIL
    if now < (task.sent_at + LOST_AFTER if attempt is Attempt.LOST else task.due_at):
        return Move.WAIT
    if last:
        return Move.FAIL
    return Move.SEND if room else Move.WAIT


def pause(attempt: int) -> timedelta:
    """How long to leave a task alone after its attempt number `attempt` crashed: 1, 2, 4, 8 s."""
    return timedelta(seconds=2 ** max(0, attempt - 1))
