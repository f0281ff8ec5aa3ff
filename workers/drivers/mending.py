"""What a host has put back that somebody else had taken away: told for an hour."""

import time
from datetime import UTC, datetime
from pathlib import Path

from workers.config import HostConfig
from workers.drivers import records

TOLD_SECONDS = 3600


def note(config: HostConfig, what: str) -> None:
    """It is remembered that this was put back just now."""
    records.write(_path(config), {"what": what, "at": time.time()})


def told(config: HostConfig) -> tuple[tuple[str, str], ...]:
    """What was put back last, if that was not long ago, and what to look for."""
    found = records.read(_path(config))
    if not found or not 0 <= time.time() - found["at"] < TOLD_SECONDS:
        return ()
    moment = datetime.fromtimestamp(found["at"], UTC).strftime("%H:%M:%S UTC")
    return (
        (
            f"somebody took away {found['what']} at {moment}, and Portico put it back",
            "There is nothing to do. Find out what did it: a firewall's service that begins with "
            "`flush ruleset`, or settings of sysctl that were applied anew",
        ),
    )


def _path(config: HostConfig) -> Path:
    return config.state_directory / "tables" / "mended.json"
