"""Keep until when a busy host is waited for, and what keeps one from working."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "5b0e7ac1d264"
down_revision = "d3f1a86b2c94"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("promised_at", Timestamp(timezone=True), nullable=True))
    op.add_column("hosts", sa.Column("trouble", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("hosts") as table:
        table.drop_column("trouble")
    with op.batch_alter_table("tasks") as table:
        table.drop_column("promised_at")
