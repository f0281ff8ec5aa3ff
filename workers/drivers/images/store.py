"""The image store, which a host touches with the rights of the store's owner and no others.

The folder is the portal's, which nobody need trust with this host: a link of its making may lead
to any file. So a worker that is root looks and writes there as the owner; see `rights`. It goes by
a descriptor of the folder, to which the way may be closed for the owner.
"""

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from workers.drivers import records, rights
from workers.drivers.rights import Owner, acting
from workers.errors import Permanent


class Store:
    """The folder that is open as this descriptor, with the rights of `owner` in it. Names are those
    of files in it."""

    def __init__(self, descriptor: int, owner: Owner | None):
        self._descriptor, self._folder = descriptor, Path(f"/proc/self/fd/{descriptor}")
        self.owner = owner

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self._descriptor).free

    def holds(self, name: str) -> bool:
        with acting(self.owner):
            return (self._folder / name).exists()

    def read(self, name: str) -> BinaryIO:
        """The file of this name, to be read: itself, and not what a link names. Raises OSError."""
        with acting(self.owner):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._folder / name, flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Permanent(f"{name} in the image store is no file")
        return os.fdopen(descriptor, "rb")

    def note(self, name: str) -> dict:
        """What a note says; empty when there is none."""
        with acting(self.owner):
            return records.read(self._folder / name)

    def write_note(self, name: str, value: dict) -> None:
        with acting(self.owner):
            records.write(self._folder / name, value)

    def remove_note(self, name: str) -> None:
        with acting(self.owner):
            records.remove(self._folder / name)

    @contextlib.contextmanager
    def unfinished(self) -> Iterator[BinaryIO]:
        """A file of the store without a name."""
        with acting(self.owner):
            flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
            descriptor = os.open(self._folder, flags, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            yield file

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else, in any process, puts a file into the store or removes one."""
        with acting(self.owner):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._folder / "lock", flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def keep(self, file: BinaryIO, name: str) -> None:
        """The store holds what `unfinished` gave. Call it in a turn."""
        with acting(self.owner):
            give_name(file, name, self._descriptor)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """The store in this folder, whatever has the folder's name until it is left."""
    descriptor, owner = rights.open_folder(folder)
    try:
        yield Store(descriptor, owner)
    finally:
        os.close(descriptor)


def give_name(file: BinaryIO, name: str, folder: int) -> None:
    """The open file, and no other, bears this name in the folder that is open as this descriptor,
    and keeps it through a pulled plug; unless there is one already, which has the same content."""
    with contextlib.suppress(FileExistsError):
        # a folder makes this linkat(2), which follows /proc's link to the file
        os.link(f"/proc/self/fd/{file.fileno()}", name, dst_dir_fd=folder)
    os.fsync(folder)
