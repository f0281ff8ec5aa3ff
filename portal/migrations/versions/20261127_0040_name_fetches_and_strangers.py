"""Name fetches and strangers: jobs by their new names, strangers by kind, name and owner."""

import re

import sqlalchemy as sa
from alembic import op

revision = "8d0f6a1c52b7"
down_revision = "65186fa1756c"

JOBS = {
    "downloads.apply": "fetches.apply",
    "downloads.remove": "fetches.remove",
    "orphans.remove": "strangers.remove",
}
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
ENDS = {
    "bridge": re.compile(r"\d+$"),
    "leg": re.compile(r"\d+$"),
    "tap": re.compile(r"(?<=^ptap).+$"),
}

hosts = sa.table("hosts", sa.column("id", sa.Uuid), sa.column("strangers", sa.JSON))
operations = sa.table(
    "operations",
    sa.column("id", sa.Uuid),
    sa.column("action", sa.String),
    sa.column("before", sa.JSON),
)
tasks = sa.table("tasks", sa.column("job", sa.String))


def upgrade() -> None:
    for old, new in JOBS.items():
        op.execute(tasks.update().where(tasks.c.job == old).values(job=new))
    _rewrite(_parsed)


def downgrade() -> None:
    for old, new in JOBS.items():
        op.execute(tasks.update().where(tasks.c.job == new).values(job=old))
    _rewrite(lambda each: f"{each['kind']} {each['name']}")


def _rewrite(translate) -> None:
    """Every stranger that is written down anywhere, but for the words of the activities."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(hosts)).all():
        connection.execute(
            hosts.update()
            .where(hosts.c.id == row.id)
            .values(strangers=[translate(each) for each in row.strangers])
        )
    cleaning = sa.select(operations).where(operations.c.action == "clean")
    for row in connection.execute(cleaning).all():
        if row.before:
            strangers = [translate(each) for each in row.before["strangers"]]
            connection.execute(
                operations.update()
                .where(operations.c.id == row.id)
                .values(before=row.before | {"strangers": strangers})
            )


def _parsed(stranger: str) -> dict:
    kind, _, name = stranger.partition(" ")
    found = ENDS.get(kind, ID).search(name)
    return {"kind": kind, "name": name, "owner": found[0] if found else ""}
