"""From nothing to the newest revision is what the models say, and the way back leads to nothing."""

import json
import re
import uuid

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.orm import Session, lazyload

from portal import migrations
from portal.db import Base
from portal.models import Claim, FixedIp, Port

MOMENT = "2026-11-21 02:13:00.000000"
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


DUMMIES = {"INTEGER": 1, "BIGINT": 1, "BOOLEAN": True, "JSON": "[]", "DATETIME": MOMENT}
DUMMIES |= {"TIMESTAMP": MOMENT}
REFERENCES = {
    "domains": (),
    "projects": ("domain",),
    "users": ("domain",),
    "hosts": (),
    "images": (),
    "instances": ("project", "user", "host", "image"),
    "networks": ("project",),
    "subnets": ("network",),
    "ports": ("network", "subnet", "instance"),
    "claims": ("host", "instance"),
}
PLAIN = {
    "subnets": {"cidr": "10.3.0.0/16"},
    "ports": {"mac": "fa:16:3e:00:00:02", "address": "10.3.1.7"},
    "claims": {"resource": "vcpu", "amount": 2},
}


def fill(engine) -> dict[str, uuid.UUID]:
    """There is one row in each of these tables, good enough for what refers to it. Returns their
    ids, by noun."""
    ids = {table.removesuffix("s"): uuid.uuid4() for table in REFERENCES}
    for table, references in REFERENCES.items():
        row = {
            column["name"]: DUMMIES.get(str(column["type"]).partition("(")[0], "x")
            for column in inspect(engine).get_columns(table)
            if not column["nullable"] and column["default"] is None
        }
        row |= {f"{noun}_id": ids[noun].hex for noun in references}
        row |= {"id": ids[table.removesuffix("s")].hex, **PLAIN.get(table, {})}
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        with engine.begin() as connection:
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
    return ids


def rows_of(engine, *tables: str) -> dict[str, list]:
    """What these tables hold, by column."""
    with engine.connect() as connection:
        return {
            table: [
                dict(sorted(row._mapping.items()))
                for row in connection.execute(text(f"SELECT * FROM {table}"))
            ]
            for table in tables
        }


def test_ports_and_claims_of_before_stay_what_they_are(new_database):
    url = new_database()
    alembic = migrations.settings(url)
    command.upgrade(alembic, "5d1f0c7be2a4")
    engine = create_engine(url)
    ids = fill(engine)
    before = rows_of(engine, *REFERENCES)
    command.upgrade(alembic, "head")
    with Session(engine) as seen:
        port = seen.scalars(select(Port).options(lazyload("*"))).one()
        held, claim = seen.scalars(select(FixedIp)).one(), seen.scalars(select(Claim)).one()
        assert (port.id, port.mac, port.admin_up) == (ids["port"], "fa:16:3e:00:00:02", True)
        assert (port.owner_type, port.owner_id) == ("instances", ids["instance"])
        assert (held.port_id, held.subnet_id) == (ids["port"], ids["subnet"])
        assert (held.address, held.number) == ("10.3.1.7", 256 + 7)
        assert (claim.holder_type, claim.holder_id) == ("instances", ids["instance"])
    command.downgrade(alembic, "5d1f0c7be2a4")
    assert rows_of(engine, *REFERENCES) == before
    engine.dispose()


def test_guests_keep_the_mac_of_their_gateway(new_database):
    """It is the network's own, and that which its oldest subnet had."""
    url = new_database()
    alembic = migrations.settings(url)
    command.upgrade(alembic, "5d1f0c7be2a4")
    engine = create_engine(url)
    ids = fill(engine)
    younger = {"id": uuid.uuid4().hex, "network_id": ids["network"].hex, "cidr": "10.4.0.0/16"}
    younger |= {"moment": "2026-11-22 02:13:00.000000"}
    with engine.begin() as connection:
        connection.execute(text("UPDATE subnets SET gateway_mac = 'fa:16:3e:00:00:01'"))
        connection.execute(
            text(
                "INSERT INTO subnets (id, network_id, cidr, gateway, dhcp_address, gateway_mac, "
                "description, created_at, updated_at) VALUES (:id, :network_id, :cidr, 'x', 'x', "
                "'fa:16:3e:00:00:02', '', :moment, :moment)"
            ),
            younger,
        )
    command.upgrade(alembic, "head")
    assert [each["gateway_mac"] for each in rows_of(engine, "networks")["networks"]] == [
        "fa:16:3e:00:00:01"
    ]
    command.downgrade(alembic, "5d1f0c7be2a4")
    macs = {each["gateway_mac"] for each in rows_of(engine, "subnets")["subnets"]}
    assert macs == {"fa:16:3e:00:00:01"}
    engine.dispose()


def test_names_of_before_that_read_alike_stay_and_guests_are_told_apart(new_database):
    url = new_database()
    alembic = migrations.settings(url)
    command.upgrade(alembic, "5d1f0c7be2a4")
    engine = create_engine(url)
    fill(engine)
    command.upgrade(alembic, "f16b7d3a0e94")
    instance, port = uuid.uuid4(), uuid.uuid4()
    copy(engine, "users", id=uuid.uuid4().hex, name="X")
    copy(engine, "instances", id=instance.hex)
    copy(engine, "ports", id=port.hex, owner_id=instance.hex, mac="fa:16:3e:00:00:03")
    command.upgrade(alembic, "head")
    with engine.connect() as connection:
        users = connection.execute(text("SELECT name, reads_as FROM users")).all()
        names = set(connection.execute(text("SELECT dns_name FROM ports")).scalars())
        own = connection.execute(text("SELECT DISTINCT hostname FROM instances")).scalars().all()
    assert {name for name, _ in users} == {"x", "X"}
    assert len({read for _, read in users}) == 2
    assert own == ["x"]
    assert len(names) == 2
    assert "x" in names
    assert all(re.fullmatch(r"x(-[0-9a-f]{8})?", name) for name in names)
    engine.dispose()


def copy(engine, table: str, **changes) -> None:
    """There is one more row like the first one of this table, but for these columns."""
    with engine.begin() as connection:
        first = connection.execute(text(f"SELECT * FROM {table} LIMIT 1")).mappings().one()
        row = {
            name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in (dict(first) | changes).items()
        }
        columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), row)
