"""One lock a thing, and a note of the newest generation that this host was asked for.

Three files a thing in the state directory: `<id>.note` (JSON: generation, gone), `<id>.guard`
(held for the microseconds of changing the note) and `<id>.lock` (held for the whole job). The
kernel drops a lock with its process, so a killed job leaves none behind. The guard's time says when
a job wanted the thing last; `prune` removes the three a day later, when every job that was sealed
before has run out. Whoever has waited for a file that is no longer there waits for its successor.
"""

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path
from typing import IO

from workers.errors import Busy, Superseded

WAIT_SECONDS = 5.0
POLL_SECONDS = 0.02
KEPT_SECONDS = 86_400  # a job that is a day old has run out: see `boundary`


class FileLock:
    """A thing that this process holds alone; see `drivers.Lock`."""

    def __init__(self, note: Path, generation: int, *, gone: bool):
        self._note, self._generation, self._gone = note, generation, gone

    @property
    def newest(self) -> bool:
        seen = _read(self._note)
        if seen["generation"] == self._generation:
            return self._gone or not seen["gone"]  # what was removed is not made by the same wish
        return seen["generation"] < self._generation

    def check(self) -> None:
        if not self.newest:
            raise Superseded


class FileLocks:
    """Locks in a directory of this host; see `drivers.Locks`."""

    def __init__(self, directory: Path, *, wait_seconds: float = WAIT_SECONDS):
        self._directory, self._wait_seconds = directory, wait_seconds
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def hold(self, thing_id: str, generation: int, *, gone: bool = False):
        note = self._directory / f"{thing_id}.note"
        guard = self._directory / f"{thing_id}.guard"
        with _locked(guard, wait_seconds=self._wait_seconds):
            os.utime(guard)
            seen = _read(note)
            wish = {"generation": generation, "gone": gone}
            if generation > seen["generation"]:
                _write(note, wish)  # also of something that comes back after it was gone
            elif generation == seen["generation"] and gone and not seen["gone"]:
                _write(note, wish)
        with _locked(self._directory / f"{thing_id}.lock", wait_seconds=self._wait_seconds):
            yield FileLock(note, generation, gone=gone)

    def prune(self) -> int:
        """Nothing is remembered of things that no job has wanted for KEPT_SECONDS, and that none
        holds. Returns of how many that was."""
        return sum(self._forget(guard) for guard in self._directory.glob("*.guard") if _old(guard))

    def _forget(self, guard: Path) -> bool:
        lock = guard.with_suffix(".lock")
        with (
            contextlib.suppress(Busy),
            _locked(guard, wait_seconds=0),
            _locked(lock, wait_seconds=0),
        ):
            if _old(guard):  # still: who wanted it meanwhile was here before us
                for suffix in (".new", ".note", ".lock", ".guard"):
                    guard.with_suffix(suffix).unlink(missing_ok=True)
                return True
        return False


@contextlib.contextmanager
def _locked(path: Path, *, wait_seconds: float):
    deadline = time.monotonic() + wait_seconds
    while True:
        with open(path, "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy(f"another job holds {path.stem}") from None
                time.sleep(POLL_SECONDS)
                continue
            if _is(path, file):
                yield
                return


def _is(path: Path, file: IO) -> bool:
    """Whether the open file still has this name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _old(guard: Path) -> bool:
    try:
        return guard.stat().st_mtime < time.time() - KEPT_SECONDS
    except FileNotFoundError:
        return False


def _read(note: Path) -> dict:
    try:
        return json.loads(note.read_text())
    except FileNotFoundError:
        return {"generation": 0, "gone": False}


def _write(note: Path, value: dict) -> None:
    """Replace the note at once, so that a pulled plug leaves the old one or the new one."""
    new = note.with_suffix(".new")
    with open(new, "w") as file:
        file.write(json.dumps(value))
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, note)
