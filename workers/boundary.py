"""Where a letter from the portal becomes a job, and its outcome a letter back.

Redis is trusted with nothing: what lies in it is sealed with this host's key, names one entry of
`JOBS`, is meant for this host and this sending, and runs out.
"""

import json
import time
from dataclasses import replace
from functools import partial

from cryptography.fernet import Fernet, InvalidToken
from rq.job import Job

from workers import specs, wire
from workers.config import HostConfig
from workers.drivers import HostDrivers
from workers.errors import Busy, Failed, Permanent, Rejected, Superseded
from workers.jobs import JOBS

LINES_KEPT = 500  # of one task
LINES_KEPT_SECONDS = 3600


class HostJob(Job):
    """Runs what `JOBS` lists and nothing else, whoever may write to the queue.

    RQ would import any function that a job names, and its callbacks likewise; a hypervisor must
    not. `serve` sets `host` and `config` once, before the first job.
    """

    host: HostDrivers | None = None
    config: HostConfig | None = None
    success_callback = failure_callback = stopped_callback = None

    @property
    def func(self):
        return partial(self._run, self.func_name)

    def send_webhooks(self, *args, **kwargs):
        """A host calls nobody, whatever a hash in Redis names."""

    def _run(self, name: str, sealed: str) -> str:
        def say(line: str) -> None:
            key = wire.log_of_job(self.id)
            with self.connection.pipeline(transaction=False) as pipeline:
                pipeline.xadd(key, {wire.LINE_TEXT: line}, maxlen=LINES_KEPT)
                pipeline.expire(key, LINES_KEPT_SECONDS)
                pipeline.execute()

        return perform(replace(self.host, say=say), self.config, name, self.id, sealed)


class TakesNoCommands:
    """For an RQ worker: whoever may publish in Redis cannot stop it or kill its jobs."""

    def subscribe(self):
        """RQ would listen here for unsigned commands."""

    def unsubscribe(self):
        """There is nothing to end."""


def perform(host: HostDrivers, config: HostConfig, name: str, job_id: str, sealed: str) -> str:
    """Do the job and answer with a sealed letter: an observation, a refusal, "not this time", or
    "not now".

    Raises Rejected for a letter that is not to be acted upon, and whatever the job raises that
    may work next time."""
    cipher = Fernet(config.key)
    letter = _open(cipher, config, name, job_id, sealed)
    function, kind = JOBS[name]
    answer = {"version": specs.VERSION, "id": job_id}
    try:
        observation = function(host, specs.load(kind, letter["spec"]))
        answer["observation"] = specs.dump(observation)
    except Permanent as error:
        answer["refused"] = str(error)
    except Failed as error:
        answer["failed"] = str(error)
    except Busy as error:
        answer |= {
            "busy": str(error),
            "after_seconds": error.after_seconds,
            "within_seconds": error.within_seconds,
        }
    except Superseded:
        answer |= {"busy": "a newer change of it has arrived", "after_seconds": 1.0}
    return cipher.encrypt(specs.pack(answer)).decode()


def _open(cipher: Fernet, config: HostConfig, name: str, job_id: str, sealed: str) -> dict:
    if name not in JOBS:
        raise Rejected(f"{name!r} is no job of this host")
    try:
        letter = specs.unpack(cipher.decrypt(sealed.encode()))
    except (InvalidToken, ValueError, AttributeError, json.JSONDecodeError):
        raise Rejected("it was not sealed for this host, or was altered") from None
    if letter.get("version") != specs.VERSION:
        raise Rejected(f"it is of version {letter.get('version')}, this host of {specs.VERSION}")
    if (letter["job"], letter["host"], letter["id"]) != (name, config.name, job_id):
        raise Rejected("it was sealed for another job or another host")
    late = time.time() - letter["not_after"]
    if late > 0:
        raise Rejected(f"it has run out, {late:.0f} s ago by the clock of this host")
    return letter
