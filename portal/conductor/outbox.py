"""What goes on the wire: decided in a transaction, and done when it has been committed."""

import uuid
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.orm import joinedload

from portal.changes import LONG_JOBS
from portal.conductor import faults
from portal.conductor.nouns import noun_of
from portal.conductor.wire import (
    TIMEOUT_SECONDS,
    Message,
    Receipt,
    Wire,
    receipt,
)
from portal.db import now, session, snapshot, transaction
from portal.models import Host, Task
from portal.models.task import GIVEN_UP
from workers.specs import Spec
from workers.wire import LONG, SHORT

NOT_AFTER = timedelta(seconds=30)  # beyond its time-out, a job that has not begun is refused
LEAST_TIMEOUT = timedelta(seconds=1)
GIVEN_UP_AFTER = timedelta(minutes=1)  # until then its host may still be heard of it
MOST_AT_A_TIME = 1000
UNSAID = "it could not be said what is to be done, and the conductor's log says why"
_HOST = joinedload(Task.host, innerjoin=True).load_only(Host.name, Host.sealed_key)
SENT = (
    select(Task)
    .where(Task.finished_at.is_(None), Task.sent_at.is_not(None))
    .options(_HOST, joinedload(Task.scope))
)
ABANDONED = (
    select(Task)
    .where(text(f"({GIVEN_UP})"), Task.finished_at < bindparam("before"))
    .options(_HOST)
    .limit(MOST_AT_A_TIME)
)


class Outbox:
    """Tasks whose jobs are to be sent, and jobs that are to be forgotten."""

    def __init__(self):
        self._due: dict[uuid.UUID, int] = {}  # task id to the number of the sending
        self._over: set[Receipt] = set()

    def send(self, task: Task) -> None:
        """One more attempt of the task has begun: its job is on the wire soon."""
        if task.sent_at:
            self.forget(task)
        left = max(LEAST_TIMEOUT, task.deadline - (moment := now()))
        timeout = min(timedelta(seconds=TIMEOUT_SECONDS[queue_of(task.job)]), left)
        task.attempt, task.sends = task.attempt + 1, task.sends + 1
        task.sent_at, task.due_at = moment, moment + timeout + NOT_AFTER
        self._due[task.id] = task.sends

    def forget(self, task: Task) -> None:
        """Nobody waits any longer for what was sent of the task."""
        self._over.add(latest(task))

    def go(self, wire: Wire) -> None:
        """What lies in the outbox is done. What a job says is read only now, so that nobody waits
        for it."""
        if self._over:
            wire.forget(self._over)
        if self._due:
            said = faults.apart(_messages, [*self._due.items()], _unsaid, what="the job of task")
            wire.send([message for messages in said for message in messages])


def forget_abandoned(wire: Wire) -> None:
    """Nothing is on the wire of tasks that ended because something else came before their host
    had answered. In the queue of a host that stays away, their jobs would lie for ever."""
    tasks = session.scalars(ABANDONED, {"before": now() - GIVEN_UP_AFTER}).all()
    if not tasks:
        return
    wire.forget([latest(task) for task in tasks])
    with transaction():
        session.execute(
            update(Task).where(Task.id.in_([task.id for task in tasks])).values(sent_at=None)
        )


def latest(task: Task) -> Receipt:
    """The receipt of the latest sending of a task."""
    return receipt(task.host, task.id, task.sends, queue_of(task.job))


def queue_of(job: str) -> str:
    """Which of a host's two queues a job goes on."""
    return LONG if job in LONG_JOBS else SHORT


def _messages(due: Sequence[tuple[uuid.UUID, int]]) -> list[Message]:
    """The jobs of these sendings; of what somebody has ended meanwhile there is none."""
    with snapshot():
        rows = {
            task.id: task
            for task in session.scalars(SENT.where(Task.id.in_([task_id for task_id, _ in due])))
        }
        tasks = [
            rows[task_id]
            for task_id, number in due
            if task_id in rows and rows[task_id].sends == number
        ]
        specs = _specs(tasks)
    return [_message(task, specs[task.id]) for task in tasks]


def _unsaid(due: tuple[uuid.UUID, int]) -> list[Message]:
    """Nothing is sent, so this attempt is missed like one that was lost, and another follows."""
    with transaction():
        session.execute(
            update(Task)
            .where(Task.id == due[0], Task.sends == due[1], Task.finished_at.is_(None))
            .values(reason=UNSAID)
        )
    return []


def _specs(tasks: list[Task]) -> dict[uuid.UUID, Spec]:
    """What the hosts are told, by the task's id; tasks of one kind together."""
    by_job: dict[str, list[Task]] = {}
    for task in tasks:
        by_job.setdefault(task.job, []).append(task)
    specs: dict[uuid.UUID, Spec] = {}
    for job, those in by_job.items():
        specs |= noun_of(job).specs[job](those)
    return specs


def _message(task: Task, spec: Spec) -> Message:
    return Message(
        host=task.host,
        job=task.job,
        task=task.id,
        number=task.sends,
        queue=queue_of(task.job),
        spec=spec,
        not_after=task.due_at,
        timeout_seconds=int((task.due_at - task.sent_at - NOT_AFTER).total_seconds()),
    )
