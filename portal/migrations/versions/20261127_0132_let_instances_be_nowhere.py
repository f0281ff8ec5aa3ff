"""Let instances be nowhere, and start from no image."""

import sqlalchemy as sa
from alembic import op

revision = "e5902d71c8ab"
down_revision = "c7a40f2b9d16"


def upgrade() -> None:
    with op.batch_alter_table("instances") as batch_op:
        for column in ("host_id", "image_id"):
            batch_op.alter_column(column, existing_type=sa.Uuid(), nullable=True)


def downgrade() -> None:
    """Every instance has a host and an image again: it refuses while there is one that has not."""
    with op.batch_alter_table("instances") as batch_op:
        for column in ("host_id", "image_id"):
            batch_op.alter_column(column, existing_type=sa.Uuid(), nullable=False)
