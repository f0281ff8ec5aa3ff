"""Find tasks that have just ended."""

import sqlalchemy as sa
from alembic import op

revision = "a71c5e08d2b6"
down_revision = "f16b7d3a0e94"

OVER = sa.text("finished_at IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_tasks_finished_at",
        "tasks",
        ["finished_at"],
        postgresql_where=OVER,
        sqlite_where=OVER,
    )


def downgrade() -> None:
    op.drop_index("ix_tasks_finished_at", "tasks", postgresql_where=OVER, sqlite_where=OVER)
