"""Let tables be sent by themselves, and facts belong to their host's boot."""

import sqlalchemy as sa
from alembic import op

revision = "5d1f0c7be2a4"
down_revision = "8d0f6a1c52b7"

OPEN_TABLE = sa.text("operation_id IS NULL AND finished_at IS NULL")
UNHELD = sa.text("held < wanted")
UNSETTLED = sa.text("(needed AND held < wanted) OR (NOT needed AND held > 0)")
ROUTINE = "target_type IN ('networks', 'hosts') AND action IN ('repair', 'update')"
KINDS = {"network": "networks"}


def upgrade() -> None:
    with op.batch_alter_table("hosts") as batch_op:
        batch_op.add_column(sa.Column("past_boots", sa.JSON(), server_default="[]", nullable=False))
    with op.batch_alter_table("operations") as batch_op:
        batch_op.add_column(sa.Column("tables", sa.JSON(), server_default="[]", nullable=False))
    with op.batch_alter_table("scopes") as batch_op:
        batch_op.add_column(
            sa.Column("needed", sa.Boolean(), server_default=sa.true(), nullable=False)
        )
        batch_op.add_column(
            sa.Column("held_boot_id", sa.String(length=64), server_default="", nullable=False)
        )
        batch_op.drop_index("ix_scopes_unheld", postgresql_where=UNHELD, sqlite_where=UNHELD)
    op.create_index(
        "ix_scopes_unsettled",
        "scopes",
        ["host_id"],
        postgresql_where=UNSETTLED,
        sqlite_where=UNSETTLED,
    )
    _forget_routine()
    _rename(KINDS, "scopes", "kind")
    op.execute(
        "UPDATE scopes SET needed = false WHERE kind = 'networks' AND target_id IN "
        "(SELECT id FROM networks WHERE deleted_at IS NOT NULL)"
    )
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.add_column(sa.Column("deadline", sa.DateTime(timezone=True), nullable=True))
        batch_op.alter_column("operation_id", existing_type=sa.Uuid(), nullable=True)
    op.execute(
        "UPDATE tasks SET deadline = "
        "(SELECT deadline FROM operations WHERE operations.id = tasks.operation_id)"
    )
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.alter_column("deadline", existing_type=sa.DateTime(timezone=True), nullable=False)
    op.create_index(
        "uq_tasks_table",
        "tasks",
        ["scope_id"],
        unique=True,
        postgresql_where=OPEN_TABLE,
        sqlite_where=OPEN_TABLE,
    )


def downgrade() -> None:
    op.drop_index("uq_tasks_table", "tasks", postgresql_where=OPEN_TABLE, sqlite_where=OPEN_TABLE)
    op.execute(
        "DELETE FROM task_lines WHERE task_id IN (SELECT id FROM tasks WHERE operation_id IS NULL)"
    )
    op.execute("DELETE FROM tasks WHERE operation_id IS NULL")
    with op.batch_alter_table("tasks") as batch_op:
        batch_op.alter_column("operation_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.drop_column("deadline")
    _rename({new: old for old, new in KINDS.items()}, "scopes", "kind")
    op.drop_index(
        "ix_scopes_unsettled", "scopes", postgresql_where=UNSETTLED, sqlite_where=UNSETTLED
    )
    with op.batch_alter_table("scopes") as batch_op:
        batch_op.create_index(
            "ix_scopes_unheld", ["host_id"], postgresql_where=UNHELD, sqlite_where=UNHELD
        )
        batch_op.drop_column("held_boot_id")
        batch_op.drop_column("needed")
    with op.batch_alter_table("operations") as batch_op:
        batch_op.drop_column("tables")
    with op.batch_alter_table("hosts") as batch_op:
        batch_op.drop_column("past_boots")


def _forget_routine() -> None:
    """Tables that were sent by themselves were operations of networks and hosts; what is still
    missing is noticed anew."""
    tasks = f"SELECT tasks.id FROM tasks JOIN operations ON operations.id = operation_id WHERE {ROUTINE}"
    op.execute(f"DELETE FROM task_lines WHERE task_id IN ({tasks})")
    op.execute(f"DELETE FROM tasks WHERE id IN ({tasks})")
    op.execute(f"DELETE FROM operations WHERE {ROUTINE}")


def _rename(names: dict[str, str], table: str, column: str) -> None:
    for old, new in names.items():
        op.execute(f"UPDATE {table} SET {column} = '{new}' WHERE {column} = '{old}'")
