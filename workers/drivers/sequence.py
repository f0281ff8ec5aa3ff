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
BOOT_BYTES = 36  # a UUID
SYNCED_EVERY = 1024  # numbers: fewer are lost with the machine's power


class FileSequence:
    """See `drivers.Sequence`. A file that was lost, or in which no number can be read, begins anew
    under another boot id, so that nobody takes its small numbers for old news.

    What is written is there for every process at once. It waits for the disk (fdatasync(2)) where
    a boot begins and at every number that SYNCED_EVERY divides, before that number is given out.
    So a disk that lost its power holds a number less than SYNCED_EVERY behind the newest that was
    given out; the next boot begins at the next one that SYNCED_EVERY divides, and writes that down
    before it gives out any. No number comes twice, whatever of the rest the disk had written.
    """

    def __init__(self, path: Path, kernel_boot: str):
        self._path, self._kernel_boot = path, kernel_boot
        path.parent.mkdir(parents=True, exist_ok=True)

    @cached_property
    def boot_id(self) -> str:
        """Of the machine, and of this file's beginning."""
        with self._open() as descriptor:
            beginning = os.pread(descriptor, BEGINNING_BYTES, NUMBER_BYTES).decode().strip("\0")
        return f"{self._kernel_boot}-{beginning}" if beginning else self._kernel_boot

    def take(self) -> int:
        with self._open() as descriptor:
            number = _number(descriptor) + 1
            os.pwrite(descriptor, b"%0*d" % (NUMBER_BYTES, number), 0)
            if number % SYNCED_EVERY == 0:
                os.fdatasync(descriptor)
            return number

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        """The file, held alone, with a number in it that is larger than all that were taken in
        boots before this one."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            number = os.pread(descriptor, NUMBER_BYTES, 0)
            if len(number) < NUMBER_BYTES or not number.isdigit():
                os.ftruncate(descriptor, 0)
                beginning = secrets.token_hex(BEGINNING_BYTES // 2).encode()
                os.pwrite(descriptor, b"%0*d" % (NUMBER_BYTES, 0) + beginning, 0)
            self._begin_boot(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _begin_boot(self, descriptor: int) -> None:
        boot = self._kernel_boot.encode()[:BOOT_BYTES].ljust(BOOT_BYTES)
        place = NUMBER_BYTES + BEGINNING_BYTES
        if os.pread(descriptor, BOOT_BYTES, place) == boot:
            return
        number = (_number(descriptor) // SYNCED_EVERY + 1) * SYNCED_EVERY
        os.pwrite(descriptor, b"%0*d" % (NUMBER_BYTES, number), 0)
        os.fdatasync(descriptor)  # before the boot: without it all of this is done again
        os.pwrite(descriptor, boot, place)
        os.fdatasync(descriptor)


def _number(descriptor: int) -> int:
    return int(os.pread(descriptor, NUMBER_BYTES, 0))


def kernel_boot_id() -> str:
    """Changes with every boot of the machine: random(4), /proc/sys/kernel/random/boot_id."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
