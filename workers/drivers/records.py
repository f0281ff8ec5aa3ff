"""Small JSON files in which a driver remembers what it made."""

import fcntl
import json
import os
from pathlib import Path


def read(path: Path) -> dict:
    """The object in a file; empty when there is none or it was cut short by a power failure."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def write(path: Path, value: dict) -> None:
    """The file holds `value`; a kill leaves the old file or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)  # two writers would share the new file
        new.write_text(json.dumps(value))
        os.replace(new, path)
    finally:
        os.close(directory)


def remove(path: Path) -> None:
    """There is no such file, nor the one that a kill left half-written."""
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.new").unlink(missing_ok=True)
