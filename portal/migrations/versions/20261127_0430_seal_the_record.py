"""Chain the entries of the record, so that one that is altered is found."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "a94c0e5d7b12"
down_revision = "c28be61f7d03"


def upgrade() -> None:
    op.create_table(
        "seals",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"], ["activities.id"], name=op.f("fk_seals_activity_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seals")),
        sa.UniqueConstraint("activity_id", name=op.f("uq_seals_activity_id")),
        sa.UniqueConstraint("position", name=op.f("uq_seals_position")),
    )


def downgrade() -> None:
    op.drop_table("seals")
