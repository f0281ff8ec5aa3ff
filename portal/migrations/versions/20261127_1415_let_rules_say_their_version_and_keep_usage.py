"""Let rules of security groups say their version of IP, and keep what instances used."""

import sqlalchemy as sa
from alembic import op

revision = "c1f7a94d20e8"
down_revision = "c1a7f20e9b34"


def upgrade() -> None:
    op.add_column(
        "security_group_rules",
        sa.Column("version", sa.Integer(), server_default="4", nullable=False),
    )


def downgrade() -> None:
    with op.batch_alter_table("security_group_rules") as table:
        table.drop_column("version")
