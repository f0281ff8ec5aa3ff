"""Let rules of security groups say their version of IP, and keep what instances used."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "c1f7a94d20e8"
down_revision = "c1a7f20e9b34"


def upgrade() -> None:
    op.add_column(
        "security_group_rules",
        sa.Column("version", sa.Integer(), server_default="4", nullable=False),
    )
    op.create_table(
        "usage_intervals",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("flavor_name", sa.String(length=255), nullable=False),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=False),
        sa.Column("disk_gib", sa.Integer(), nullable=False),
        sa.Column("began_at", Timestamp(timezone=True), nullable=False),
        sa.Column("ended_at", Timestamp(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["instances.id"], name="fk_usage_intervals_instance_id"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_usage_intervals_project_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_usage_intervals"),
    )
    op.create_index(
        "ix_usage_intervals_project_id", "usage_intervals", ["project_id", "instance_id"]
    )
    op.create_index(
        "ix_usage_intervals_instance_id", "usage_intervals", ["instance_id", "began_at"]
    )
    # An instance has had one size since its launch; its own id serves for its one interval.
    op.execute(
        "INSERT INTO usage_intervals (id, project_id, instance_id, flavor_name, vcpus, memory_mib,"
        " disk_gib, began_at, ended_at, created_at, updated_at) SELECT id, project_id, id,"
        " flavor_name, vcpus, memory_mib, disk_gib, launched_at, deleted_at, launched_at,"
        " launched_at FROM instances WHERE launched_at IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_table("usage_intervals")
    with op.batch_alter_table("security_group_rules") as table:
        table.drop_column("version")
