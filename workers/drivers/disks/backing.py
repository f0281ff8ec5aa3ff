"""What the disks of guests stand on: the file of which each is only the changes.

Read from their headers (docs/interop/qcow2.rst of QEMU), so that it is so whoever made them, and
costs a few KiB a disk.
"""

import contextlib
import struct
from pathlib import Path

from workers.config import HostConfig
from workers.qcow2 import MAGIC

FIXED = struct.Struct(">4sIQI")  # magic, version, where the name of the backing file is, its length
NAME_MOST_BYTES = 1023


def folder(config: HostConfig) -> Path:
    """Where each guest has a folder of its own for its disks."""
    return config.state_directory / "instances"


def names(config: HostConfig) -> frozenset[str]:
    """The name, without its folder, of each file that a disk here stands on."""
    found = set()
    for path in folder(config).glob("*/*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            found.add(Path(of(path)).name)
    return frozenset(found - {""})


def of(path: Path) -> str:
    """The file that this one stands on; empty for one that stands by itself."""
    with open(path, "rb") as file:
        head = file.read(FIXED.size)
        if len(head) < FIXED.size or head[:4] != MAGIC:
            return ""
        _, _, offset, length = FIXED.unpack(head)
        if not offset or length > NAME_MOST_BYTES:
            return ""
        file.seek(offset)
        return file.read(length).decode(errors="surrogateescape")
