"""What the engine has to know of a noun, and nothing more."""

import dataclasses
import uuid
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from portal.conductor.wire import Address, Fate
from portal.db import Base
from portal.models import Host, Operation, Task
from workers.specs import Observation, Spec

Beats = Mapping[uuid.UUID, Mapping[str, str]]  # by the host's id
Reports = Sequence[tuple[Host, Observation]]  # who said what, the earlier first
Specs = Callable[[Sequence[Task]], Mapping[uuid.UUID, Spec]]  # by the task's id


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """Something that a host shall say. It is no change: nothing waits for it but who wants to
    know, and it is put again while it is wanted."""

    about: uuid.UUID  # one question about a thing is under way at a time
    host: Address
    job: str
    spec: Spec
    mark: Hashable  # with another mark it is another question
    until: datetime  # nobody waits for the answer any longer
    again: timedelta | None = None  # put once more so long after it was put last


@dataclasses.dataclass(frozen=True)
class Need:
    """Something that a host must hold before it can do a task, and has given up meanwhile."""

    job: str  # which brings it there
    target_id: uuid.UUID  # what that job is about


def _nothing(*_) -> None:
    return None


def _none(*_) -> tuple:
    return ()


def _not_mended(_thing_id: uuid.UUID) -> bool:
    return False


def _nothing_missing(_task: Task) -> str:
    return ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Noun:
    """One noun, seen from the engine. All but `specs` runs inside a transaction, or only reads.
    What is called for many things at once is given a whole batch, so that a noun reads what it
    needs for all of them together."""

    name: str  # of its changes, its jobs, and, of one that has rows, their table
    specs: Mapping[str, Specs]  # what hosts are told, by the job
    model: type[Base] | None = None  # whose rows are locked while their tasks are moved
    take: Callable[[Reports], None] = _nothing  # write down what is newer than known
    fulfilled: Callable[[Task], str] = _nothing_missing  # empty, or what is not as it shall be
    needs: Callable[[Task], Iterable[Need]] = _none  # what the host lacks of what the task needs
    ended: Callable[[Sequence[Operation]], None] = _nothing  # what the end of changes means
    due: Callable[[], Iterable[uuid.UUID]] = _none  # what has drifted and may be mended now
    mend: Callable[[uuid.UUID], bool] = _not_mended  # whether a change of it was opened
    clock_set: Callable[[timedelta], None] = _nothing  # its moments that are waited from move so
    questions: Callable[[Beats], Iterable[Question]] = _none  # what is wanted to be known now
    answered: Callable[[Question, Fate], None] = _nothing  # a question has ended
