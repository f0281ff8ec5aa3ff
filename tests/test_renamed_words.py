"""What an earlier version wrote down is understood by this one."""

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import command
from sqlalchemy import create_engine

from portal import migrations

BEFORE = "65186fa1756c"
LOST = "55555555-5555-5555-5555-555555555555"
SAME = uuid.uuid4()  # the id of every row, so that each refers to one that is there
FILLING = {str: "", int: 0, bool: False, datetime: datetime.now(UTC), uuid.UUID: SAME}


def fill(connection, name: str, **values) -> None:
    """A row in which what is not said is empty."""
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    wanted = [each for each in table.columns if not each.nullable and each.name not in values]
    whole = {each.name: [] if isinstance(each.type, sa.JSON) else _filling(each) for each in wanted}
    connection.execute(table.insert().values(**whole | values))


def _filling(column):
    if column.name == "id" or column.name.endswith("_id"):
        return SAME if column.type.python_type is uuid.UUID else SAME.hex
    return "[]" if column.name in ("images", "obstacles") else FILLING[column.type.python_type]


def test_strangers_and_tasks_of_an_earlier_version_keep_their_meaning(new_database):
    url = new_database()
    alembic = migrations.settings(url)
    command.upgrade(alembic, BEFORE)
    words = [
        f"disks {LOST}",
        "bridge pbr7",
        "leg pdhcp7",
        "tap ptap00000000abc",
        "table ip portico_x",
    ]
    engine = create_engine(url)
    with engine.begin() as connection:
        fill(connection, "hosts", strangers=words)
        fill(connection, "operations", action="clean", before={"strangers": words[:1]})
        fill(connection, "tasks", job="orphans.remove")
    command.upgrade(alembic, "head")
    with engine.connect() as connection:
        hosts = sa.table("hosts", sa.column("strangers", sa.JSON))
        (strangers,) = connection.scalars(sa.select(hosts.c.strangers))
        operations = sa.table("operations", sa.column("before", sa.JSON))
        (before,) = connection.scalars(sa.select(operations.c.before))
        (job,) = connection.scalars(sa.text("SELECT job FROM tasks"))
    engine.dispose()
    assert [f"{each['kind']} {each['name']}" for each in strangers] == words
    assert [each["owner"] for each in strangers] == [LOST, "7", "7", "00000000abc", ""]
    assert before == {"strangers": strangers[:1]}
    assert job == "strangers.remove"
