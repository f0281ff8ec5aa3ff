"""The clock was set: what lies ahead, and what is waited from, moves with it.

Moments in the database are of the clock. When somebody sets it forward, deadlines of changes would
pass before their time; when somebody sets it back, whatever pauses would pause for as much longer.
So the conductor that leads watches the clock against seconds that only run, and moves all that is
unfinished by as much. All of it at one moment, before which it goes by the clock as it was. What it
has no part in is bounded: a session ends earlier or later by that much, and so does what is kept
for a day.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement

from portal import db
from portal.conductor.moments import move
from portal.conductor.nouns import NOUNS
from portal.db import Base, transaction
from portal.models import Host, Operation, Scope, Task

LEAST = timedelta(seconds=2)  # less is no harm, and what clocks are slewed by
SLACK = timedelta(seconds=1)

log = logging.getLogger(__name__)


class Watch:
    """How far the clock and the seconds that only run are apart, as far as it has been seen to."""

    def __init__(self):
        self._wall = db.clock
        self.forget()

    @property
    def moved(self) -> timedelta:
        """By how much the clock was set since `forget`; nothing for less than LEAST."""
        moved = self._distance() - self._apart
        return moved if abs(moved) >= LEAST else timedelta()

    def forget(self) -> None:
        """What was moved until now has been seen to."""
        self._apart, self._at = self._distance(), db.steady()

    def now(self) -> datetime:
        """The moment by a clock that is set only when all that lies ahead has been moved."""
        return datetime.fromtimestamp(db.steady() + self._apart.total_seconds(), UTC)

    def since(self) -> tuple[datetime, datetime]:
        """Between which moments, by the clock as it is now, others wrote down what need not be
        moved: they have looked at it since it was set."""
        moment = self._wall()
        return moment - timedelta(seconds=db.steady() - self._at) - SLACK, moment + SLACK

    def _distance(self) -> timedelta:
        return timedelta(seconds=self._wall().timestamp() - db.steady())


def follow(watch: Watch) -> None:
    """All that is unfinished ends, and all that pauses goes on, as long from now as before the
    clock was set."""
    moved = watch.moved
    if moved:
        log.warning("the clock was set by %s: what is under way moves with it", moved)
        with transaction():
            for model, columns, which in _unfinished():
                move(model, columns, which & ~model.created_at.between(*watch.since()), by=moved)
            for noun in NOUNS.values():
                noun.clock_set(moved)
    watch.forget()


def _unfinished() -> Iterator[tuple[type[Base], tuple[str, ...], ColumnElement[bool]]]:
    yield Task, ("sent_at", "due_at", "deadline", "promised_at"), Task.finished_at.is_(None)
    yield Operation, ("deadline",), Operation.finished_at.is_(None)
    yield Host, ("heard_at",), Host.heard_at.is_not(None)
    yield Scope, ("repair_at",), Scope.repair_at.is_not(None)
    for noun in NOUNS.values():
        if hasattr(noun.model, "repair_at"):
            yield noun.model, ("repair_at",), noun.model.repair_at.is_not(None)
