"""Number events."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "c1f7d2a9e604"
down_revision = "c1f7a94d20e8"


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_events_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("kind", "about_id", name=op.f("uq_events_kind_about_id")),
        sa.UniqueConstraint("position", name=op.f("uq_events_position")),
    )
    op.create_index("ix_events_project_id", "events", ["project_id", "position"])
    op.create_index("ix_operations_finished_at", "operations", ["finished_at"])


def downgrade() -> None:
    op.drop_index("ix_operations_finished_at", "operations")
    op.drop_table("events")
