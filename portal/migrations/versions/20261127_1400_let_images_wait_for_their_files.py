"""Let images wait for their files and be shared with projects, and subnets say more."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "c1a7f20e9b34"
down_revision = "c81d5f0a3e72"

SUBNET = ("pools", "dns_nameservers", "host_routes", "tags")


def upgrade() -> None:
    op.create_table(
        "image_members",
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                *("pending", "accepted", "rejected"),
                name="acceptance",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_image_members_image_id")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_image_members_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_members")),
        sa.UniqueConstraint(
            "image_id", "project_id", name=op.f("uq_image_members_image_id_project_id")
        ),
    )
    op.create_index(op.f("ix_image_members_project_id"), "image_members", ["project_id"])
    op.add_column(
        "images", sa.Column("md5", sa.String(length=32), server_default="", nullable=False)
    )
    for name in ("hidden", "deactivated"):
        op.add_column(
            "images", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    for name in ("routed", "dhcp"):
        op.add_column(
            "subnets", sa.Column(name, sa.Boolean(), server_default=sa.true(), nullable=False)
        )
    for name in SUBNET:
        op.add_column("subnets", sa.Column(name, sa.JSON(), server_default="[]", nullable=False))
    op.add_column("ports", sa.Column("tags", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("ports") as table:
        table.drop_column("tags")
    with op.batch_alter_table("subnets") as table:
        for name in (*SUBNET, "dhcp", "routed"):
            table.drop_column(name)
    with op.batch_alter_table("images") as table:
        for name in ("deactivated", "hidden", "md5"):
            table.drop_column(name)
    op.drop_table("image_members")
