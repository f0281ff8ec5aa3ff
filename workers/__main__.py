"""`python -m workers --config FILE`: serve this host's queues, and run what `JOBS` lists.

One small parent forks the RQ workers, short and long, and forks a dead one anew. Each worker forks
for every job. Whoever's parent dies, dies: nobody goes on working alone.
"""

import argparse
import ctypes
import gc
import logging
import os
import signal
import time
from pathlib import Path

import redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from workers import config as host_config
from workers import trouble, wire
from workers.boundary import HostJob, TakesNoCommands
from workers.config import HostConfig
from workers.host import PRIVATE, open_host, prepare
from workers.redis_client import open_redis

MONITORING_SECONDS = 5  # how often a worker touches the job that it runs
WORKER_TTL_SECONDS = 60
DEATHS_TOLD, DEATHS_SECONDS = 3, 60.0  # so many in so long are more than an accident
AGAIN_SECONDS = 1.0  # before a dead worker is forked anew
PR_SET_PDEATHSIG = 1  # prctl(2)

log = logging.getLogger("workers")


class Rings:
    """For an RQ worker: it rings with the outcome of a job, in the same transaction."""

    def cleanup_execution(self, job, pipeline):
        super().cleanup_execution(job, pipeline)
        wire.ring(pipeline)


class HostWorker(Rings, TakesNoCommands, Worker):
    """An RQ worker whose jobs die with it, and which rings when one has ended."""

    def setup_work_horse_signals(self):
        die_with_parent()
        super().setup_work_horse_signals()


def die_with_parent() -> None:
    """The kernel kills this process when its parent has died."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def serve(config: HostConfig, queue: str, number: int) -> None:
    """Work on one queue of this host until told to stop."""
    # every job connects anew: to look up the client's version takes longer than the rest of it
    connection = open_redis(config, driver_info=None)
    HostWorker(
        [
            Queue(
                wire.queue(config.name, queue),
                connection=connection,
                serializer=JSONSerializer,
                job_class=HostJob,
            )
        ],
        name=wire.worker(config.name, queue, number, os.getpid()),
        connection=connection,
        serializer=JSONSerializer,
        job_class=HostJob,
        worker_ttl=WORKER_TTL_SECONDS,
        job_monitoring_interval=MONITORING_SECONDS,
        log_job_description=False,
    ).work(logging_level="WARNING")


class Parent:
    """Keeps one process a worker alive until it is told to stop."""

    def __init__(self, config: HostConfig):
        self._config = config
        self._wanted = [(wire.SHORT, n) for n in range(config.short_workers)]
        self._wanted += [(wire.LONG, n) for n in range(config.long_workers)]
        self._pids: dict[int, tuple[str, int]] = {}
        self._deaths: list[float] = []
        self._stopping = False

    def run(self) -> None:
        """Fork, wait, fork anew; on SIGTERM let every worker finish its job."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        with trouble.told(self._config, wire.WORKER):
            prepare(self._config)
            # before forking, so that all workers share what was imported for it
            HostJob.config, HostJob.host = self._config, open_host(self._config)
        gc.freeze()
        for place in self._wanted:
            self._fork(place)
        while self._pids:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            place = self._pids.pop(pid, None)
            if place and not self._stopping:
                log.warning("worker %s-%d ended (%d), another begins", *place, status)
                self._count(status)
                time.sleep(AGAIN_SECONDS)
                self._fork(place)

    def _count(self, status: int) -> None:
        """One more worker has ended that was not told to; many of them are the host's trouble."""
        moment = time.monotonic()
        self._deaths = [at for at in self._deaths if moment - at < DEATHS_SECONDS] + [moment]
        if len(self._deaths) >= DEATHS_TOLD:
            code = os.waitstatus_to_exitcode(status)
            how = f"by signal {-code}" if code < 0 else f"with status {code}"
            trouble.tell(
                self._config,
                wire.WORKER,
                f"its workers end again and again: {len(self._deaths)} within a minute, the last "
                f"one {how}",
            )

    def _fork(self, place: tuple[str, int]) -> None:
        pid = os.fork()
        if pid:
            self._pids[pid] = place
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        die_with_parent()
        try:
            serve(self._config, *place)
        except redis.RedisError as error:
            log.warning("Redis cannot be reached: %s", error)
        finally:
            os._exit(0)

    def _stop(self, *_) -> None:
        self._stopping = True
        for pid in self._pids:
            os.kill(pid, signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the host's INI file")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    os.umask(PRIVATE)
    Parent(host_config.read(arguments.config)).run()


if __name__ == "__main__":
    main()
