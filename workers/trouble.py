"""What keeps this host from working, told to the portal by whoever is about to end of it.

Without it a host whose processes die as soon as they begin would only be silent.
"""

import contextlib
import logging
import subprocess
from collections.abc import Iterator

import redis

from workers import wire
from workers.config import HostConfig
from workers.redis_client import open_redis

KEPT_SECONDS = 86_400  # why one could not begin: until it can
PASSES_SECONDS = 120  # what may be over without anybody saying so
LONGEST = 1000  # characters

log = logging.getLogger("workers")


@contextlib.contextmanager
def told(config: HostConfig, process: str) -> Iterator[None]:
    """Why `process` cannot begin is known to the portal; once it has begun, nothing is."""
    try:
        yield
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        tell(config, process, f"its {process} cannot begin: {error}", seconds=KEPT_SECONDS)
        raise
    _send(config, lambda connection: connection.delete(wire.trouble(config.name, process)))


def tell(config: HostConfig, process: str, sentence: str, *, seconds: int = PASSES_SECONDS) -> None:
    """The portal knows this of `process`, for so long, if it can be reached."""
    key = wire.trouble(config.name, process)
    _send(config, lambda connection: connection.set(key, sentence[:LONGEST], ex=seconds))


def _send(config: HostConfig, act) -> None:
    connection = open_redis(config, socket_timeout=2, socket_connect_timeout=2)
    try:
        act(connection)
    except (redis.RedisError, OSError) as error:
        log.warning("Redis cannot be reached: %s", error)
    finally:
        connection.close()
