"""The doorbell: tells the conductor that there is something to do.

Lost rings cost a second, never an operation, so nothing here may fail or take long. A ring that
Redis did not take is remembered, and rung again until it does: meanwhile changes wait, and pages
say so without asking Redis.
"""

import functools
import logging
import threading

import redis

from portal import config
from workers import wire

PATIENCE_SECONDS = 0.1
AGAIN_SECONDS = 5.0  # between two rings while Redis takes none

log = logging.getLogger(__name__)


class _Trouble:
    """Why Redis takes nothing, while it does not."""

    def __init__(self):
        self.said = ""
        self._lock = threading.Lock()
        self._mended = threading.Event()

    def began(self, said: str) -> None:
        with self._lock:
            first, self.said = not self.said, said
            if first:
                self._mended.clear()
                threading.Thread(target=self._ring_again, daemon=True).start()

    def ended(self) -> None:
        if self.said:
            with self._lock:
                self.said = ""
                self._mended.set()

    def _ring_again(self) -> None:
        while not self._mended.wait(AGAIN_SECONDS):
            ring()


_trouble = _Trouble()


def ring() -> None:
    """The conductor wakes, if it can be reached within 100 ms."""
    try:
        with connection(config.current().redis).pipeline(transaction=False) as pipeline:
            wire.ring(pipeline)
            pipeline.execute()
        _trouble.ended()
    except redis.RedisError as error:
        log.info("the bell was not heard, the conductor will look by itself: %s", error)
        _trouble.began(str(error) or type(error).__name__)


def why_changes_wait() -> str:
    """What Redis says instead of taking what is written, since a change was made; "" while it
    takes it, as far as this process knows."""
    return _trouble.said


@functools.cache
def connection(url: str) -> redis.Redis:
    """What rings there, of this process."""
    return redis.Redis.from_url(
        url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
    )
