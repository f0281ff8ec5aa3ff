"""The counter that orders what a host reports, kept in a file so that it never goes back."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

NUMBER_BYTES = 20  # fixed width: never cut short
BEGINNING_BYTES = 8


class FileSequence:
    """See `drivers.Sequence`. A file that was lost begins anew under another boot id, so that
    nobody takes its small numbers for old news."""

    def __init__(self, path: Path, kernel_boot: str):
        self._path, self._kernel_boot = path, kernel_boot
        path.parent.mkdir(parents=True, exist_ok=True)

    @cached_property
    def boot_id(self) -> str:
        """Of the machine, and of this file's beginning."""
        with self._open() as descriptor:
            beginning = os.pread(descriptor, BEGINNING_BYTES, NUMBER_BYTES).decode()
        return f"{self._kernel_boot}-{beginning}" if beginning else self._kernel_boot

    def take(self) -> int:
        with self._open() as descriptor:
            number = int(os.pread(descriptor, NUMBER_BYTES, 0)) + 1
            os.pwrite(descriptor, b"%0*d" % (NUMBER_BYTES, number), 0)
            os.fdatasync(descriptor)
            return number

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        """The file, held alone, with a number in it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not os.fstat(descriptor).st_size:
                beginning = secrets.token_hex(BEGINNING_BYTES // 2).encode()
                os.pwrite(descriptor, b"%0*d" % (NUMBER_BYTES, 0) + beginning, 0)
                os.fdatasync(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)


def kernel_boot_id() -> str:
    """Changes with every boot of the machine: random(4), /proc/sys/kernel/random/boot_id."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
