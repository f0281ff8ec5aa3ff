"""Going where somebody else may write, with no more rights than they have there.

Root trusts a path as far as nobody but root can change where it leads. From the first folder on
that is somebody else's, no link is followed, and all is done with the rights of that folder's
owner, for whom the kernel refuses what is not theirs. What is reached so is held by a descriptor,
since another thing may have its name by then.
"""

import contextlib
import errno
import os
import socket
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LINKS_MOST = 40  # as in path_resolution(7)


class Owner(NamedTuple):
    """Whose rights are taken on."""

    user_id: int
    group_id: int


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


def open_folder(path: Path) -> tuple[int, Owner | None]:
    """A descriptor of this folder, and with whose rights to work in it: None for our own.

    Raises OSError for a link in somebody else's folder, which may lead anywhere, and for a folder
    of root's that everybody may change."""
    descriptor, owner = os.open("/", os.O_PATH | os.O_DIRECTORY), None
    names, links = deque(Path(os.path.abspath(path)).parts[1:]), 0
    try:
        while names:
            name = names.popleft()
            target = "" if owner else _link_of_ours(descriptor, name)
            if target:
                links += 1
                if links > LINKS_MOST:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
                names.extendleft(reversed([each for each in Path(target).parts if each != "/"]))
                if target.startswith("/"):
                    descriptor = _instead(descriptor, os.open("/", os.O_PATH | os.O_DIRECTORY))
                continue
            kind = os.O_PATH if names else os.O_RDONLY
            flags = kind | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = _instead(descriptor, os.open(name, flags, dir_fd=descriptor))
            owner = owner or _owner(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, owner


def connect(path: Path, *, seconds: float | None) -> socket.socket:
    """A stream to whoever listens at this path. Where the folder is somebody else's the socket has
    to be theirs: of another's they could make us a messenger. Raises OSError."""
    folder, owner = open_folder(path.parent)
    try:
        found = os.open(path.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        there = os.fstat(found)
        if not stat.S_ISSOCK(there.st_mode) or (owner and there.st_uid != owner.user_id):
            raise PermissionError(errno.EPERM, "it is no socket of the folder's owner", str(path))
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.settimeout(seconds)
            stream.connect(f"/proc/self/fd/{found}")
        except BaseException:
            stream.close()
            raise
        return stream
    finally:
        os.close(found)


def _link_of_ours(folder: int, name: str) -> str:
    """Where the link of this name leads, if it is root's or our own; empty for all else."""
    there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISLNK(there.st_mode) or there.st_uid not in (0, os.geteuid()):
        return ""
    return os.readlink(name, dir_fd=folder)


def _owner(folder: int, path: Path) -> Owner | None:
    """Whose folder it is, unless it is root's or our own."""
    there = os.fstat(folder)
    if there.st_uid not in (0, os.geteuid()):
        return Owner(there.st_uid, there.st_gid) if os.geteuid() == 0 else None
    everybody = stat.S_IWOTH | stat.S_ISVTX
    if there.st_mode & everybody == stat.S_IWOTH:
        raise PermissionError(errno.EPERM, "everybody may change where it leads", str(path))
    return None


def _instead(old: int, new: int) -> int:
    os.close(old)
    return new
