"""Let members lock instances: what was locked before was locked by administrators."""

import sqlalchemy as sa
from alembic import op

revision = "d5b20c7e41f8"
down_revision = "c1f6a5d20e94"


def upgrade() -> None:
    op.add_column(
        "instances",
        sa.Column("locked_by_admins", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.execute("UPDATE instances SET locked_by_admins = locked")


def downgrade() -> None:
    with op.batch_alter_table("instances") as table:
        table.drop_column("locked_by_admins")
