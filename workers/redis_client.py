"""Redis as a host reaches it: with no more trust in its socket's folder than in what lies in Redis.

The socket of an installation on one machine is in a folder of the portal's user, who could put a
link there that leads root to somebody else's.
"""

import socket
from pathlib import Path

import redis

from workers.config import HostConfig
from workers.drivers import rights


class Connection(redis.UnixDomainSocketConnection):
    """To the socket of whoever owns the folder, and to no other."""

    def _connect(self) -> socket.socket:
        stream = rights.connect(Path(self.path), seconds=self.socket_connect_timeout)
        stream.settimeout(self.socket_timeout)
        return stream


def open_redis(config: HostConfig, **options) -> redis.Redis:
    """The wire of this host. Nothing is connected yet."""
    if config.redis_url.startswith("unix://"):
        options["connection_class"] = Connection
    return redis.Redis.from_url(config.redis_url, **options)
