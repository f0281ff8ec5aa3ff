"""Give the gateways of all subnets of a network one MAC."""

import sqlalchemy as sa
from alembic import op

revision = "a4e07b5c93d1"
down_revision = "b82d6f19e3c7"


def upgrade() -> None:
    """It is that of the oldest subnet, which guests know already."""
    with op.batch_alter_table("networks") as batch_op:
        batch_op.add_column(sa.Column("gateway_mac", sa.String(length=17), nullable=True))
    op.execute(
        "UPDATE networks SET gateway_mac = (SELECT subnets.gateway_mac FROM subnets "
        "WHERE subnets.network_id = networks.id ORDER BY subnets.created_at, subnets.id LIMIT 1)"
    )
    with op.batch_alter_table("networks") as batch_op:
        batch_op.alter_column("gateway_mac", existing_type=sa.String(length=17), nullable=False)
    with op.batch_alter_table("subnets") as batch_op:
        batch_op.drop_column("gateway_mac")


def downgrade() -> None:
    with op.batch_alter_table("subnets") as batch_op:
        batch_op.add_column(sa.Column("gateway_mac", sa.String(length=17), nullable=True))
    op.execute(
        "UPDATE subnets SET gateway_mac = "
        "(SELECT networks.gateway_mac FROM networks WHERE networks.id = subnets.network_id)"
    )
    with op.batch_alter_table("subnets") as batch_op:
        batch_op.alter_column("gateway_mac", existing_type=sa.String(length=17), nullable=False)
    with op.batch_alter_table("networks") as batch_op:
        batch_op.drop_column("gateway_mac")
