"""What hosts are to say: put, waited for, timed out, forgotten.

Questions are no operations: one that is lost is put again while somebody wants to know. What is
remembered here is forgotten with the process and costs a restarted conductor one more question
each.
"""

import dataclasses
import time
import uuid
from collections.abc import Hashable

from portal.conductor import faults, outcomes
from portal.conductor.decide import Attempt
from portal.conductor.noun import Beats, Noun, Question
from portal.conductor.nouns import NOUNS
from portal.conductor.wire import Fate, Message, Receipt, Wire
from portal.db import now, session, steady, transaction
from portal.models import Host
from workers.wire import SHORT

AT_ONCE = 4  # under way at a time on a host; they shall not crowd out changes
NOT_TAKEN = "its answer could not be written down, and the conductor's log says why"
ENDED = {Attempt.ANSWERED, Attempt.REFUSED, Attempt.CRASHED}


@dataclasses.dataclass
class Put:
    """A question as it was put last."""

    noun: Noun
    question: Question
    mark: Hashable
    at: float  # monotonic
    until: float  # of `steady`: when nobody waits any longer
    receipt: Receipt | None  # None: nothing of it is on the wire
    not_before: float | None = None  # monotonic; None: it was answered, or is under way


class Questions:
    """The questions under way, and when and how the others were put last."""

    def __init__(self, wire: Wire):
        self._wire = wire
        self._put: dict[uuid.UUID, Put] = {}

    def listen(self, beats: Beats) -> int:
        """Answers that have come are in the database, and what is wanted to be known has been put
        to its host. Returns how many questions have ended."""
        wanted = {
            question.about: (noun, question)
            for name, noun in NOUNS.items()
            for question in _asked(name, noun, beats)
        }
        ended = self._hear(wanted)
        self._put_all(wanted)
        self._put = {
            about: put for about, put in self._put.items() if put.receipt or about in wanted
        }
        return ended

    def _hear(self, wanted: dict[uuid.UUID, tuple[Noun, Question]]) -> int:
        under_way = {put.receipt: (about, put) for about, put in self._put.items() if put.receipt}
        fates = self._wire.look(under_way.keys()) if under_way else {}
        over, ended = [], 0
        for receipt, (about, put) in under_way.items():
            fate = fates[receipt]
            if fate.attempt is Attempt.LOST:
                del self._put[about]
            elif fate.attempt is Attempt.BUSY:
                put.receipt, put.not_before = None, time.monotonic() + fate.after_seconds
            elif fate.attempt not in ENDED and steady() < put.until:
                continue
            else:
                ended += self._end(put, fate)
                put.receipt = None
            over.append(receipt)
        if over:
            self._wire.forget(over)
        for about, (noun, question) in wanted.items():
            if self._unanswered(about) and now() >= question.until:
                self._put.pop(about, None)
                ended += self._end(Put(noun, question, question.mark, 0.0, 0.0, None), None)
        return ended

    def _unanswered(self, about: uuid.UUID) -> bool:
        """Whether nothing of a question is on the wire and its host has not answered: it could not
        be put, or only when the host was busy."""
        return about not in self._put or self._put[about].not_before is not None

    def _end(self, put: Put, fate: Fate | None) -> int:
        """What its host said is written down. An answer that cannot be counts as none."""
        if fate is None or fate.attempt not in ENDED:
            fate = Fate(Attempt.CRASHED, reason="the host did not answer")
        if not self._taken(put, fate):
            self._taken(put, Fate(Attempt.CRASHED, reason=NOT_TAKEN))
        return 1

    def _taken(self, put: Put, fate: Fate) -> bool:
        what = f"the answer of {put.question.host.name} to {put.question.job}"
        return faults.survived(lambda: self._take(put, fate), False, what=what)

    def _take(self, put: Put, fate: Fate) -> bool:
        with transaction():  # one each, so that nobody waits for more
            if fate.observation:
                host = session.get_one(Host, put.question.host.id)
                outcomes.take(host, fate.observation)
            put.noun.answered(put.question, fate)
        return True

    def _put_all(self, wanted: dict[uuid.UUID, tuple[Noun, Question]]) -> None:
        busy: dict[uuid.UUID, int] = {}
        for put in self._put.values():
            if put.receipt:
                busy[put.question.host.id] = busy.get(put.question.host.id, 0) + 1
        messages = []
        for about, (noun, question) in wanted.items():
            host_id = question.host.id
            if not self._due(question) or busy.get(host_id, 0) >= AT_ONCE:
                continue
            busy[host_id] = busy.get(host_id, 0) + 1
            message = Message(
                host=question.host,
                job=question.job,
                task=uuid.uuid4(),
                number=1,
                queue=SHORT,
                spec=question.spec,
                not_after=question.until,
            )
            until = steady() + (question.until - now()).total_seconds()
            self._put[about] = Put(
                noun, question, question.mark, time.monotonic(), until, message.receipt
            )
            messages.append(message)
        if messages:
            self._wire.send(messages)

    def _due(self, question: Question) -> bool:
        before = self._put.get(question.about)
        if before is None:
            return now() < question.until
        if before.receipt:
            return False
        if before.not_before is not None:
            return time.monotonic() >= before.not_before
        if before.mark != question.mark:
            return True
        return (
            question.again is not None
            and time.monotonic() - before.at >= question.again.total_seconds()
        )


def _asked(name: str, noun: Noun, beats: Beats) -> list[Question]:
    return faults.survived(
        lambda: list(noun.questions(beats)), [], what=f"the look at what is asked of {name}"
    )
