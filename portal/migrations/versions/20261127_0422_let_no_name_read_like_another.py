"""Let no name of a user, project or flavor read like another one."""

import sqlalchemy as sa
from alembic import op

from portal.models.named import reads_as

revision = "c28be61f7d03"
down_revision = "a7d40c19e5b2"

WITHIN = {"users": "domain_id", "projects": "domain_id", "flavors": None}


def upgrade() -> None:
    for table, within in WITHIN.items():
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(sa.Column("reads_as", sa.String(length=64), nullable=True))
        _fill(table, within)
        columns = [each for each in (within, "reads_as") if each]
        with op.batch_alter_table(table) as batch_op:
            batch_op.alter_column("reads_as", existing_type=sa.String(length=64), nullable=False)
            batch_op.create_unique_constraint(f"uq_{table}_{'_'.join(columns)}", columns)


def downgrade() -> None:
    for table, within in reversed(WITHIN.items()):
        columns = [each for each in (within, "reads_as") if each]
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_constraint(f"uq_{table}_{'_'.join(columns)}", type_="unique")
            batch_op.drop_column("reads_as")


def _fill(table: str, within: str | None) -> None:
    """Of several that read alike already, the oldest has the reading; the others keep their names
    and read like nobody."""
    rows = sa.table(
        table,
        sa.column("id", sa.Uuid),
        sa.column("name", sa.String),
        sa.column("reads_as", sa.String),
        sa.column("created_at", sa.DateTime(timezone=True)),
        *([sa.column(within, sa.Uuid)] if within else []),
    )
    database, known = op.get_bind(), set()
    for row in database.execute(sa.select(rows).order_by(rows.c.created_at, rows.c.id)).all():
        read = reads_as(row.name)
        place = (getattr(row, within) if within else None, read)
        if place in known:
            read = reads_as(f"{row.name}\n{row.id}")
        known.add(place)
        database.execute(sa.update(rows).where(rows.c.id == row.id).values(reads_as=read))
