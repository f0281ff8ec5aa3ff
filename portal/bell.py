"""The doorbell: tells the conductor that there is something to do.

Lost rings cost a second, never an operation, so nothing here may fail or take long.
"""

import functools
import logging

import redis

from portal import config
from workers import wire

PATIENCE_SECONDS = 0.1

log = logging.getLogger(__name__)


def ring() -> None:
    """The conductor wakes, if it can be reached within 100 ms."""
    try:
        with connection(config.current().redis).pipeline(transaction=False) as pipeline:
            wire.ring(pipeline)
            pipeline.execute()
    except redis.RedisError as error:
        log.info("the bell was not heard, the conductor will look by itself: %s", error)


@functools.cache
def connection(url: str) -> redis.Redis:
    """What rings there, of this process."""
    return redis.Redis.from_url(
        url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
    )
