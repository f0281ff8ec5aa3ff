"""Let anything hold claims."""

import sqlalchemy as sa
from alembic import op

revision = "c7a40f2b9d16"
down_revision = "b3c1d87e5f20"

INSTANCES = "instances"


def upgrade() -> None:
    with op.batch_alter_table("claims") as batch_op:
        batch_op.add_column(sa.Column("holder_type", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("holder_id", sa.Uuid(), nullable=True))
    op.execute(f"UPDATE claims SET holder_type = '{INSTANCES}', holder_id = instance_id")
    with op.batch_alter_table("claims") as batch_op:
        batch_op.drop_index("ix_claims_instance_id")
        batch_op.drop_constraint("uq_claims_host_id_instance_id_resource", type_="unique")
        batch_op.drop_constraint("fk_claims_instance_id", type_="foreignkey")
        batch_op.drop_column("instance_id")
        batch_op.alter_column("holder_type", existing_type=sa.String(length=32), nullable=False)
        batch_op.alter_column("holder_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.create_unique_constraint(
            "uq_claims_host_id_holder_id_resource", ["host_id", "holder_id", "resource"]
        )
        batch_op.create_index("ix_claims_holder_id", ["holder_id"])


def downgrade() -> None:
    """Instances hold claims, and nothing else does."""
    op.execute(f"DELETE FROM claims WHERE holder_type <> '{INSTANCES}'")
    with op.batch_alter_table("claims") as batch_op:
        batch_op.add_column(sa.Column("instance_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE claims SET instance_id = holder_id")
    with op.batch_alter_table("claims") as batch_op:
        batch_op.drop_index("ix_claims_holder_id")
        batch_op.drop_constraint("uq_claims_host_id_holder_id_resource", type_="unique")
        batch_op.drop_column("holder_id")
        batch_op.drop_column("holder_type")
        batch_op.alter_column("instance_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.create_foreign_key("fk_claims_instance_id", "instances", ["instance_id"], ["id"])
        batch_op.create_unique_constraint(
            "uq_claims_host_id_instance_id_resource", ["host_id", "instance_id", "resource"]
        )
        batch_op.create_index("ix_claims_instance_id", ["instance_id"])
