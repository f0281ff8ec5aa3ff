"""Hearing hosts without a question: their beats, and the lines that they say about tasks."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Row, bindparam, select, union_all, update

from portal.conductor.noun import Beats
from portal.conductor.wire import Wire
from portal.db import now, session, transaction
from portal.models import Host, Task, TaskLine
from workers import wire

HEARD_WRITTEN = timedelta(seconds=10)  # `heard_at` is at most so far behind
LINES_AFTER = timedelta(seconds=5)  # the end of a task, its last lines are still read
HOSTS = select(
    Host.id, Host.name, Host.heard_at, Host.short_workers, Host.long_workers, Host.trouble
).order_by(Host.id)
_SENT = select(Task.id, Host.name).join(Task.host).where(Task.sent_at.is_not(None))
# Two halves, each by an index of its own: finished tasks are kept for ever.
TALKING = union_all(
    _SENT.where(Task.finished_at.is_(None)),
    _SENT.where(Task.finished_at > bindparam("ended")),
)


class Ear:
    """The conductor's ear. What it remembers costs a restarted conductor nothing."""

    def __init__(self, wire: Wire):
        self._wire = wire
        self._beats: dict[uuid.UUID, str] = {}  # the latest of each host, to tell a new one
        self._read: dict[str, str] = {}  # stream key to the id of the last line taken

    def listen(self) -> Beats:
        """When each host was heard, and what hosts said of tasks under way, is in the database.
        Returns what they say of themselves."""
        hosts = session.execute(HOSTS).all()
        beats = self._wire.beats(hosts)
        self._hear(hosts, beats)
        self._take_troubles(hosts)
        self._take_lines()
        return beats

    def _hear(self, hosts: Sequence[Row], beats: Beats) -> None:
        """A host was heard when its beat is another than before, by our clock: its own may be
        wrong."""
        heard = []
        self._beats = {host.id: self._beats.get(host.id, "") for host in hosts}
        for host in hosts:
            beat = beats.get(host.id, {}).get(wire.BEAT_TIME, "")
            if beat and beat != self._beats[host.id]:
                self._beats[host.id] = beat
                if host.heard_at is None or abs(now() - host.heard_at) >= HEARD_WRITTEN:
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
                        short_workers=_count(beat, wire.SHORT, host.short_workers),
                        long_workers=_count(beat, wire.LONG, host.long_workers),
                    )
                )

    def _take_troubles(self, hosts: Sequence[Row]) -> None:
        """What keeps a host from working is written where it is another than before."""
        said = self._wire.troubles(hosts)
        news = [host for host in hosts if said[host.id] != host.trouble]
        if not news:
            return
        with transaction():
            for host in news:
                session.execute(
                    update(Host).where(Host.id == host.id).values(trouble=said[host.id])
                )

    def _take_lines(self) -> None:
        streams = {
            wire.log(host_name, str(task_id)): task_id
            for task_id, host_name in session.execute(TALKING, {"ended": now() - LINES_AFTER})
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


def moment_of(stream_id: str) -> datetime:
    """When a line was written: an id of a Redis stream begins with milliseconds since 1970."""
    return datetime.fromtimestamp(int(stream_id.partition("-")[0]) / 1000, UTC)


def _taken(lines: Collection[tuple[uuid.UUID, str]]) -> set[tuple[uuid.UUID, str]]:
    """Which of these lines are in the database already."""
    query = select(TaskLine.task_id, TaskLine.stream_id).where(
        TaskLine.task_id.in_({task_id for task_id, _ in lines})
    )
    return set(map(tuple, session.execute(query)))


def _count(beat: Mapping[str, str], queue: str, otherwise: int) -> int:
    text = beat.get(wire.BEAT_WORKERS[queue], "")
    return int(text) if text.isdecimal() and 0 < int(text) < 1000 else otherwise
