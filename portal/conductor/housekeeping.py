"""What nobody will look at again is forgotten, so that the database grows with what people do and
not with the days."""

import uuid
from datetime import timedelta

from sqlalchemy import delete, or_, select

from portal.db import now, session, transaction
from portal.models import Outcome, Task, TaskLine
from portal.services import events, idempotency, seals, sessions, tokens

HELD_KEPT = timedelta(hours=1)  # a table that was sent by itself and is held
FAILED_KEPT = timedelta(days=1)  # one that could not be
MOST_AT_A_TIME = 2000


def tidy() -> None:
    """Keys of forms that work no more, sessions and tokens that have ended by their age, and
    tables that were sent by themselves are gone, and events of long ago. Every entry of the record
    is sealed, and has its place among the events."""
    while seals.seal(everything=True):
        continue
    while events.number(everything=True):
        continue
    tasks = _tables_sent()
    with transaction():
        events.forget()
        idempotency.forget()
        sessions.forget()
        tokens.forget()
        session.execute(delete(TaskLine).where(TaskLine.task_id.in_(tasks)))
        session.execute(delete(Task).where(Task.id.in_(tasks)))


def _tables_sent() -> list[uuid.UUID]:
    """Finished ones never change again, so nobody waits while they are looked for."""
    moment = now()
    return list(
        session.scalars(
            select(Task.id)
            .where(
                Task.operation_id.is_(None),
                or_(
                    Task.finished_at < moment - FAILED_KEPT,
                    (Task.finished_at < moment - HELD_KEPT) & (Task.outcome != Outcome.FAILED),
                ),
            )
            .limit(MOST_AT_A_TIME)
        )
    )
