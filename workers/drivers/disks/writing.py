"""Files that are there whole or not at all, and what a full disk is called."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from workers.drivers import privacy
from workers.errors import Permanent

FULL = "the disk of the host is full"


def replace(unfinished: Path, path: Path) -> None:
    """What was written beside it is at `path`, at once, and survives a pulled plug."""
    unfinished.chmod(privacy.DISK)  # libvirt gives it to QEMU's own user while the guest runs
    _flush(unfinished)
    os.replace(unfinished, path)
    _flush(path.parent)


@contextlib.contextmanager
def removed_on_error(path: Path) -> Iterator[None]:
    """Nothing is at `path` when what is done meanwhile fails."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """A full disk raises `Permanent`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Permanent(FULL) from None
        raise


def _flush(path: Path) -> None:
    """What was written to this file or folder survives a pulled plug."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
