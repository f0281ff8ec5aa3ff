"""Know of a refusal which answer of a form it was about: a typing mistake is nobody else's news."""

import sqlalchemy as sa
from alembic import op

revision = "d31f7a90c6e2"
down_revision = "5b0e7ac1d264"


def upgrade() -> None:
    with op.batch_alter_table("activities") as batch_op:
        batch_op.add_column(
            sa.Column("field", sa.String(length=64), server_default="", nullable=False)
        )


def downgrade() -> None:
    with op.batch_alter_table("activities") as batch_op:
        batch_op.drop_column("field")
