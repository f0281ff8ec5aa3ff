"""How every table looks, and the one way to change anything.

Reading needs no ceremony: use `session`. Changing happens inside `transaction()` and nowhere
else. SQLite has one writer at a time, so a transaction begins with BEGIN IMMEDIATE and waits its
turn inside one lock of the process; without it, 50 of 50 parallel creates pass a quota of 10.
"""

import contextlib
import enum
import errno
import fcntl
import functools
import importlib
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import (
    DateTime,
    Engine,
    Enum,
    Float,
    Insert,
    MetaData,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import JSON, TypeDecorator

from portal.errors import DiskFull

TURN_SECONDS = 30  # how long a process waits for another one's transaction on SQLite
FULL = {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "53100"}
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
LOOK_SECONDS = 0.002  # between two looks whether another process has ended its turn

session = scoped_session(sessionmaker(expire_on_commit=False))

_writer = threading.Lock()


class Timestamp(TypeDecorator):
    """A moment in UTC with microseconds, the same on SQLite and PostgreSQL."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value, dialect):
        return value and value.replace(tzinfo=value.tzinfo or UTC)


def clock() -> datetime:
    """What `now` asks; tests put another in its place."""
    return datetime.now(UTC)


def now() -> datetime:
    """This moment, in UTC. Somebody may set the clock: what is only measured asks `steady`."""
    return clock()


def steady_clock() -> float:
    """What `steady` asks; tests put another in its place."""
    return time.monotonic()


def steady() -> float:
    """Seconds that only run, whatever is done to the clock; the same in all processes of a machine
    until it boots (clock_gettime(2), CLOCK_MONOTONIC)."""
    return steady_clock()


def boot() -> str:
    """Whose seconds `steady` counts: this machine's since it booted last (random(4), boot_id)."""
    return BOOT_ID.read_text().strip()


class seconds_between(FunctionElement):
    """Inside a statement: how many seconds lie between two moments, on either database."""

    type = Float()
    inherit_cache = True


@compiles(seconds_between, "sqlite")
def _by_days(element, compiler, **options) -> str:
    """https://sqlite.org/lang_datefunc.html: days, and fractions of them"""
    earlier, later = (compiler.process(each, **options) for each in element.clauses)
    return f"((julianday({later}) - julianday({earlier})) * 86400.0)"


@compiles(seconds_between, "postgresql")
def _by_epoch(element, compiler, **options) -> str:
    earlier, later = (compiler.process(each, **options) for each in element.clauses)
    return f"EXTRACT(EPOCH FROM {later} - {earlier})"


class Base(DeclarativeBase):
    """A table: a random id, when it was made and last changed, and room for a remark."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        str: Text,
        datetime: Timestamp,
        uuid.UUID: Uuid,
        dict: JSON,
        list: JSON,
        enum.Enum: Enum(
            enum.Enum,
            native_enum=False,
            length=32,
            values_callable=lambda kind: [member.value for member in kind],
        ),
    }

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    description: Mapped[str] = mapped_column(default="", server_default="")


def connect(url: str) -> Engine:
    """From now on `session` speaks to the database at `url` (a SQLAlchemy URL). What people have
    written is in no error, so that no log holds it."""
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"check_same_thread": False}, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
    else:
        engine = create_engine(
            url, pool_size=8, max_overflow=32, pool_pre_ping=True, hide_parameters=True
        )
    session.remove()
    session.configure(bind=engine)
    return engine


@contextlib.contextmanager
def transaction() -> Iterator[None]:
    """All that is changed inside happens at once, or not at all.

    What was read before is read again inside. Nothing slow belongs in here: no hashing, no
    Redis, no files. Use-cases never call use-cases, so it does not nest. Raises DiskFull.
    """
    if session.info.get("changing"):
        raise RuntimeError("a use-case was called inside a use-case")
    with _turn():
        forget()
        session.info["changing"] = True
        session.info["after_commit"] = []
        try:
            if session.get_bind().dialect.name == "sqlite":
                session.execute(text("BEGIN IMMEDIATE"))
            check = session.info.pop("guard", None)
            confirm = check() if check else None
            yield
            if confirm is not None:
                confirm()
            session.commit()
        except BaseException as error:
            session.rollback()
            if _of_full_disk(error):
                raise DiskFull from error
            raise
        finally:
            session.info["changing"] = False
    for call in dict.fromkeys(session.info["after_commit"]):
        call()


def _of_full_disk(error: BaseException) -> bool:
    """https://sqlite.org/rescode.html
    https://www.postgresql.org/docs/current/errcodes-appendix.html"""
    if not isinstance(error, DBAPIError):
        return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    said = (getattr(error.orig, each, None) for each in ("sqlite_errorname", "sqlstate"))
    return bool(FULL.intersection(said))


@contextlib.contextmanager
def snapshot() -> Iterator[None]:
    """All that is read inside is as it was at one moment, and nobody waits for it."""
    if session.info.get("changing"):
        raise RuntimeError("a snapshot inside a use-case would forget its changes")
    forget()
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("BEGIN"))
    else:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    try:
        yield
    finally:
        session.commit()  # of nothing: a rollback would forget what was read


class Purpose(enum.IntEnum):
    """What is done by one at a time."""

    FETCHING = 2  # 1 was placing an instance, which locks hosts now


def alone(purpose: Purpose) -> None:
    """Until the transaction ends nobody else is past this line for the same purpose. (On SQLite
    whoever changes anything is alone.)

    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS"""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(int(purpose))))


def alone_at_once() -> bool:
    """Whether nobody else changes anything from the first statement of a transaction on, without
    any lock being asked for: SQLite has one writer at a time."""
    return session.get_bind().dialect.name == "sqlite"


def write(model: type[Base] | Table, rows: list[dict]) -> None:
    """The table of `model` has these rows too, defaults filled in, by one statement. They name
    the same columns. What the session holds and has not flushed is not written before."""
    if not rows:
        return
    table = model if isinstance(model, Table) else model.__table__
    waiting = session.info.get("together")
    if waiting is None:
        session.connection().execute(table.insert(), rows)
    else:
        waiting.setdefault((table, tuple(rows[0])), []).extend(rows)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """What `write` is given inside is written at the end, and not seen before: on SQLite by one
    statement a table, on PostgreSQL, each of whose statements is a journey, by a single one. A
    default that follows from other columns is to be given."""
    waiting: dict[tuple[Table, tuple[str, ...]], list[dict]] = {}
    session.info["together"] = waiting
    try:
        yield
    finally:
        session.info["together"] = None
    if alone_at_once():
        for (table, _), rows in waiting.items():
            write(table, rows)
    elif waiting:
        session.connection().execute(
            _inserts(tuple(waiting)),
            {
                f"rows_{number}": json.dumps([_whole(table, row) for row in rows], default=_plain)
                for number, ((table, _), rows) in enumerate(waiting.items())
            },
        )


@functools.cache
def _inserts(shapes: tuple[tuple[Table, tuple[str, ...]], ...]) -> Insert:
    """The statement that inserts rows of these tables and columns, each table's as JSON. Foreign
    keys are looked at when all of it is done.

    https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
    https://www.postgresql.org/docs/current/functions-json.html (json_to_recordset)"""
    inserts = []
    for number, (table, columns) in enumerate(shapes):
        names = [*_whole(table, dict.fromkeys(columns))]
        rows = (
            func.json_to_recordset(cast(bindparam(f"rows_{number}", type_=Text), JSON))
            .table_valued(*(column(name, table.c[name].type) for name in names))
            .render_derived(with_types=True)
        )
        inserts.append(insert(table).from_select(names, select(rows), include_defaults=False))
    *others, last = inserts
    return last.add_cte(*(each.cte(f"insert_{number}") for number, each in enumerate(others)))


def _whole(table: Table, row: dict) -> dict:
    """The row with the defaults of the columns that it does not name."""
    missing = {each.name: each.default for each in table.columns if each.default is not None}
    return row | {
        name: default.arg(None) if default.is_callable else default.arg
        for name, default in missing.items()
        if name not in row
    }


def _plain(value: uuid.UUID | datetime) -> str:
    """As PostgreSQL reads it."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def upsert(model: type[Base], keys: list[dict], values: dict) -> None:
    """For each of `keys`, which is unique in its table, there is a row with these values, be it a
    new one or the one that was there."""
    if not keys:
        return
    dialect = importlib.import_module(f"sqlalchemy.dialects.{session.get_bind().dialect.name}")
    rows = [{**key, **values} for key in keys]
    changed = {**values, "updated_at": now()}
    statement = dialect.insert(model).on_conflict_do_update(index_elements=[*keys[0]], set_=changed)
    session.execute(statement, rows)


def guard(check: Callable[[], Callable[[], None]]) -> None:
    """Have `check` called once, at the beginning of the next transaction of this thread's session,
    and what it returns at its end. If that raises, nothing was changed."""
    session.info["guard"] = check


def unguard() -> None:
    """What was to be checked is not."""
    session.info.pop("guard", None)


def after_commit(call: Callable[[], None]) -> None:
    """Have `call` called once, when the transaction that is open has been committed."""
    session.info["after_commit"].append(call)


def forget() -> None:
    """What was read before is read again, and nothing of it is held."""
    session.rollback()
    session.expire_all()  # a rollback right after a commit forgets nothing


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    database = session.get_bind().url
    if database.get_backend_name() != "sqlite":
        yield
        return
    with _writer, _queue(f"{database.database}-turn"):
        yield


@contextlib.contextmanager
def _queue(path: str) -> Iterator[None]:
    """Every process that asks for a turn has one soon. SQLite's own waiters look less and less
    often, until every 100 ms, and whoever comes back in between keeps them out. Nothing depends
    on it: after TURN_SECONDS, SQLite's lock is asked all the same."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    patience = time.monotonic() + TURN_SECONDS
    try:
        while time.monotonic() < patience:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _prepare_sqlite(connection, _record) -> None:
    """isolation_level None: no BEGIN but ours (docs.python.org/3/library/sqlite3.html)."""
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {TURN_SECONDS * 1000}",  # first: the next one may have to wait too
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
