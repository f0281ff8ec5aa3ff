"""From what a host said to rows: facts, ends of tasks, ends of operations.

Facts belong to their host and have an order: each observation bears the boot of its host and a
number that was taken before looking. Everything here runs inside the conductor's transaction.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import func, select

from portal.conductor import tables
from portal.conductor.noun import Reports
from portal.conductor.nouns import NOUNS, noun_of
from portal.db import now, session
from portal.models import Host, Operation, Outcome, Scope, Task
from portal.services import operations
from workers.specs import Observation

BOOTS_KEPT = 16  # of those that have passed: an answer from one of them comes too late


def take(host: Host, observation: Observation) -> None:
    """The facts that a host reported are written where they are newer than what was known."""
    session.refresh(host, with_for_update={"key_share": True})  # first: a create locks so too
    take_all([(host, observation)], tables.concerned([(host.id, observation)]))


def take_all(reports: Reports, concerned: Collection[Scope]) -> None:
    """What each of these hosts reported is written where it is newer than what was known; the
    tables that it concerns are locked. Who says everything is taken alone: what is not named then
    is not there."""
    news = [(host, observation) for host, observation in reports if _is_news(host, observation)]
    some = [each for each in news if not each[1].everything]
    for batch in (some, *([each] for each in news if each[1].everything)):
        if batch:
            tables.take(batch, concerned)
            for noun in NOUNS.values():
                noun.take(batch)


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
    if task.operation is None:
        tables.ended(task)
    elif outcome is Outcome.FAILED:
        end_operations([task.operation], Outcome.FAILED, reason)


def break_off(task: Task, reason: str) -> None:
    """The task has failed, and with it its operation: what that means to the noun could not be
    done, and is for its mending to see to."""
    task.finished_at, task.outcome, task.reason = now(), Outcome.FAILED, reason
    if task.operation is None:
        tables.ended(task)
    else:
        operations.finish(task.operation, Outcome.FAILED, reason)


def advance(looked_at: Collection[Operation]) -> tuple[int, int]:
    """Of these operations, whose rows are locked, each whose tasks of the present stage have all
    ended is at its next stage that has something to do, or has ended. Returns how many have
    moved, and how many of them go on."""
    left = {each.id: each for each in looked_at if each.finished_at is None}
    if not left:
        return 0, 0
    stages = dict(
        session.execute(
            select(Task.operation_id, func.min(Task.stage))
            .where(Task.operation_id.in_(left), Task.finished_at.is_(None))
            .group_by(Task.operation_id)
        ).all()
    )
    going_on = 0
    for operation_id, stage in stages.items():
        going_on += stage > left[operation_id].stage
        left[operation_id].stage = stage
    over = [each for each in left.values() if each.id not in stages]
    end_operations(over, Outcome.DONE)
    return going_on + len(over), going_on


def end_operations(ended: Sequence[Operation], outcome: Outcome, reason: str = "") -> None:
    """These operations have ended alike. What a failed one replaced is wanted again."""
    by_noun: dict[str, list[Operation]] = {}
    for operation in ended:
        operations.finish(operation, outcome, reason)
        by_noun.setdefault(operation.target_type, []).append(operation)
    for noun, those in by_noun.items():
        NOUNS[noun].ended(those)


def _is_news(host: Host, observation: Observation) -> bool:
    """Whether an observation may say something that is not known. Of everything that a host holds,
    only the newest report does."""
    if not _of_present_boot(host, observation):
        return False
    if observation.everything:
        if observation.sequence <= host.sequence:
            return False
        host.sequence, host.observed_at = observation.sequence, now()
    return True


def _of_present_boot(host: Host, observation: Observation) -> bool:
    """Whether something was seen in the present boot of its host, which a boot that was not heard
    of before is. (A host that lost its state counts anew, under another boot.)"""
    if observation.boot_id == host.boot_id:
        return True
    if observation.boot_id in host.past_boots:
        return False
    if host.boot_id:
        host.past_boots = [host.boot_id, *host.past_boots][:BOOTS_KEPT]
    host.boot_id, host.sequence = observation.boot_id, 0
    return True
