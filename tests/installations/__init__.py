"""Installations of earlier versions, as they lay on disk: database and hosts.

Each was made by that version's own code, and ended while changes were under way. `portal.json` has
the rows of its tables, the names of the columns first; `<host>.sql` what a fake host held, and
`files.json` what else lay in the data directory. They are records: later versions upgrade them,
and nobody edits them.
"""

import json
import sqlite3
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from alembic import command

from portal import migrations
from workers.drivers.fake import FakeHost

HERE = Path(__file__).parent
REVISIONS = {"0_1_0": "65186fa1756c"}
HOSTS = ("kvm-1", "kvm-2")


def unpack(version: str, directory: Path) -> dict[str, str]:
    """The data directory is as it was, its hosts in it. Returns the key of each host."""
    files = json.loads((HERE / version / "files.json").read_text())
    for name in HOSTS:
        FakeHost(directory / name).drop("host", "boot")  # makes the tables, and is another machine
        with sqlite3.connect(directory / name / "host.db") as connection:
            connection.executescript((HERE / version / f"{name}.sql").read_text())
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(content)
    return {name: files[f"{name}/key"] for name in HOSTS}


def restore(version: str, url: str, *, ago: timedelta) -> None:
    """The empty database at `url` has the revision and the rows that it had; the newest of them
    was written so long `ago`."""
    command.upgrade(migrations.settings(url), REVISIONS[version])
    kept = {
        table: [dict(zip(columns, row, strict=True)) for row in rows]
        for table, (columns, *rows) in json.loads(
            (HERE / version / "portal.json").read_text()
        ).items()
    }
    newest = max(_moment(row["updated_at"]) for row in kept["operations"])
    later = datetime.now(UTC) - ago - newest
    engine = sa.create_engine(url)
    tables = sa.MetaData()
    tables.reflect(engine, only=list(kept))
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            for row in kept[table.name]:
                values = {
                    name: _value(table.columns[name].type, value, later)
                    for name, value in row.items()
                }
                connection.execute(table.insert().values(values))
    engine.dispose()


def _value(kind, value, later: timedelta):
    """A value as SQLite kept it, for a column of this type in any database."""
    if value is None:
        return sa.null()
    if isinstance(kind, sa.DateTime):
        return _moment(value) + later
    if isinstance(kind, sa.JSON):
        return json.loads(value)
    if isinstance(kind, sa.Boolean):
        return bool(value)
    return uuid.UUID(value) if isinstance(kind, sa.Uuid) else value


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
