"""Find tasks that have ended while something of them was on the wire."""

import sqlalchemy as sa
from alembic import op

revision = "b82d6f19e3c7"
down_revision = "a71c5e08d2b6"

GIVEN_UP = sa.text("outcome = 'superseded' AND sent_at IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_tasks_given_up",
        "tasks",
        ["finished_at"],
        postgresql_where=GIVEN_UP,
        sqlite_where=GIVEN_UP,
    )


def downgrade() -> None:
    op.drop_index("ix_tasks_given_up", "tasks", postgresql_where=GIVEN_UP, sqlite_where=GIVEN_UP)
