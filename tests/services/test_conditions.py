"""How fast hosts are, found beside any number of jobs."""

import re
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.conductor import tick
from portal.db import now, session, transaction, write
from portal.models import Outcome, Task
from portal.services import conditions, instances
from tests.cloud import host_row

MANY = 5_000


def ended(*, count: int, took: timedelta, apart: timedelta = timedelta()) -> None:
    """So many jobs of kvm-1 have ended, the last of them now."""
    moment, host_id = now(), host_row().id
    plain = {"job": "instances.apply", "host_id": host_id, "outcome": Outcome.DONE}
    plain |= {"deadline": moment, "due_at": moment}
    rows = []
    for number in range(count):
        end = moment - number * apart
        own = {"id": uuid.uuid4(), "target_id": uuid.uuid4()}
        rows.append(plain | own | {"sent_at": end - took, "finished_at": end})
    with transaction():
        write(Task, rows)


def plan(statement, **values) -> str:
    """How the database means to find it, in its own words."""
    connection = session.connection()
    lite = connection.dialect.name == "sqlite"
    compiled = statement.params(values).compile(
        dialect=connection.dialect, compile_kwargs={"literal_binds": True}
    )
    explained = text(f"EXPLAIN {'QUERY PLAN' if lite else ''} {compiled}".replace(":", r"\:"))
    return "\n".join(str(row) for row in session.execute(explained))


@pytest.fixture
def host_alone(any_cloud):
    """A cloud of either database with one host and an instance that runs."""
    any_cloud.add_host("kvm-1")
    any_cloud.web = any_cloud.running("web")
    return any_cloud


def test_how_fast_hosts_are_is_found_beside_any_number_of_finished_jobs(host_alone):
    """Seen: a look at a host took longer with every day of the installation."""
    ended(count=MANY, took=timedelta(seconds=1), apart=timedelta(minutes=1))
    session.connection().execute(text("ANALYZE"))
    lately = plan(conditions.ENDED, since=now() - conditions.WATCHED)
    unanswered = plan(conditions.UNANSWERED)
    session.rollback()
    assert "ix_tasks_finished_at" in lately
    assert re.search(r"ix_tasks_(scope_)?open", unanswered)
    whole = r"SCAN tasks(?! USING INDEX ix_tasks_(scope_)?open)|Seq Scan on tasks"
    for said in (lately, unanswered):
        assert not re.search(whole, said)


def test_a_job_that_hangs_is_seen_beside_a_thousand_that_do_not(host_alone):
    """Seen: "Ready", since only the newest were looked at."""
    web = host_alone.web
    instances.force_stop(host_alone.actor("alice"), web.project_id, web.id)
    tick.tick(host_alone.wire)
    host_alone.clock.forward(minutes=1)
    host_alone.beat()
    host_alone.ear.listen()
    ended(count=MANY, took=timedelta(seconds=1))
    session.rollback()
    condition = conditions.of_hosts([host_row()])[host_row().id]
    assert condition.word == "Slow"
    assert "kvm-1 was given something to do" in condition.sentence


@pytest.mark.parametrize(("seconds", "word"), [(19, "Ready"), (21, "Slow")])
def test_a_host_is_slow_by_the_seconds_that_its_jobs_took(host_alone, seconds, word):
    ended(count=MANY, took=timedelta(seconds=seconds))
    session.rollback()
    assert conditions.of_hosts([host_row()])[host_row().id].word == word
