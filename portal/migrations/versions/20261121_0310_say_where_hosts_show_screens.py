"""Say where hosts show the screens of their guests."""

import sqlalchemy as sa
from alembic import op

revision = "5d1f0c7ab2e4"
down_revision = "5b1d0c7e92a4"


def upgrade() -> None:
    with op.batch_alter_table("hosts") as batch_op:
        batch_op.add_column(
            sa.Column("console_address", sa.Text(), server_default="", nullable=False)
        )


def downgrade() -> None:
    with op.batch_alter_table("hosts") as batch_op:
        batch_op.drop_column("console_address")
