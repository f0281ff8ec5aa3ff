"""Let images be deleted."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "5b1d0c7e92a4"
down_revision = "96b5b0da3e23"


def upgrade() -> None:
    with op.batch_alter_table("images") as images:
        images.add_column(sa.Column("deleted_at", Timestamp(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("images") as images:
        images.drop_column("deleted_at")
