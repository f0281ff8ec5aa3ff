"""Let members lock instances, and ports outlive them.

What was locked before was locked by administrators, and every port went with its instance.
"""

import sqlalchemy as sa
from alembic import op

revision = "d5b20c7e41f8"
down_revision = "c1f6a5d20e94"


def upgrade() -> None:
    op.add_column(
        "instances",
        sa.Column("locked_by_admins", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column(
        "ports", sa.Column("stays", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.execute("UPDATE ports SET stays = (owner_id IS NULL)")
    op.execute("UPDATE instances SET locked_by_admins = locked")


def downgrade() -> None:
    with op.batch_alter_table("ports") as table:
        table.drop_column("stays")
    with op.batch_alter_table("instances") as table:
        table.drop_column("locked_by_admins")
