"""From what a host said to rows: facts, ends of tasks, ends of operations.

Facts belong to their host and have an order: each observation bears the boot of its host and a
number that was taken before looking. Everything here runs inside the conductor's transaction.
"""

from sqlalchemy import func, select

from portal.conductor import tables
from portal.conductor.nouns import NOUNS, noun_of
from portal.db import now, session
from portal.models import Host, Operation, Outcome, Task
from portal.services import operations
from workers.specs import Observation

BOOTS_KEPT = 16  # of those that have passed: an answer from one of them comes too late


def take(host: Host, observation: Observation) -> None:
    """The facts that a host reported are written where they are newer than what was known."""
    if not _of_present_boot(host, observation):
        return
    if observation.everything:
        if observation.sequence <= host.sequence:
            return
        host.sequence, host.observed_at = observation.sequence, now()
    tables.take(host, observation)
    for noun in NOUNS.values():
        noun.take(host, observation)


def shortfall(task: Task) -> str:
    """Empty when what the task was for is now so; else what is not, for the record."""
    if task.scope is not None:
        return tables.shortfall(task)
    return noun_of(task.job).fulfilled(task)


def go_back(task: Task) -> None:
    """What the host lacks of what the task needs is brought there first, and then the task is tried
    again: the operation is once more at the stage before. Each time uses up an attempt."""
    needs = list(noun_of(task.job).needs(task)) if task.operation else []
    if not needs:
        return
    moment, operation = now(), task.operation
    operation.stage = task.stage - 1
    session.add_all(
        Task(
            operation_id=operation.id,
            stage=operation.stage,
            job=need.job,
            host_id=task.host_id,
            target_id=need.target_id,
            deadline=operation.deadline,
            due_at=moment,
        )
        for need in needs
    )
    session.flush()


def end_task(task: Task, outcome: Outcome, reason: str = "") -> None:
    """The task has ended, and with a failed one its operation."""
    task.finished_at, task.outcome, task.reason = now(), outcome, reason
    session.flush()
    if task.operation is None:
        tables.ended(task)
    elif outcome is Outcome.FAILED:
        end_operation(task.operation, Outcome.FAILED, reason)


def advance(idle: list[Operation]) -> int:
    """Each operation, all of whose tasks of the present stage have ended, is at its next stage
    that has something to do, or has ended. Returns how many go on."""
    if not idle:
        return 0
    later = dict(
        session.execute(
            select(Task.operation_id, func.min(Task.stage))
            .where(Task.operation_id.in_([each.id for each in idle]), Task.finished_at.is_(None))
            .group_by(Task.operation_id)
        ).all()
    )
    for operation in idle:
        if operation.id in later:
            operation.stage = later[operation.id]
        else:
            end_operation(operation, Outcome.DONE)
    return len(later)


def end_operation(operation: Operation, outcome: Outcome, reason: str = "") -> None:
    """The operation has ended. What a failed one replaced is wanted again."""
    operations.finish(operation, outcome, reason)
    NOUNS[operation.target_type].ended(operation)


def _of_present_boot(host: Host, observation: Observation) -> bool:
    """Whether it was seen in the present boot of its host, which one that was not heard of before
    is. (A host that lost its state counts anew, under another boot.)"""
    if observation.boot_id == host.boot_id:
        return True
    if observation.boot_id in host.past_boots:
        return False
    if host.boot_id:
        host.past_boots = [host.boot_id, *host.past_boots][:BOOTS_KEPT]
    host.boot_id, host.sequence = observation.boot_id, 0
    return True
