"""One lock a thing, and a note of the newest generation that this host was asked for.

Three files a thing in the state directory: `<id>.note` (JSON: generation, gone), `<id>.guard`
(held for the microseconds of changing the note) and `<id>.lock` (held for the whole job). The
kernel drops a lock with its process, so a killed job leaves none behind. Notes are never removed
while a job sealed before could still arrive.
"""

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path

from workers.errors import Busy, Superseded

WAIT_SECONDS = 5.0
POLL_SECONDS = 0.02


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
        directory.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def hold(self, thing_id: str, generation: int, *, gone: bool = False):
        note = self._directory / f"{thing_id}.note"
        with _locked(self._directory / f"{thing_id}.guard", wait_seconds=self._wait_seconds):
            seen = _read(note)
            wish = {"generation": generation, "gone": gone}
            if generation > seen["generation"]:
                _write(note, wish)  # also of something that comes back after it was gone
            elif generation == seen["generation"] and gone and not seen["gone"]:
                _write(note, wish)
        with _locked(self._directory / f"{thing_id}.lock", wait_seconds=self._wait_seconds):
            yield FileLock(note, generation, gone=gone)


@contextlib.contextmanager
def _locked(path: Path, *, wait_seconds: float):
    deadline = time.monotonic() + wait_seconds
    with open(path, "w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy(f"another job holds {path.stem}") from None
                time.sleep(POLL_SECONDS)
        yield


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
