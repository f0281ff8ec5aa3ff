"""Give subnets names."""

import sqlalchemy as sa
from alembic import op

revision = "b4e9210c7d5a"
down_revision = "7a07555e18d6"


def upgrade() -> None:
    op.add_column(
        "subnets", sa.Column("name", sa.String(length=255), server_default="", nullable=False)
    )


def downgrade() -> None:
    with op.batch_alter_table("subnets") as table:
        table.drop_column("name")
