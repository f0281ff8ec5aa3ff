"""Keep boot logs."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "96b5b0da3e23"
down_revision = "5d1f0c7ab2e4"

WANTED = sa.text("wanted_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "boot_logs",
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("taken_at", Timestamp(timezone=True), nullable=True),
        sa.Column("wanted_at", Timestamp(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["instances.id"], name=op.f("fk_boot_logs_instance_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_boot_logs")),
        sa.UniqueConstraint("instance_id", name=op.f("uq_boot_logs_instance_id")),
    )
    with op.batch_alter_table("boot_logs") as batch_op:
        batch_op.create_index(
            "ix_boot_logs_wanted_at", ["wanted_at"], postgresql_where=WANTED, sqlite_where=WANTED
        )


def downgrade() -> None:
    op.drop_table("boot_logs")
