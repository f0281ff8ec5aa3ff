"""Let things have properties and tags, instances be locked, and images protected."""

import sqlalchemy as sa
from alembic import op

revision = "f16b7d3a0e94"
down_revision = "e5902d71c8ab"

FLAGS = {"instances": "locked", "images": "protected"}
TABLES = ("instances", "images", "networks")


def upgrade() -> None:
    for table in TABLES:
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(
                sa.Column("properties", sa.JSON(), server_default="{}", nullable=False)
            )
            batch_op.add_column(sa.Column("tags", sa.JSON(), server_default="[]", nullable=False))
            if flag := FLAGS.get(table):
                batch_op.add_column(
                    sa.Column(flag, sa.Boolean(), server_default=sa.false(), nullable=False)
                )


def downgrade() -> None:
    for table in reversed(TABLES):
        with op.batch_alter_table(table) as batch_op:
            if flag := FLAGS.get(table):
                batch_op.drop_column(flag)
            batch_op.drop_column("tags")
            batch_op.drop_column("properties")
