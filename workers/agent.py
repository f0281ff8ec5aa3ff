"""`python -m workers.agent --config FILE`: what a host does besides jobs.

It says every five seconds that the host is alive, and at once when something happened to a guest.
It passes on the screens of guests (`workers.consoles`). It is small, runs no jobs, and holds
nothing that a restart would lose.
"""

import argparse
import logging
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import redis

from workers import config as host_config
from workers import consoles, host, trouble, wire
from workers.config import HostConfig
from workers.redis_client import open_redis

BEAT_SECONDS = 5.0
BEAT_KEPT_SECONDS = 60
TIDY_SECONDS = 3600.0  # between two times of forgetting what no job will ask for
SETTLE_SECONDS = 0.5  # events that come so close together are told in one beat

log = logging.getLogger("workers.agent")


class Agent:
    """Beats until `stop`; `changed` makes it beat at once."""

    def __init__(self, config: HostConfig, screens: consoles.Consoles | None = None):
        self._config, self._screens = config, screens
        self._redis = open_redis(config, socket_timeout=2, socket_connect_timeout=2)
        self._boot_id = host.boot_id(config)
        self._events = 0
        self._tidied_at = -TIDY_SECONDS
        self._news = threading.Event()
        self._stopping = False

    def changed(self) -> None:
        """Something happened to a guest: the portal shall look."""
        self._events += 1
        self._news.set()

    def stop(self, *_) -> None:
        self._stopping = True
        self._news.set()

    def run(self) -> None:
        """Beat, wait for news or five seconds, beat again."""
        while not self._stopping:
            news = self._news.is_set()
            self._news.clear()
            try:
                self.beat(ring=news)
            except redis.RedisError as error:
                log.warning("Redis cannot be reached: %s", error)
            self._look_after()
            if self._news.wait(BEAT_SECONDS):
                time.sleep(SETTLE_SECONDS)

    def _look_after(self) -> None:
        try:
            if self._screens:
                self._screens.ensure()
        except OSError as error:
            log.warning("no consoles: %s", error)
        try:
            host.tend(self._config)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            log.warning("a service of a network could not be mended: %s", error)
        if time.monotonic() - self._tidied_at < TIDY_SECONDS:
            return
        self._tidied_at = time.monotonic()
        try:
            host.tidy(self._config)
        except OSError as error:
            log.warning("old locks could not be forgotten: %s", error)

    def beat(self, *, ring: bool = False) -> None:
        """The host's beat lies in Redis for a minute."""
        key = wire.beat(self._config.name)
        with self._redis.pipeline() as pipeline:
            pipeline.hset(
                key,
                mapping={
                    wire.BEAT_TIME: repr(time.time()),
                    wire.BEAT_BOOT_ID: self._boot_id,
                    wire.BEAT_EVENTS: f"{os.getpid()}-{self._events}",
                    wire.BEAT_WORKERS[wire.SHORT]: self._config.short_workers,
                    wire.BEAT_WORKERS[wire.LONG]: self._config.long_workers,
                },
            )
            pipeline.expire(key, BEAT_KEPT_SECONDS)
            if ring:
                wire.ring(pipeline)
            pipeline.execute()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers.agent", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the host's INI file")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    config = host_config.read(arguments.config)
    os.umask(host.PRIVATE)
    with trouble.told(config, wire.AGENT):
        host.prepare(config)
        agent = Agent(config, consoles.serve(config))
        signal.signal(signal.SIGTERM, agent.stop)
        signal.signal(signal.SIGINT, agent.stop)
        host.guard(config, agent.changed)
        host.watch(config, agent.changed)
    agent.run()


if __name__ == "__main__":
    main()
