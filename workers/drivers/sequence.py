"""The counter that orders what a host reports, kept in a file so that it never goes back."""

import fcntl
import os
from pathlib import Path


class FileSequence:
    """See `drivers.Sequence`."""

    def __init__(self, path: Path, boot_id: str):
        self._path, self.boot_id = path, boot_id
        path.parent.mkdir(parents=True, exist_ok=True)

    def take(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            number = int(os.read(descriptor, 32) or b"0") + 1
            os.pwrite(descriptor, b"%020d" % number, 0)  # fixed width: never cut short
            return number
        finally:
            os.close(descriptor)


def kernel_boot_id() -> str:
    """Changes with every boot of the machine: random(4), /proc/sys/kernel/random/boot_id."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
