"""Asking hosts for the boot logs that somebody wants.

These are questions, not operations: one that is lost is asked again for a minute, and then the
page says that the host did not answer. What is remembered here costs a restarted conductor one
more question each.
"""

import dataclasses
import uuid
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import defer

from portal.conductor import specs
from portal.conductor.decide import Attempt
from portal.conductor.queue import Fate, Message, Sent, Wire
from portal.db import now, session, transaction
from portal.models import BootLog, Host, Instance
from portal.models.boot_log import PATIENCE
from portal.services import boot_logs
from workers.wire import SHORT

AT_ONCE = 4  # questions under way; they shall not crowd out changes


@dataclasses.dataclass(frozen=True)
class Question:
    """Somebody's wish for a newer log: another wish is another question."""

    log_id: uuid.UUID
    wanted_at: datetime


class BootLogs:
    """The questions under way."""

    def __init__(self, wire: Wire):
        self._wire = wire
        self._asked: dict[Question, Sent] = {}

    def listen(self) -> int:
        """Answers that have come are in the database, and who is due has been asked. Returns
        how many questions have ended."""
        wanted = _wanted()
        if not wanted and not self._asked:
            return 0
        fates = self._wire.look(self._asked.values())
        ended = {
            question: fate
            for question, (log, host) in wanted.items()
            if (fate := self._fate(question, log, host, fates))
        }
        if ended:
            with transaction():
                for question, fate in ended.items():
                    _end(question, fate)
        self._forget(wanted.keys() - ended.keys(), fates)
        self._ask({each: pair for each, pair in wanted.items() if each not in ended})
        return len(ended)

    def _fate(
        self, question: Question, log: BootLog, host: Host, fates: dict[Sent, Fate]
    ) -> Fate | None:
        """How a question ended, or None while it has not."""
        sent = self._asked.get(question)
        fate = fates[sent] if sent else Fate(Attempt.MISSING)
        if fate.attempt in (Attempt.DONE, Attempt.REFUSED, Attempt.CRASHED):
            return fate
        if not log.awaited:
            return Fate(Attempt.CRASHED, reason=f"{host.name} did not answer")
        return None

    def _forget(self, open_: set[Question], fates: dict[Sent, Fate]) -> None:
        """Nothing is left of what has ended, or was lost and may be asked again."""
        over = {
            question: sent
            for question, sent in self._asked.items()
            if question not in open_ or fates[sent].attempt in (Attempt.MISSING, Attempt.BUSY)
        }
        if over:
            self._wire.forget(over.values())
        for question in over:
            del self._asked[question]

    def _ask(self, open_: dict[Question, tuple[BootLog, Host]]) -> None:
        due = [each for each in open_ if each not in self._asked]
        messages = {
            question: Message(
                host=open_[question][1],
                job="instances.observe_log",
                task=uuid.uuid4(),
                number=1,
                queue=SHORT,
                spec=specs.boot_log(open_[question][0].instance_id),
                not_after=question.wanted_at + PATIENCE,
            )
            for question in due[: max(0, AT_ONCE - len(self._asked))]
        }
        if messages:
            self._wire.send(messages.values())
            self._asked |= {question: each.sent for question, each in messages.items()}


def _wanted() -> dict[Question, tuple[BootLog, Host]]:
    """What somebody waits for, the oldest wish first."""
    rows = session.execute(
        select(BootLog, Host)
        .join(Instance, Instance.id == BootLog.instance_id)
        .join(Host, Host.id == Instance.host_id)
        .where(BootLog.wanted_at <= now())
        .order_by(BootLog.wanted_at)
        .options(defer(BootLog.text))
        .execution_options(populate_existing=True)
    )
    return {Question(log.id, log.wanted_at): (log, host) for log, host in rows}


def _end(question: Question, fate: Fate) -> None:
    """Write down how the question ended, unless its instance is gone or somebody has asked
    again since."""
    log = session.get(BootLog, question.log_id, populate_existing=True)
    if log is None or log.wanted_at != question.wanted_at:
        return
    answer = fate.observation and fate.observation.boot_log
    if answer and answer.id == str(log.instance_id):
        boot_logs.keep(log, answer.text)
    else:
        boot_logs.give_up(log, fate.reason or "the host's answer is about something else")
