"""What an unfinished change waits for, whose move it is, and what comes next.

Derived from its tasks and from when their hosts were heard, whenever somebody looks; nothing of it
is stored, and no host is asked.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, select

from portal import words
from portal.changes import ATTEMPTS, LONG_JOBS
from portal.db import now, session
from portal.models import Host, Lease, Operation, Task, TaskLine, Tone

TURN = timedelta(seconds=5)  # longer, and what waits for its turn is said to
LONGER = timedelta(seconds=20)  # than a job takes that moves no bytes, on a host that is well
LATE = timedelta(seconds=10)  # beyond what a host promised

PATIENT = "Portico goes on by itself."
PROMISED = {  # what happens to a guest whose patience is over
    "stop": "it is switched off",
    "reboot": "it is switched off, and boots again",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wait:
    """What one part of a change waits for."""

    sentence: str
    move: str = PATIENT  # whose it is, in a sentence
    until: datetime | None = None  # when the waiting ends by itself
    then: str = ""  # what happens then
    tone: Tone = Tone.BUSY
    said: TaskLine | None = None  # the last line that its host wrote
    host: Host | None = None  # that it waits for

    @property
    def next(self) -> str:
        """What comes by itself, and in how long; "" when that is not known."""
        if self.until is None:
            return ""
        if self.until <= now():
            return f"Now {self.then}."
        return f"At {words.moment(self.until)}, {words.until(self.until)}, {self.then}."


def of(
    operation: Operation | None,
    *,
    see_hosts: bool,
    whole: bool = True,
    lines: Iterable[TaskLine] | None = None,
) -> list[Wait]:
    """What the operation waits for, one part after the other; nothing once it has ended. Hosts are
    named if `see_hosts`; unless `whole`, neither they nor what they said. `lines` are what hosts
    said of it, oldest first, if that was read already."""
    if operation is None or operation.finished_at:
        return []
    tasks = _left(operation)
    stuck = not tasks or any(task.sends == 0 and now() - task.due_at > TURN for task in tasks)
    if stuck and not _somebody_leads():
        return [_nobody_leads(operation, see_hosts)]
    if not whole:
        return [_in_short(operation)]
    said = _newest(tasks) if lines is None else {line.task_id: line for line in lines}
    found = [_of_task(task, operation, said.get(task.id), see_hosts) for task in tasks]
    return list({each.sentence: each for each in found}.values())


def _in_short(operation: Operation) -> Wait:
    """That it is under way, for who may not hear how it goes."""
    return Wait(
        sentence=f"A host is at work on {operation.target_name}.",
        until=operation.deadline,
        then=_end(operation),
    )


def _left(operation: Operation) -> list[Task]:
    """What hosts have to do next."""
    return list(
        session.scalars(
            select(Task)
            .where(
                Task.operation_id == operation.id,
                Task.stage == operation.stage,
                Task.finished_at.is_(None),
            )
            .order_by(Task.created_at, Task.id)
        )
    )


def _newest(tasks: list[Task]) -> Mapping:
    """The last line of each of these tasks; of many that talk at once, of those that spoke last."""
    if not any(task.sends for task in tasks):
        return {}
    newest = session.scalars(
        select(TaskLine)
        .where(TaskLine.task_id.in_([task.id for task in tasks]))
        .order_by(TaskLine.at.desc(), TaskLine.stream_id.desc())
        .limit(4 * len(tasks))
    ).all()
    return {line.task_id: line for line in reversed(newest)}


def _of_task(task: Task, operation: Operation, said: TaskLine | None, see_hosts: bool) -> Wait:
    host = f"Host {task.host.name}" if see_hosts else "Its host"
    if not task.host.placeable:
        wait = _silent(task, operation, host, see_hosts)
    elif task.promised_at and operation.action in PROMISED:
        wait, said = _promised(task, operation, host), None  # which it repeats at every look
    elif task.sent_at:
        wait = _working(task, operation, host)
    else:
        wait = _unsent(task, operation, host)
    return dataclasses.replace(wait, said=said, host=task.host)


def _silent(task: Task, operation: Operation, host: str, see_hosts: bool) -> Wait:
    """Nothing was heard of the host for a while."""
    heard = task.host.heard_at
    since = f"since {words.moment(heard)}, {words.since(heard)}" if heard else "yet"
    mend = (
        "See whether it is on, and whether its worker and its agent run"
        if see_hosts
        else "An administrator of the cloud has to see to it"
    )
    return Wait(
        sentence=f"{host} has not answered {since}.",
        move=f"{mend}; Portico goes on by itself as soon as it answers.",
        until=operation.deadline,
        then=_end(operation),
        tone=Tone.WARN,
    )


def _promised(task: Task, operation: Operation, host: str) -> Wait:
    """A guest was asked to go down, and its host said until when it may take its time."""
    asked = f"{operation.target_name} was asked to shut down"
    if now() <= task.promised_at + LATE:
        return Wait(
            sentence=f"{asked}.",
            move="It is the guest's move.",
            until=task.promised_at,
            then=PROMISED[operation.action],
        )
    return Wait(
        sentence=f"{asked}, and should have been off since {words.moment(task.promised_at)}, "
        f"{words.since(task.promised_at)}. {host} has not said that it is.",
        move="Portico tries again by itself.",
        until=operation.deadline,
        then=_end(operation),
        tone=Tone.WARN,
    )


def _working(task: Task, operation: Operation, host: str) -> Wait:
    """The host was told, and has not answered yet."""
    tries = f", attempt {task.attempt} of {ATTEMPTS}" if task.attempt > 1 else ""
    told = f"{host} was told {words.since(task.sent_at)} to {_verb(task)}{tries}"
    slow = task.job not in LONG_JOBS and now() - task.sent_at > LONGER
    last = task.attempt >= ATTEMPTS or task.due_at >= operation.deadline
    return Wait(
        sentence=f"{told}, and has not answered; it takes seconds where all is well."
        if slow
        else f"{told}.",
        move="Portico tries again by itself." if slow else PATIENT,
        until=min(task.due_at, operation.deadline),
        then=_end(operation) if last else f"attempt {task.attempt + 1} of {ATTEMPTS} begins",
        tone=Tone.WARN if slow else Tone.BUSY,
    )


def _unsent(task: Task, operation: Operation, host: str) -> Wait:
    """The host has nothing to do for it at this moment."""
    if task.attempt:
        return Wait(
            sentence=f"Attempt {task.attempt} of {ATTEMPTS} failed: {_sentence(task.reason)}",
            move="Portico tries again by itself.",
            until=task.due_at,
            then="the next one begins",
            tone=Tone.WARN,
        )
    end = {"until": operation.deadline, "then": _end(operation)}
    if task.reason:
        return Wait(sentence=f"{host} says: {_sentence(task.reason)}", **end)
    if now() - task.due_at > TURN:
        return Wait(sentence=f"{host} has other changes before this one.", **end)
    return Wait(sentence=f"{host} is being told to {_verb(task)}.", **end)


def _end(operation: Operation) -> str:
    """What becomes of it at its deadline."""
    again = operation.action in ("delete", "repair")
    return "this try ends, and another one follows" if again else "it is given up"


def _verb(task: Task) -> str:
    return task.words[0].lower() + task.words[1:]


def _sentence(reason: str) -> str:
    """A reason as a sentence's end."""
    return f"{(reason or 'it did not end').rstrip('.')}."


def _somebody_leads() -> bool:
    """Whether there is a conductor that carries changes out."""
    until = session.scalar(select(func.max(Lease.until)))
    return until is not None and until > now()


def _nobody_leads(operation: Operation, see_hosts: bool) -> Wait:
    return Wait(
        sentence="No change is carried out at present; what was asked for is kept.",
        move="The conductor does not run: start it, and look at its log. `flask doctor` says more."
        if see_hosts
        else "An administrator of the cloud has to see to it.",
        until=operation.deadline,
        then=_end(operation),
        tone=Tone.WARN,
    )
