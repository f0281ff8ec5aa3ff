"""Fetch published images."""

import sqlalchemy as sa
from alembic import op

revision = "65186fa1756c"
down_revision = "c3a9e1f74d60"

FETCHED = sa.text("published_as <> '' AND deleted_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("images") as batch_op:
        batch_op.add_column(
            sa.Column("published_as", sa.String(length=64), server_default="", nullable=False)
        )
        batch_op.add_column(
            sa.Column("generation", sa.Integer(), server_default="1", nullable=False)
        )
        batch_op.add_column(sa.Column("fault", sa.Text(), server_default="", nullable=False))
        batch_op.create_index(
            "uq_images_published_as",
            ["published_as"],
            unique=True,
            postgresql_where=FETCHED,
            sqlite_where=FETCHED,
        )


def downgrade() -> None:
    with op.batch_alter_table("images") as batch_op:
        batch_op.drop_index(
            "uq_images_published_as", postgresql_where=FETCHED, sqlite_where=FETCHED
        )
        batch_op.drop_column("fault")
        batch_op.drop_column("generation")
        batch_op.drop_column("published_as")
