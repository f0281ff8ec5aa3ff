"""What nobody will ask for again is forgotten, so that the database grows with what people do and
not with the days."""

import uuid
from datetime import timedelta

from sqlalchemy import delete, select

from portal.db import now, session, transaction
from portal.models import Operation, Task, TaskLine
from portal.services import idempotency, sessions
from portal.services.operations import ROUTINE

ROUTINE_KEPT = timedelta(hours=1)  # a table's update that went well is on no list
MOST_AT_A_TIME = 2000


def tidy() -> None:
    """Keys of forms that work no more, sessions that have ended by their age, and updates of
    tables that went well are gone."""
    routine = _routine()
    with transaction():
        idempotency.forget()
        sessions.forget()
        tasks = select(Task.id).where(Task.operation_id.in_(routine))
        session.execute(delete(TaskLine).where(TaskLine.task_id.in_(tasks)))
        session.execute(delete(Task).where(Task.operation_id.in_(routine)))
        session.execute(delete(Operation).where(Operation.id.in_(routine)))


def _routine() -> list[uuid.UUID]:
    """Finished ones never change again, so nobody waits while they are looked for."""
    return list(
        session.scalars(
            select(Operation.id)
            .where(ROUTINE, Operation.finished_at < now() - ROUTINE_KEPT)
            .limit(MOST_AT_A_TIME)
        )
    )
