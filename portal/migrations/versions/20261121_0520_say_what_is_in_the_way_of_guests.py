"""Say what is in the way of guests."""

import sqlalchemy as sa
from alembic import op

revision = "c3a9e1f74d60"
down_revision = "96b5b0da3e23"


def upgrade() -> None:
    with op.batch_alter_table("hosts") as batch_op:
        batch_op.add_column(sa.Column("obstacles", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("hosts") as batch_op:
        batch_op.drop_column("obstacles")
