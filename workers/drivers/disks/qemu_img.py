"""qemu-img, on a short leash: it reads headers that strangers have written."""

import errno
import os
import resource
import subprocess
from collections.abc import Iterable

from workers.drivers.rights import Owner

SECONDS = 60  # of processor time
MEMORY_BYTES = 1 << 30


def run(*arguments: str, descriptors: Iterable[int] = (), owner: Owner | None = None) -> str:
    """What qemu-img prints, run with limits of time and memory, with these open files as its
    /proc/self/fd, and as this owner with no way back to root. Raises OSError with what it says
    against it, ENOSPC when the disk is full."""
    rights = {"user": owner.user_id, "group": owner.group_id, "extra_groups": []} if owner else {}

    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    done = subprocess.run(
        ["qemu-img", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        timeout=2 * SECONDS,
        preexec_fn=limit,
        pass_fds=tuple(descriptors),
        text=True,
        errors="replace",
        check=False,
        **rights,
    )
    if done.returncode == 0:
        return done.stdout
    if os.strerror(errno.ENOSPC) in done.stderr:
        raise OSError(errno.ENOSPC, done.stderr.strip())
    raise OSError(f"qemu-img {arguments[0]}: {done.stderr.strip()}")
