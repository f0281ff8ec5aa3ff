"""The wire to the hosts. The only file of the portal that knows RQ.

RQ is used for what it is good at, handing a job to a process on another machine, and for nothing
that has to be remembered: no retries, dependencies, callbacks, webhooks or registries. A job's
argument and its answer are one string each, sealed with the host's own key.
"""

import dataclasses
import json
import time
import uuid
from collections.abc import Collection, Iterable
from datetime import datetime

import redis
from cryptography.fernet import InvalidToken
from rq import Queue
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from portal import keys
from portal.conductor.decide import Attempt
from portal.models import Host
from workers import specs, wire
from workers.wire import LONG, SHORT

TIMEOUT_SECONDS = {SHORT: 120, LONG: 3600}  # what a job may take, at the most
KEPT_SECONDS = 900  # job and result, should nobody fetch them
REGISTRIES = ("rq:finished", "rq:failed")  # keys of rq.registry, without the queue
TROUBLE_LONGEST = 1000  # characters
PROCESSES = (wire.WORKER, wire.AGENT)
SILENT_SECONDS = 15  # a job that a worker took and does not touch for so long is lost


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a host is reached: values and no row, for what outlives the session."""

    id: uuid.UUID
    name: str
    sealed_key: str

    @classmethod
    def of(cls, host: Host) -> "Address":
        """The address of this host."""
        return cls(host.id, host.name, host.sealed_key)


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What is remembered of a job on the wire: values and no row, since it outlives the session."""

    id: str
    host: str  # its name
    sealed_key: str  # of that host
    queue: str  # SHORT or LONG


@dataclasses.dataclass(frozen=True)
class Message:
    """A job to be sent to a host."""

    host: Host | Address
    job: str  # a name in workers.jobs.JOBS
    task: uuid.UUID
    number: int  # of this sending
    queue: str  # SHORT or LONG
    spec: specs.Spec
    not_after: datetime
    timeout_seconds: int = TIMEOUT_SECONDS[SHORT]  # RQ stops it after so long

    @property
    def receipt(self) -> Receipt:
        """What is to be remembered of the message."""
        return receipt(self.host, self.task, self.number, self.queue)


@dataclasses.dataclass(frozen=True)
class Fate:
    """What became of a sent job."""

    attempt: Attempt
    observation: specs.Observation | None = None
    reason: str = ""
    after_seconds: float = 0  # of BUSY: when to ask again
    within_seconds: float | None = None  # and how long that can go on, if it is known


def receipt(host: Host | Address, task: uuid.UUID, number: int, queue: str) -> Receipt:
    """The receipt of one sending of a task."""
    return Receipt(wire.job(host.name, str(task), number), host.name, host.sealed_key, queue)


class Wire:
    """The hosts' queues, seen from the conductor."""

    def __init__(self, connection: redis.Redis):
        self._redis = connection
        self._touched: dict[str, tuple[bytes, float]] = {}

    def wait_for_bell(self, timeout_seconds: float) -> None:
        """Return when somebody rings, or after `timeout_seconds`."""
        self._redis.brpop([wire.BELL], timeout=timeout_seconds)

    def announce(self, ids: Iterable[uuid.UUID]) -> None:
        """Whoever waits for news of these hears that there is some. Who does not hear it looks by
        itself."""
        self._redis.publish(wire.NEWS, " ".join(sorted(each.hex for each in ids)))

    def send(self, messages: Iterable[Message]) -> None:
        """The jobs lie in the hosts' queues."""
        by_queue: dict[tuple[str, str], list[Message]] = {}
        for message in messages:
            by_queue.setdefault((message.host.name, message.queue), []).append(message)
        with self._redis.pipeline(transaction=False) as pipeline:
            for (host_name, queue), group in by_queue.items():
                self._queue(host_name, queue).enqueue_many(
                    [
                        Queue.prepare_data(
                            message.job,
                            args=[_sealed(message)],
                            timeout=message.timeout_seconds,
                            result_ttl=KEPT_SECONDS,
                            failure_ttl=KEPT_SECONDS,
                            description=message.job,
                            job_id=message.receipt.id,
                        )
                        for message in group
                    ],
                    pipeline=pipeline,
                )
            pipeline.execute()

    def look(self, jobs: Collection[Receipt]) -> dict[Receipt, Fate]:
        """What has become of these jobs. One round trip. Raises RedisError also where Redis answers
        and takes nothing, so that nothing is sent to it and no attempt is used up."""
        self._forget_untouched()
        with self._redis.pipeline(transaction=False) as pipeline:
            wire.try_to_write(pipeline)
            for each in jobs:
                pipeline.hmget(Job.key_for(each.id), "status", "last_heartbeat")
                pipeline.lpos(_queue_key(each), each.id)
                pipeline.xrevrange(Result.get_key(each.id), count=1)
            answers = iter(pipeline.execute()[1:])
        return {
            each: self._fate(each, hash_=next(answers), place=next(answers), results=next(answers))
            for each in jobs
        }

    def forget(self, jobs: Iterable[Receipt]) -> None:
        """Nothing of these jobs is left in Redis."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for each in jobs:
                self._touched.pop(each.id, None)
                pipeline.delete(
                    Job.key_for(each.id), Result.get_key(each.id), f"rq:executions:{each.id}"
                )
                pipeline.lrem(_queue_key(each), 0, each.id)
                for registry in REGISTRIES:  # which RQ keeps in spite of us
                    pipeline.zrem(f"{registry}:{wire.queue(each.host, each.queue)}", each.id)
            pipeline.execute()

    def beats(self, hosts: Iterable[Host]) -> dict[uuid.UUID, dict[str, str]]:
        """What each host says of itself every five seconds; nothing for a silent one."""
        listed = list(hosts)
        with self._redis.pipeline(transaction=False) as pipeline:
            for host in listed:
                pipeline.hgetall(wire.beat(host.name))
            answers = pipeline.execute()
        return {
            host.id: {key.decode(): value.decode() for key, value in beat.items()}
            for host, beat in zip(listed, answers, strict=True)
            if beat
        }

    def troubles(self, hosts: Iterable[Host]) -> dict[uuid.UUID, str]:
        """What keeps each host from working, as its processes say; "" of one that is well."""
        listed = list(hosts)
        if not listed:
            return {}
        keys = [wire.trouble(host.name, each) for host in listed for each in PROCESSES]
        said = iter(self._redis.mget(keys))
        return {
            host.id: "; ".join(_plain(text) for _ in PROCESSES if (text := next(said)))
            for host in listed
        }

    def lines(self, streams: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
        """What hosts said since: stream key to its (id, text) after the id that is given."""
        if not streams:
            return {}
        answer = self._redis.xread(streams, count=200)
        return {
            key.decode(): [
                (
                    line_id.decode(),
                    fields.get(wire.LINE_TEXT.encode(), b"").decode(errors="replace"),
                )
                for line_id, fields in entries
            ]
            for key, entries in answer
        }

    def _queue(self, host_name: str, queue: str) -> Queue:
        return Queue(
            wire.queue(host_name, queue), connection=self._redis, serializer=JSONSerializer
        )

    def _fate(self, job: Receipt, *, hash_: list, place: int | None, results: list) -> Fate:
        if results:
            return _answer(job, results[0])
        status, touched = hash_
        match status and status.decode():
            case None:
                return Fate(Attempt.LOST)
            case JobStatus.QUEUED if place is not None:
                return Fate(Attempt.UNDER_WAY)
            case JobStatus.QUEUED:  # a worker took it a moment ago, or died having taken it
                return self._taken(job.id, b"")
            case JobStatus.STARTED:
                return self._taken(job.id, touched)
        return Fate(Attempt.CRASHED, reason="its process died on the host")

    def _forget_untouched(self) -> None:
        """Of what Redis no longer keeps nothing is remembered, such as a job of a change that was
        superseded: nobody looks for it again."""
        oldest = time.monotonic() - KEPT_SECONDS
        self._touched = {key: seen for key, seen in self._touched.items() if seen[1] >= oldest}

    def _taken(self, job_id: str, touched: bytes) -> Fate:
        """Lost, if for SILENT_SECONDS of our own clock its worker has not touched it. The
        host's clock is not asked: it may be wrong."""
        before, since = self._touched.get(job_id, (None, 0.0))
        if touched != before:
            self._touched[job_id] = (touched, time.monotonic())
            return Fate(Attempt.UNDER_WAY)
        if time.monotonic() - since < SILENT_SECONDS:
            return Fate(Attempt.UNDER_WAY)
        return Fate(Attempt.CRASHED, reason="the worker on the host died")


def _plain(text: bytes) -> str:
    """What anybody may have written, without NUL bytes, which PostgreSQL takes in no text."""
    return text.decode(errors="replace").replace("\0", "")[:TROUBLE_LONGEST]


def _queue_key(job: Receipt) -> str:
    """Where Redis keeps the queue of a job."""
    return f"{Queue.redis_queue_namespace_prefix}{wire.queue(job.host, job.queue)}"


def _sealed(message: Message) -> str:
    letter = {
        "version": specs.VERSION,
        "job": message.job,
        "host": message.host.name,
        "id": message.receipt.id,
        "not_after": message.not_after.timestamp(),
        "spec": specs.dump(message.spec),
    }
    return keys.host_cipher(message.host.sealed_key).encrypt(specs.pack(letter)).decode()


def _answer(job: Receipt, entry: tuple) -> Fate:
    result_id, payload = entry
    result = Result.restore(job.id, result_id.decode(), payload, None, serializer=JSONSerializer)
    if result.type is not Result.Type.SUCCESSFUL:
        return Fate(Attempt.CRASHED, reason=_last_line(result.exc_string))
    try:
        letter = specs.unpack(
            keys.host_cipher(job.sealed_key).decrypt(str(result.return_value).encode())
        )
        if letter["id"] != job.id:
            raise ValueError("the answer belongs to another job")
        return _opened(letter)
    except (InvalidToken, KeyError, ValueError, json.JSONDecodeError) as error:
        return Fate(Attempt.CRASHED, reason=f"the host's answer cannot be read: {error}")


def _opened(letter: dict) -> Fate:
    if "refused" in letter:
        return Fate(Attempt.REFUSED, reason=str(letter["refused"]))
    if "failed" in letter:
        return Fate(Attempt.CRASHED, reason=str(letter["failed"]))
    if "busy" in letter:
        return Fate(
            Attempt.BUSY,
            reason=str(letter["busy"]),
            after_seconds=min(60.0, max(0.1, float(letter["after_seconds"]))),
            within_seconds=_bounded(letter.get("within_seconds")),
        )
    return Fate(Attempt.ANSWERED, observation=specs.load(specs.Observation, letter["observation"]))


def _bounded(seconds: float | None) -> float | None:
    """What a host says of its patience, kept within a day."""
    return None if seconds is None else min(86_400.0, max(0.0, float(seconds)))


def _last_line(trace: str | None) -> str:
    lines = [line for line in (trace or "").splitlines() if line.strip()]
    return lines[-1].strip()[:500] if lines else "the job failed without a word"
