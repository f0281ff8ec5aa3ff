"""Tables that hosts hold, and the tasks that need not be sent any more."""

import itertools
import uuid

import pytest
from sqlalchemy import select

from portal.conductor import tables, tick
from portal.db import now, session, transaction
from portal.models import Outcome, Scope, Task
from portal.services import instances
from tests.cloud import host_row

APPLY, REMOVE = "networks.apply", "networks.remove"
REVISION = 5
STANDINGS = [  # (held, wanted, needed)
    *itertools.product((0, REVISION - 1, REVISION, REVISION + 1), (REVISION, REVISION + 1), (0, 1))
]


def add(cloud, job, standing, **changes) -> tuple[Task, Scope]:
    """A task for a table that stands so on its host."""
    held, wanted, needed = standing
    with transaction():
        scope = Scope(
            host_id=host_row().id,
            kind="networks",
            target_id=uuid.uuid4(),
            held=held,
            wanted=wanted,
            needed=bool(needed),
        )
        session.add(scope)
        session.flush()
        task = Task(
            job=job,
            host_id=scope.host_id,
            target_id=scope.target_id,
            scope_id=scope.id,
            revision=REVISION,
            **dict.fromkeys(("deadline", "due_at"), now()) | changes,
        )
        session.add(task)
    return task, scope


@pytest.mark.parametrize("job", [APPLY, REMOVE])
def test_the_database_finds_the_tasks_that_are_covered_and_no_others(cloud, job):
    for standing in STANDINGS:
        task, scope = add(cloud, job, standing)
        query = select(Task.id).join(Task.scope).where(Task.id == task.id, tables.COVERED)
        found = session.scalar(query) is not None
        assert found == tables.covered(job, REVISION, scope), standing


def test_a_removal_that_pauses_is_left_alone_though_its_host_holds_the_table(bare_cloud):
    """Seen: each tick looked at it, and at all others like it."""
    bare_cloud.add_host("kvm-1")
    alice, instance = bare_cloud.actor("alice"), bare_cloud.running()
    bare_cloud.hosts["kvm-1"].fail("remove_network", "not yet", times=1)
    instances.delete(alice, instance.project_id, instance.id)
    bare_cloud.turn()
    bare_cloud.turn()
    session.rollback()
    with transaction():  # an older database was restored meanwhile
        [task] = session.scalars(select(Task).where(Task.job == REMOVE))
        assert task.sent_at is None
        assert task.due_at > now()
        scope = session.get_one(Scope, task.scope_id)
        scope.held = scope.wanted
    assert session.execute(tick.UNFINISHED, {"moment": now()}).all() == []
    bare_cloud.settle()
    assert bare_cloud.operations(instance)[-1].outcome is Outcome.DONE
