"""The image store, which a host touches with the rights of the store's owner and no others.

The folder is the portal's, which nobody need trust with this host: a link of its making may lead
to any file. So a worker that is root looks and writes there as the owner, for whom the kernel
refuses what is not theirs. It goes by a descriptor of the folder, since the way to it may be
closed to the owner, and since another folder may have its name by then.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from workers.drivers import records


class Owner(NamedTuple):
    """Whose rights are taken on."""

    user_id: int
    group_id: int


class Store:
    """The folder that is open as this descriptor. Names are those of files in it."""

    def __init__(self, descriptor: int):
        there = os.fstat(descriptor)
        self._descriptor, self._folder = descriptor, Path(f"/proc/self/fd/{descriptor}")
        foreign = os.geteuid() == 0 and there.st_uid != 0
        self.owner = Owner(there.st_uid, there.st_gid) if foreign else None

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self._descriptor).free

    def holds(self, name: str) -> bool:
        with acting(self.owner):
            return (self._folder / name).exists()

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
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Store(descriptor)
    finally:
        os.close(descriptor)


def give_name(file: BinaryIO, name: str, folder: int) -> None:
    """The open file, and no other, bears this name in the folder that is open as this descriptor,
    and keeps it through a pulled plug; unless there is one already, which has the same content."""
    with contextlib.suppress(FileExistsError):
        # a folder makes this linkat(2), which follows /proc's link to the file
        os.link(f"/proc/self/fd/{file.fileno()}", name, dst_dir_fd=folder)
    os.fsync(folder)


@contextlib.contextmanager
def acting(owner: Owner | None) -> Iterator[None]:
    """The process has the rights of this owner instead of root's, or its own for None.

    They are the whole process's, whichever thread asks (nptl(7)): a job is a process forked for
    it alone, with one thread."""
    if owner is None:
        yield
        return
    user_id, group_id, groups = os.geteuid(), os.getegid(), os.getgroups()
    try:
        os.setgroups([])
        os.setegid(owner.group_id)
        os.seteuid(owner.user_id)  # last, for it ends the right to the others
        yield
    finally:
        os.seteuid(user_id)
        os.setegid(group_id)
        os.setgroups(groups)
