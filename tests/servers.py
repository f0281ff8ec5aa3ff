"""Servers of our own for tests: each on a unix socket in a directory that goes with it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
import redis

PATIENCE_SECONDS = 30


class RedisServer:
    """A Redis that can be stopped and started again; it forgets everything in between."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._socket = directory / "redis.sock"
        self._process: subprocess.Popen | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                _program("redis-server", package="redis-server"),
                *("--port", "0", "--unixsocket", str(self._socket)),
                *("--save", "", "--appendonly", "no", "--databases", "64"),
                *("--dir", str(self._directory), "--loglevel", "warning"),
            ],
            stdout=subprocess.DEVNULL,
        )
        _wait("Redis", self._process, redis.Redis.from_url(self.url).ping, redis.ConnectionError)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)


class PostgresServer:
    """A PostgreSQL of our own; as root it is run by the user `postgres`. Unless it is `durable`,
    it may lose what it was told when the machine loses its power."""

    def __init__(self, *, durable: bool = False):
        self._fsync = "on" if durable else "off"
        self._home = Path(tempfile.mkdtemp(prefix="portico-postgresql-"))
        self._free: list[str] = []
        self._lent: list[str] = []
        self._log = self._home / "log"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        tables = self._home / "tables"
        if os.geteuid() == 0:
            shutil.chown(self._home, "postgres")
        subprocess.run(
            [*self._as_owner("initdb"), "-D", tables, "-A", "trust", "-U", "postgres", "-N"],
            check=True,
            capture_output=True,
        )
        with open(self._log, "w") as log:
            self._process = subprocess.Popen(
                [
                    *self._as_owner("postgres"),
                    *("-D", tables, "-k", self._home, "-c", "listen_addresses="),
                    *("-c", f"fsync={self._fsync}", "-c", "max_connections=150"),
                ],
                stdout=log,
                stderr=log,
            )
        _wait("PostgreSQL", self._process, self._connect, psycopg.OperationalError)

    def new_database(self) -> str:
        """The SQLAlchemy URL of a database that is empty, until `take_back`."""
        if self._free:
            name = self._free.pop()
        else:
            name = f"portico_{uuid.uuid4().hex}"
            with self._connect() as connection:
                connection.execute(f"CREATE DATABASE {name}")
        self._lent.append(name)
        return f"postgresql+psycopg://postgres@/{name}?host={self._home}"

    def take_back(self) -> None:
        """All databases are nobody's, and empty: to make one takes longer than to clear one."""
        while self._lent:
            name = self._lent.pop()
            with self._connect(name) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = %s AND pid <> pg_backend_pid()",
                    [name],
                )
                connection.execute("DROP SCHEMA public CASCADE")
                connection.execute("CREATE SCHEMA public")
            self._free.append(name)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)  # at once: its files go with it
        self._process.wait(PATIENCE_SECONDS)
        shutil.rmtree(self._home)

    def _connect(self, name: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(host=str(self._home), user="postgres", dbname=name, autocommit=True)

    def _as_owner(self, name: str) -> list[str]:
        program = _program(name, package="postgresql", beside="/usr/lib/postgresql/*/bin")
        if os.geteuid() != 0:
            return [program]
        owner = pwd.getpwnam("postgres")
        rights = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        return ["setpriv", *rights, "--", program]


def _program(name: str, *, package: str, beside: str = "/usr/bin") -> str:
    """Where a program is. Without it the tests fail: what they say would not be known."""
    if found := shutil.which(name):
        return found
    root = Path("/")
    places = sorted(root.glob(f"{beside.lstrip('/')}/{name}"))
    assert places, f"{name} is needed for these tests: install the Debian package {package}"
    return str(places[-1])


def _wait(name: str, process: subprocess.Popen, answers: Callable, refusal: type) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answers()
            return
        except refusal:
            assert process.poll() is None, f"{name} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{name} did not start"
            time.sleep(0.02)
