"""Hearing what hosts say of tasks."""

import re
import uuid
from datetime import timedelta

from sqlalchemy import text

from portal.conductor.ear import TALKING
from portal.db import now, session, transaction, write
from portal.models import Task
from tests.cloud import host_row

FINISHED = 5_000


def plan(statement, values: dict) -> str:
    """How the database means to find it, in its own words."""
    connection = session.connection()
    compiled = statement.compile(dialect=connection.dialect)
    lite = connection.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN" if lite else "EXPLAIN"
    moments = [str(each)[:26] if lite else each for each in values.values()]
    given = tuple(moments) if lite else dict(zip(values, moments, strict=True))
    return "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {compiled}", given))


def test_who_may_say_something_is_found_beside_any_number_of_finished_tasks(any_cloud):
    """Seen: of 100,000 finished tasks all were looked at, twice a second."""
    any_cloud.add_host("kvm-1")
    moment, host_id = now(), host_row().id
    plain = {"job": "networks.apply", "host_id": host_id, "deadline": moment, "due_at": moment}
    rows = []
    for number in range(FINISHED):
        ended = moment - timedelta(minutes=number)
        own = {"id": uuid.uuid4(), "target_id": uuid.uuid4(), "sent_at": ended}
        rows.append(plain | own | {"finished_at": ended})
    with transaction():
        write(Task, rows)
    session.connection().execute(text("ANALYZE"))
    said = plan(TALKING, {"ended": moment - timedelta(seconds=5)})
    session.rollback()
    assert "ix_tasks_finished_at" in said
    assert "ix_tasks_open" in said
    assert not re.search(r"SCAN tasks(?! USING INDEX ix_tasks_open)|Seq Scan on tasks", said)
