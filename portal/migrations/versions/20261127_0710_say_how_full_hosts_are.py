"""Say how full the file systems of hosts are."""

import sqlalchemy as sa
from alembic import op

revision = "5e1f70c3d9a6"
down_revision = "d31f7a90c6e2"


def upgrade() -> None:
    op.add_column(
        "hosts", sa.Column("file_systems", sa.JSON(), server_default="[]", nullable=False)
    )


def downgrade() -> None:
    with op.batch_alter_table("hosts") as table:
        table.drop_column("file_systems")
