"""Let hosts and instances be grouped."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "a3a20ceaeaed"
down_revision = "b4e9210c7d5a"


def upgrade() -> None:
    op.create_table(
        "aggregates",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("zone", sa.String(length=255), server_default="", nullable=False),
        sa.Column("properties", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aggregates")),
        sa.UniqueConstraint("name", name=op.f("uq_aggregates_name")),
    )
    op.create_table(
        "aggregate_hosts",
        sa.Column("aggregate_id", sa.Uuid(), nullable=False),
        sa.Column("host_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["aggregate_id"], ["aggregates.id"], name=op.f("fk_aggregate_hosts_aggregate_id")
        ),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name=op.f("fk_aggregate_hosts_host_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aggregate_hosts")),
        sa.UniqueConstraint(
            "aggregate_id", "host_id", name=op.f("uq_aggregate_hosts_aggregate_id_host_id")
        ),
    )
    with op.batch_alter_table("aggregate_hosts") as batch_op:
        batch_op.create_index(batch_op.f("ix_aggregate_hosts_host_id"), ["host_id"], unique=False)

    op.create_table(
        "placement_groups",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "policy",
            sa.Enum(
                "anti-affinity",
                "affinity",
                "soft-anti-affinity",
                "soft-affinity",
                name="policy",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("most_per_host", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_placement_groups_project_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_placement_groups_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placement_groups")),
    )
    with op.batch_alter_table("placement_groups") as batch_op:
        batch_op.create_index(
            "ix_placement_groups_project_id", ["project_id", "created_at", "id"], unique=False
        )

    with op.batch_alter_table("hosts") as batch_op:
        batch_op.add_column(
            sa.Column("zone", sa.String(length=255), server_default="nova", nullable=False)
        )

    with op.batch_alter_table("instances") as batch_op:
        batch_op.add_column(
            sa.Column("zone", sa.String(length=255), server_default="", nullable=False)
        )
        batch_op.add_column(sa.Column("placement_group_id", sa.Uuid(), nullable=True))
        batch_op.create_index(
            "ix_instances_placement_group_id", ["placement_group_id"], unique=False
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_instances_placement_group_id"),
            "placement_groups",
            ["placement_group_id"],
            ["id"],
        )


def downgrade() -> None:
    with op.batch_alter_table("instances") as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_instances_placement_group_id"), type_="foreignkey")
        batch_op.drop_index("ix_instances_placement_group_id")
        batch_op.drop_column("placement_group_id")
        batch_op.drop_column("zone")

    with op.batch_alter_table("hosts") as batch_op:
        batch_op.drop_column("zone")

    with op.batch_alter_table("placement_groups") as batch_op:
        batch_op.drop_index("ix_placement_groups_project_id")

    op.drop_table("placement_groups")
    with op.batch_alter_table("aggregate_hosts") as batch_op:
        batch_op.drop_index(batch_op.f("ix_aggregate_hosts_host_id"))

    op.drop_table("aggregate_hosts")
    op.drop_table("aggregates")
