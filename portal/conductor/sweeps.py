"""Hearing from hosts: their beats, their lines, and everything they hold.

What is remembered here is forgotten with the process and costs a restarted conductor one more
question to each host.
"""

import dataclasses
import logging
import time
import uuid
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from portal.conductor import outcomes, specs
from portal.conductor.decide import Attempt
from portal.conductor.queue import Message, Sent, Wire
from portal.db import now, session, transaction
from portal.models import Host, Task, TaskLine
from workers import wire
from workers.wire import LONG, SHORT

SWEEP_SECONDS = 30  # between two looks at everything a host holds
UNANSWERED_SECONDS = 60  # after which a question is asked again
HEARD_WRITTEN = timedelta(seconds=10)  # `heard_at` is at most so far behind

log = logging.getLogger(__name__)


@dataclasses.dataclass
class Acquaintance:
    """What is remembered of one host."""

    beat: str = ""  # the latest, to see whether it is a new one
    marks: tuple[str, str] = ("", "")  # boot id and event counter at the latest question
    asked: Sent | None = None
    asked_at: float = -1e9  # monotonic


class Sweeps:
    """The conductor's ear."""

    def __init__(self, wire: Wire):
        self._wire = wire
        self._known: dict[uuid.UUID, Acquaintance] = {}
        self._read: dict[str, str] = {}  # stream key to the id of the last line taken

    def listen(self) -> int:
        """Beats, answers and lines that have come are in the database; whoever is due has been
        asked. Returns how many answers were taken in."""
        hosts = list(session.scalars(select(Host).order_by(Host.name)))
        beats = self._wire.beats(hosts)
        self._hear(hosts, beats)
        taken = self._take_answers(hosts)
        self._ask(hosts, beats)
        self._take_lines()
        return taken

    def _hear(self, hosts: list[Host], beats: dict[uuid.UUID, dict[str, str]]) -> None:
        """A host was heard when its beat is another than before, by our clock: its own may be
        wrong."""
        heard = []
        for host in hosts:
            known = self._known.setdefault(host.id, Acquaintance())
            beat = beats.get(host.id, {}).get(wire.BEAT_TIME, "")
            if beat and beat != known.beat:
                known.beat = beat
                if host.heard_at is None or now() - host.heard_at >= HEARD_WRITTEN:
                    heard.append(host)
        if not heard:
            return
        with transaction():
            for host in heard:
                beat = beats[host.id]
                session.execute(
                    update(Host)
                    .where(Host.id == host.id)
                    .values(
                        heard_at=now(),
                        short_workers=_count(
                            beat.get(wire.BEAT_WORKERS[SHORT]), host.short_workers
                        ),
                        long_workers=_count(beat.get(wire.BEAT_WORKERS[LONG]), host.long_workers),
                    )
                )

    def _ask(self, hosts: list[Host], beats: dict[uuid.UUID, dict[str, str]]) -> None:
        messages = []
        for host in hosts:
            beat, known = beats.get(host.id), self._known[host.id]
            if not beat:
                continue
            since = time.monotonic() - known.asked_at
            if known.asked and since < UNANSWERED_SECONDS:
                continue
            marks = (beat.get(wire.BEAT_BOOT_ID, ""), beat.get(wire.BEAT_EVENTS, ""))
            if marks == known.marks and since < SWEEP_SECONDS:
                continue
            if known.asked:
                self._forget(known)
            known.marks, known.asked_at = marks, time.monotonic()
            message = Message(
                host=host,
                job="hosts.observe",
                task=uuid.uuid4(),
                number=1,
                queue=SHORT,
                spec=specs.observe(host),
                not_after=now() + timedelta(seconds=UNANSWERED_SECONDS),
            )
            known.asked = message.sent
            messages.append(message)
        if messages:
            self._wire.send(messages)

    def _take_answers(self, hosts: list[Host]) -> int:
        asked = {known.asked: host for host in hosts if (known := self._known[host.id]).asked}
        if not asked:
            return 0
        fates = self._wire.look(asked.keys())
        answered = {each: fate for each, fate in fates.items() if fate.observation}
        for each, fate in answered.items():
            with transaction():  # one a host, so that nobody waits for more
                outcomes.take(session.get_one(Host, asked[each].id), fate.observation)
        for each, fate in fates.items():
            if fate.attempt is not Attempt.UNDER_WAY:
                known = self._known[asked[each].id]
                if fate.observation is None:
                    log.warning("%s was asked what it holds: %s", asked[each].name, fate.reason)
                self._forget(known)
        return len(answered)

    def _forget(self, known: Acquaintance) -> None:
        self._wire.forget([known.asked])
        known.asked = None

    def _take_lines(self) -> None:
        """What hosts said about tasks under way is on the pages of their operations."""
        streams = {
            wire.log(host_name, str(task_id)): task_id
            for task_id, host_name in session.execute(
                select(Task.id, Host.name)
                .join(Task.host)
                .where(
                    Task.sent_at.is_not(None),
                    Task.finished_at.is_(None) | (Task.finished_at > now() - timedelta(seconds=5)),
                )
            )
        }
        self._read = {key: self._read.get(key, "0") for key in streams}
        news = self._wire.lines(self._read)
        if not news:
            return
        said = {
            (streams[key], line_id): text for key, lines in news.items() for line_id, text in lines
        }
        with transaction():
            known = _taken(said)
            session.add_all(
                TaskLine(task_id=task_id, stream_id=line_id, at=moment_of(line_id), text=text)
                for (task_id, line_id), text in said.items()
                if (task_id, line_id) not in known
            )
        self._read |= {key: lines[-1][0] for key, lines in news.items()}


def _taken(lines: Collection[tuple[uuid.UUID, str]]) -> set[tuple[uuid.UUID, str]]:
    """Those of these lines that are in the database already."""
    query = select(TaskLine.task_id, TaskLine.stream_id).where(
        TaskLine.task_id.in_({task_id for task_id, _ in lines})
    )
    return set(map(tuple, session.execute(query)))


def moment_of(stream_id: str) -> datetime:
    """When a line was written: an id of a Redis stream begins with milliseconds since 1970."""
    return datetime.fromtimestamp(int(stream_id.partition("-")[0]) / 1000, UTC)


def _count(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and 0 < int(text) < 1000 else otherwise
