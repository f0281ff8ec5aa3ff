"""Give programs tokens, and application credentials to get them with."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "7a07555e18d6"
down_revision = "5e1f70c3d9a6"


def upgrade() -> None:
    op.create_table(
        "application_credentials",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column(
            "role",
            sa.Enum("reader", "member", "admin", name="role", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("of_cloud", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("expires_at", Timestamp(timezone=True), nullable=True),
        sa.Column("used_at", Timestamp(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_application_credentials_project_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_application_credentials_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application_credentials")),
        sa.UniqueConstraint(
            "user_id", "name", name=op.f("uq_application_credentials_user_id_name")
        ),
    )
    with op.batch_alter_table("application_credentials") as batch_op:
        batch_op.create_index(
            op.f("ix_application_credentials_project_id"), ["project_id"], unique=False
        )

    op.create_table(
        "tokens",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("of_cloud", sa.Boolean(), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=True),
        sa.Column("methods", sa.JSON(), nullable=False),
        sa.Column("audit_ids", sa.JSON(), nullable=False),
        sa.Column("expires_at", Timestamp(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["application_credentials.id"], name=op.f("fk_tokens_credential_id")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_tokens_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("id_hash", name=op.f("uq_tokens_id_hash")),
    )
    with op.batch_alter_table("tokens") as batch_op:
        batch_op.create_index(op.f("ix_tokens_credential_id"), ["credential_id"], unique=False)
        batch_op.create_index(op.f("ix_tokens_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(op.f("ix_tokens_project_id"), ["project_id"], unique=False)
        batch_op.create_index(op.f("ix_tokens_user_id"), ["user_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("tokens") as batch_op:
        batch_op.drop_index(op.f("ix_tokens_user_id"))
        batch_op.drop_index(op.f("ix_tokens_project_id"))
        batch_op.drop_index(op.f("ix_tokens_expires_at"))
        batch_op.drop_index(op.f("ix_tokens_credential_id"))

    op.drop_table("tokens")
    with op.batch_alter_table("application_credentials") as batch_op:
        batch_op.drop_index(op.f("ix_application_credentials_project_id"))

    op.drop_table("application_credentials")
