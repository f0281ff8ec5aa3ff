"""How hosts are: told to administrators in a word, a sentence, and what mends it.

Derived from when each was heard and looked at, from what its processes say of themselves, and from
how long its jobs take; nothing of it is stored.
"""

import dataclasses
import uuid
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import bindparam, case, func, or_, select

from portal import words
from portal.changes import LONG_JOBS
from portal.db import now, seconds_between, session
from portal.models import Host, Task, Tone
from portal.services import placement
from portal.services.waits import LONGER

WATCHED = timedelta(minutes=10)  # jobs that ended before are not judged
SLOW_LEAST = 2  # jobs that ended and were slow, before a host is called so
SILENT_ABOUT = timedelta(minutes=2)  # what it holds, which it is asked for twice a minute
LOGS = (
    "Its worker.log and agent.log say more: they are on the host, in the folder log beside its "
    "state (/var/lib/portico/log where scripts/up runs it)."
)
_JOBS = select(Task.host_id).where(Task.job.not_in(LONG_JOBS), Task.sent_at.is_not(None))
_SLOW = or_(
    seconds_between(Task.sent_at, Task.finished_at) > LONGER.total_seconds(), Task.attempt > 1
)
UNANSWERED = (
    _JOBS.add_columns(func.min(Task.sent_at).label("oldest"))
    .where(Task.finished_at.is_(None))
    .group_by(Task.host_id)
)
ENDED = (
    _JOBS.add_columns(func.count().label("jobs"), func.sum(case((_SLOW, 1), else_=0)).label("slow"))
    .where(Task.finished_at > bindparam("since"))
    .group_by(Task.host_id)
)


@dataclasses.dataclass(frozen=True)
class Condition:
    """How one host is."""

    word: str
    tone: Tone
    sentence: str = ""  # what is known; none of a host that is well
    mend: str = ""  # whose move it is, and where to look
    takes_new: bool = True  # instances


@dataclasses.dataclass(frozen=True)
class Pace:
    """How fast a host has been lately, by its jobs that move no bytes."""

    jobs: int = 0
    slow: int = 0  # of these
    waited: timedelta = timedelta()  # for the oldest answer that is overdue

    @property
    def is_slow(self) -> bool:
        overdue = self.waited > LONGER
        return overdue or (self.slow >= SLOW_LEAST and 2 * self.slow >= self.jobs)


def of_hosts(hosts: Iterable[Host]) -> dict[uuid.UUID, Condition]:
    """How each of these hosts is, by its id."""
    listed = list(hosts)
    paces = _paces()
    return {host.id: _of(host, paces.get(host.id, Pace())) for host in listed}


def _of(host: Host, pace: Pace) -> Condition:
    if refusal := placement.unfit(host, {}, {}):
        return dataclasses.replace(_of_unfit(host, refusal), takes_new=False)
    if host.trouble:
        return Condition("Slow", Tone.WARN, f"{host.name} says: {host.trouble}.", LOGS)
    late = now() - host.observed_at
    if late > SILENT_ABOUT:
        return Condition(
            "Slow",
            Tone.WARN,
            f"{host.name} is heard, and has not said for {words.duration(late)} what it holds.",
            f"Its worker does not run, ends as soon as it begins, or has too much to do. {LOGS}",
        )
    if pace.is_slow:
        return Condition("Slow", Tone.WARN, _slowness(host, pace), LOGS)
    return Condition("Ready", Tone.OK)


def _of_unfit(host: Host, refusal: placement.No) -> Condition:
    word, sentence = str(refusal.kind).capitalize(), f"{refusal.sentence}."
    if not host.enabled:
        return Condition(word, Tone.WARN, sentence)
    if refusal.kind == placement.NEARLY_FULL:
        mend = f"Make room on {host.name}: delete instances, or move its state directory."
        return Condition(word, Tone.WARN, sentence, mend)
    if host.trouble:
        return Condition(word, Tone.BAD, f"{sentence} It says: {host.trouble}.", LOGS)
    if host.heard_at is None:
        mend = "Start its worker and its agent with the settings that flask add-host wrote."
        return Condition(word, Tone.UNKNOWN, sentence, f"{mend} {LOGS}")
    if host.placeable:
        mend = "It is asked by itself; its worker has to run for the answer."
        return Condition(word, Tone.UNKNOWN, sentence, f"{mend} {LOGS}")
    mend = "See whether the machine is on, and whether its agent runs and reaches Redis."
    return Condition(word, Tone.UNKNOWN, sentence, f"{mend} {LOGS}")


def _slowness(host: Host, pace: Pace) -> str:
    if pace.waited > LONGER:
        return (
            f"{host.name} was given something to do {words.duration(pace.waited)} ago and has not "
            "answered, which takes seconds where all is well: changes wait for it."
        )
    return (
        f"{pace.slow} of the last {pace.jobs} jobs of {host.name} took longer than "
        f"{words.duration(LONGER)}, or more than one attempt."
    )


def _paces() -> dict[uuid.UUID, Pace]:
    """How fast hosts have been lately. Two statements, however many hosts there are, each by an
    index of its own: finished tasks are kept for ever. The database counts, so that nothing is
    left out on a busy day."""
    moment = now()
    paces = {
        row.host_id: Pace(jobs=row.jobs, slow=row.slow)
        for row in session.execute(ENDED, {"since": moment - WATCHED})
    }
    for row in session.execute(UNANSWERED):
        pace = paces.get(row.host_id, Pace())
        paces[row.host_id] = dataclasses.replace(pace, waited=moment - row.oldest)
    return paces
