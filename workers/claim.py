"""One machine is one host: bridges, tables and guests bear the same names whoever makes them.

So the first installation that serves guests on a machine has it, until it is purged or the machine
is booted again, and any other refuses before it has touched anything.
"""

import contextlib
import os
from pathlib import Path

from workers.config import HostConfig

NOTE = Path("/run/portico.host")  # holds the state directory; scripts/up looks here too


def take(config: HostConfig) -> None:
    """The machine is this installation's. Raises RuntimeError when it is another's."""
    unfinished = NOTE.with_name(f"{NOTE.name}.{os.getpid()}")
    unfinished.write_text(f"{config.state_directory}\n")
    try:
        while True:
            with contextlib.suppress(FileExistsError):
                os.link(unfinished, NOTE)
            other = another(config)
            if not other:
                return
            if other.is_dir():
                raise RuntimeError(
                    f"this machine is a host already, of the installation in {other}"
                )
            NOTE.unlink(missing_ok=True)  # that one was purged
    finally:
        unfinished.unlink()


def another(config: HostConfig) -> Path | None:
    """The state directory of the installation that has the machine, unless it is this one or
    nobody has it."""
    try:
        holder = Path(NOTE.read_text().strip())
    except FileNotFoundError:
        return None
    return None if holder == config.state_directory else holder


def give_up(config: HostConfig) -> None:
    """The machine is not this installation's any more."""
    if not another(config):
        NOTE.unlink(missing_ok=True)
