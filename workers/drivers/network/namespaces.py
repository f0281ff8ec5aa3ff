"""Named network namespaces: made, entered, removed.

A name is a file in /run/netns with a namespace mounted on it, as `ip netns` keeps them
(ip-netns(8)). What is done inside one is done by a thread of its own, which ends there: no
caller is ever left in a foreign namespace, whatever is raised.
"""

import ctypes
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

DIRECTORY = Path("/run/netns")
CLONE_NEWNET = 0x40000000  # sched.h
MNT_DETACH = 2  # sys/mount.h

Result = TypeVar("Result")

_libc = ctypes.CDLL(None, use_errno=True)


def ensure(name: str) -> None:
    """A namespace of this name exists."""
    if identity(name):
        return
    remove(name)
    # ip(8) also makes /run/netns a shared mount, so that a name removed here is removed everywhere
    subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True, timeout=60)


def remove(name: str) -> None:
    """There is no namespace of this name, nor the empty file that a killed `ensure` leaves."""
    path = DIRECTORY / name
    if not path.exists():
        return
    if identity(name) and _libc.umount2(os.fsencode(path), MNT_DETACH):
        _raise_errno()
    path.unlink(missing_ok=True)


def identity(name: str) -> int:
    """A number that no other living namespace has; 0 when there is none of this name."""
    try:
        found = os.stat(DIRECTORY / name)
    except FileNotFoundError:
        return 0
    return found.st_ino if found.st_dev == os.stat("/proc/self/ns/net").st_dev else 0


def names() -> tuple[str, ...]:
    """What is in /run/netns, sorted."""
    return tuple(sorted(os.listdir(DIRECTORY))) if DIRECTORY.exists() else ()


def inside(name: str, act: Callable[[], Result]) -> Result:
    """What `act` returns when it is called inside the namespace.

    Processes that it starts live there, and /proc/sys/net and /proc/thread-self/net are the
    namespace's. Raises FileNotFoundError when there is none of this name.
    """
    with ThreadPoolExecutor(max_workers=1) as threads:
        return threads.submit(_enter_and, name, act).result()


def inside_each(names: list[str], look: Callable[[], Result]) -> dict[str, Result | None]:
    """What `look` returns inside each namespace, and None for one that is not there."""

    def visit() -> dict[str, Result | None]:
        seen = {}
        for name in names:
            try:
                seen[name] = _enter_and(name, look)
            except (FileNotFoundError, NotADirectoryError):
                seen[name] = None
        return seen

    with ThreadPoolExecutor(max_workers=1) as threads:
        return threads.submit(visit).result()


def _enter_and(name: str, act: Callable[[], Result]) -> Result:
    if not identity(name):
        raise FileNotFoundError(f"there is no network namespace {name}")
    descriptor = os.open(DIRECTORY / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET):
            _raise_errno()
    finally:
        os.close(descriptor)
    return act()


def _raise_errno():
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
