"""What a guest wrote to its serial port, of this boot and of the one before.

virtlogd appends to `boot.log` and moves it on to `boot.log.0`, `.1`, ... when it is full (2 MiB
and three of them, `max_size` and `max_backups` in virtlogd.conf), so no guest can fill the disk.
"""

import contextlib
import os
from pathlib import Path

SHOWN_BYTES = 256 * 1024


def begin(log: Path) -> None:
    """The next boot writes to an empty `log`, and what was there is that of the last boot.

    Called again before the guest has written anything, it changes nothing. Files are renamed
    and not copied, so that what virtlogd still had to write is not lost.
    """
    backup = _older(log)
    if not any(each.exists() and each.stat().st_size for each in (log, backup)):
        return
    last = _last(log)
    _older(last).unlink(missing_ok=True)
    for source, target in ((backup, _older(last)), (log, last)):
        with contextlib.suppress(FileNotFoundError):
            os.replace(source, target)
    for oldest in log.parent.glob(f"{log.name}.[0-9]*"):
        oldest.unlink(missing_ok=True)


def read(log: Path) -> str:
    """The newest 256 KiB; control characters as they came, what is no UTF-8 replaced."""
    last, content = _last(log), b""
    for path in (log, _older(log), last, _older(last)):
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            wanted = SHOWN_BYTES - len(content)
            file.seek(max(0, file.seek(0, os.SEEK_END) - wanted))
            content = file.read(wanted) + content
    return content.decode(errors="replace")


def _last(log: Path) -> Path:
    return log.with_name("last-boot.log")


def _older(log: Path) -> Path:
    return log.with_name(f"{log.name}.0")
