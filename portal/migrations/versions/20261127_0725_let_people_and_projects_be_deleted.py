"""Let people and projects be deleted: their rows stay for the record, their names are free."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "d3f1a86b2c94"
down_revision = "a94c0e5d7b12"

TABLES = ("users", "projects")
COLUMNS = ("name", "reads_as")
THERE = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    for table in TABLES:
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(sa.Column("deleted_at", Timestamp(timezone=True), nullable=True))
            if table == "projects":
                batch_op.add_column(
                    sa.Column("deletion_asked_at", Timestamp(timezone=True), nullable=True)
                )
            for column in COLUMNS:
                batch_op.drop_constraint(f"uq_{table}_domain_id_{column}", type_="unique")
        for column in COLUMNS:
            op.create_index(
                f"uq_{table}_{column}",
                table,
                ["domain_id", column],
                unique=True,
                sqlite_where=THERE,
                postgresql_where=THERE,
            )


def downgrade() -> None:
    """Who was deleted keeps a name that nobody else has: it is of the id too."""
    for table in reversed(TABLES):
        rows = sa.table(
            table,
            sa.column("id", sa.Uuid),
            sa.column("name", sa.String),
            sa.column("reads_as", sa.String),
            sa.column("enabled", sa.Boolean),
            sa.column("deleted_at", Timestamp(timezone=True)),
        )
        database = op.get_bind()
        for row in database.execute(sa.select(rows).where(rows.c.deleted_at.is_not(None))).all():
            name = f"{row.name[:200]} ({row.id})"
            apart = {"name": name, "reads_as": row.id.hex * 2, "enabled": False}
            database.execute(sa.update(rows).where(rows.c.id == row.id).values(**apart))
        for column in COLUMNS:
            op.drop_index(f"uq_{table}_{column}", table_name=table)
        with op.batch_alter_table(table) as batch_op:
            for column in COLUMNS:
                batch_op.create_unique_constraint(
                    f"uq_{table}_domain_id_{column}", ["domain_id", column]
                )
            if table == "projects":
                batch_op.drop_column("deletion_asked_at")
            batch_op.drop_column("deleted_at")
