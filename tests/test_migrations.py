"""From nothing to the newest revision is what the models say, and the way back leads to nothing."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from portal import migrations
from portal.db import Base

WHERES = ("sqlite_where", "postgresql_where")


@pytest.fixture
def migrated(new_database):
    """The URL of a database of the newest revision."""
    url = new_database()
    migrations.upgrade(url)
    return url


def reflected(url: str) -> dict:
    """Everything that a database says of its tables, in words that can be compared."""
    engine = create_engine(url)
    seen = inspect(engine)
    tables = {
        table: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in seen.get_columns(table)
            },
            "indexes": {
                index["name"]: (
                    tuple(index["column_names"]),
                    bool(index["unique"]),
                    [str(index.get("dialect_options", {}).get(where)) for where in WHERES],
                )
                for index in seen.get_indexes(table)
            },
            "unique": {
                each["name"]: tuple(each["column_names"])
                for each in seen.get_unique_constraints(table)
            },
            "foreign": {
                each["name"]: (tuple(each["constrained_columns"]), each["referred_table"])
                for each in seen.get_foreign_keys(table)
            },
            "checks": {each["name"]: each["sqltext"] for each in seen.get_check_constraints(table)},
            "primary": seen.get_pk_constraint(table)["constrained_columns"],
        }
        for table in seen.get_table_names()
        if table != "alembic_version"
    }
    engine.dispose()
    return tables


def test_the_revisions_make_what_the_models_say(migrated):
    engine = create_engine(migrated)
    with engine.connect() as connection:
        compared = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(compared, Base.metadata) == []
    engine.dispose()


def test_the_revisions_and_the_models_make_the_same_tables(migrated, new_database):
    other = new_database()
    engine = create_engine(other)
    Base.metadata.create_all(engine)
    engine.dispose()
    made, meant = reflected(migrated), reflected(other)
    assert made == meant
    partial = [
        index
        for table in meant.values()
        for index in table["indexes"].values()
        if index[2] != ["None", "None"]
    ]
    assert partial, "no partial index was seen, so none was compared"


def test_the_newest_revision_is_known_and_reached_twice(migrated):
    migrations.upgrade(migrated)
    engine = create_engine(migrated)
    assert migrations.present(engine) == migrations.newest(migrated)
    engine.dispose()


def test_each_revision_can_be_taken_back_and_made_again(new_database):
    url = new_database()
    alembic = migrations.settings(url)
    revisions = list(ScriptDirectory.from_config(alembic).walk_revisions())
    for revision in reversed(revisions):
        command.upgrade(alembic, revision.revision)
        command.downgrade(alembic, "-1")
        command.upgrade(alembic, revision.revision)
    command.downgrade(alembic, "base")
    assert reflected(url) == {}
