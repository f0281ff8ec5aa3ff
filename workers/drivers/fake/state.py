"""What a fake host holds, and the accidents that can be arranged for it."""

import contextlib
import json
import sqlite3
import time
import uuid
from pathlib import Path

from workers.errors import Permanent

TABLES = """
CREATE TABLE IF NOT EXISTS things (
    kind TEXT, id TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS faults (
    call TEXT, times INTEGER, sentence TEXT, permanent INTEGER);
"""


class PulledPlug(BaseException):
    """The machine lost its power: nothing may catch this."""


class FakeHost:
    """A host in the directory `directory`; two objects of the same directory are the same host."""

    def __init__(self, directory: Path, *, wait_seconds: float = 5.0):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory, self.wait_seconds = directory, wait_seconds
        self.calls = 0  # driver calls made through this object
        self.fuse: int | None = None
        with self._connect() as connection:
            connection.executescript(TABLES)
        if self.get("host", "boot") is None:
            self.put("host", "boot", {"id": str(uuid.uuid4())})

    # accidents

    def die_after(self, calls: int) -> None:
        """The power goes before driver call number `calls` + 1."""
        self.calls, self.fuse = 0, calls

    def fail(self, call: str, sentence: str, *, times: int = 1, permanent: bool = False) -> None:
        """The next `times` calls of the driver method `call` fail with this sentence."""
        with self._connect() as connection:
            connection.execute(
                "INSERT INTO faults VALUES (?, ?, ?, ?)", (call, times, sentence, permanent)
            )

    def reboot(self) -> None:
        """The machine was switched off and on: no guest runs, tables of the kernel are gone."""
        self.put("host", "boot", {"id": str(uuid.uuid4())})
        for kind in ("network", "firewall"):
            for thing_id in self.every(kind):
                self.drop(kind, thing_id)
        for thing_id, guest in self.every("guest").items():
            self.put("guest", thing_id, guest | {"power": "stopped", "reason": "unknown"})

    # what drivers do

    def call(self, name: str) -> None:
        """Every driver method says so first, and may learn that it fails."""
        if self.fuse is not None and self.calls >= self.fuse:
            raise PulledPlug(name)
        self.calls += 1
        if delay := self.get("host", "delay"):
            time.sleep(delay["seconds"])
        with self._connect() as connection:
            fault = connection.execute(
                "SELECT rowid, sentence, permanent FROM faults WHERE call = ? AND times > 0",
                (name,),
            ).fetchone()
            if fault is None:
                return
            connection.execute("UPDATE faults SET times = times - 1 WHERE rowid = ?", fault[:1])
        raise Permanent(fault[1]) if fault[2] else OSError(fault[1])

    def get(self, kind: str, thing_id: str) -> dict | None:
        with self._connect() as connection:
            row = connection.execute(
                "SELECT value FROM things WHERE kind = ? AND id = ?", (kind, thing_id)
            ).fetchone()
        return row and json.loads(row[0])

    def every(self, kind: str) -> dict[str, dict]:
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT id, value FROM things WHERE kind = ? ORDER BY id", (kind,)
            ).fetchall()
        return {thing_id: json.loads(value) for thing_id, value in rows}

    def put(self, kind: str, thing_id: str, value: dict) -> None:
        with self._connect() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO things VALUES (?, ?, ?)",
                (kind, thing_id, json.dumps(value, sort_keys=True)),
            )

    def drop(self, kind: str, thing_id: str) -> None:
        with self._connect() as connection:
            connection.execute("DELETE FROM things WHERE kind = ? AND id = ?", (kind, thing_id))

    @property
    def state(self) -> dict:
        """Everything that is there, to be compared, but for when what was used last."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT kind, id, value FROM things "
                "WHERE kind NOT IN ('host', 'use') ORDER BY kind, id"
            ).fetchall()
        return {(kind, thing_id): json.loads(value) for kind, thing_id, value in rows}

    @contextlib.contextmanager
    def _connect(self):
        """A connection a call: a worker forks, and SQLite connections do not survive that."""
        connection = sqlite3.connect(self.directory / "host.db", timeout=10)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            with connection:
                yield connection
        finally:
            connection.close()
