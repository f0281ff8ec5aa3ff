"""Let groups have roles, keep what programs say of people, and give programs keys to sign with."""

import sqlalchemy as sa
from alembic import op

from portal.db import Timestamp

revision = "c81d5f0a3e72"
down_revision = "a3a20ceaeaed"

IN_CLOUD = sa.text("project_id IS NULL")
ONE_HOLDER = "(user_id IS NULL) <> (group_id IS NULL)"
OF_CLOUD = "NOT of_cloud OR (project_id IS NOT NULL AND role = 'admin')"


def upgrade() -> None:
    op.create_table(
        "groups",
        sa.Column("domain_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("reads_as", sa.String(length=64), nullable=False),
        *_common(),
        sa.ForeignKeyConstraint(["domain_id"], ["domains.id"], name=op.f("fk_groups_domain_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("domain_id", "name", name=op.f("uq_groups_domain_id_name")),
        sa.UniqueConstraint("domain_id", "reads_as", name=op.f("uq_groups_domain_id_reads_as")),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        *_common(),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_members_group_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_group_members_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_members")),
        sa.UniqueConstraint("user_id", "group_id", name=op.f("uq_group_members_user_id_group_id")),
    )
    op.create_table(
        "passwords_used",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        *_common(),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_passwords_used_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passwords_used")),
    )
    op.create_table(
        "access_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("access", sa.String(length=64), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        *_common(),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_access_keys_project_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_access_keys_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_keys")),
        sa.UniqueConstraint("access", name=op.f("uq_access_keys_access")),
    )
    for table, column in INDEXES:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    with op.batch_alter_table("users") as table:
        table.add_column(sa.Column("email", sa.String(255), server_default="", nullable=False))
        table.add_column(
            sa.Column("project_note", sa.String(64), server_default="", nullable=False)
        )
        table.add_column(sa.Column("default_project_id", sa.Uuid(), nullable=True))
        table.create_foreign_key(
            op.f("fk_users_default_project_id"), "projects", ["default_project_id"], ["id"]
        )
    op.add_column("projects", sa.Column("tags", sa.JSON(), server_default="[]", nullable=False))
    with op.batch_alter_table("role_assignments") as table:
        table.alter_column("user_id", existing_type=sa.Uuid(), nullable=True)
        table.add_column(sa.Column("group_id", sa.Uuid(), nullable=True))
        table.add_column(
            sa.Column("of_cloud", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        table.create_foreign_key(
            op.f("fk_role_assignments_group_id"), "groups", ["group_id"], ["id"]
        )
        table.create_unique_constraint(
            op.f("uq_role_assignments_group_id_project_id"), ["group_id", "project_id"]
        )
        table.create_check_constraint(op.f("ck_role_assignments_one_holder"), ONE_HOLDER)
        table.create_check_constraint(op.f("ck_role_assignments_of_cloud"), OF_CLOUD)
    op.create_index(
        "uq_role_assignments_group_system",
        "role_assignments",
        ["group_id"],
        unique=True,
        sqlite_where=IN_CLOUD,
        postgresql_where=IN_CLOUD,
    )


def downgrade() -> None:
    """What people have by their groups they have no more."""
    rows = sa.table("role_assignments", sa.column("group_id", sa.Uuid))
    op.get_bind().execute(sa.delete(rows).where(rows.c.group_id.is_not(None)))
    op.drop_index("uq_role_assignments_group_system", table_name="role_assignments")
    with op.batch_alter_table("role_assignments") as table:
        table.drop_constraint(op.f("ck_role_assignments_of_cloud"), type_="check")
        table.drop_constraint(op.f("ck_role_assignments_one_holder"), type_="check")
        table.drop_constraint(op.f("uq_role_assignments_group_id_project_id"), type_="unique")
        table.drop_constraint(op.f("fk_role_assignments_group_id"), type_="foreignkey")
        table.drop_column("of_cloud")
        table.drop_column("group_id")
        table.alter_column("user_id", existing_type=sa.Uuid(), nullable=False)
    with op.batch_alter_table("projects") as table:
        table.drop_column("tags")
    with op.batch_alter_table("users") as table:
        table.drop_constraint(op.f("fk_users_default_project_id"), type_="foreignkey")
        table.drop_column("default_project_id")
        table.drop_column("project_note")
        table.drop_column("email")
    for table, column in reversed(INDEXES):
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
    for table in ("access_keys", "passwords_used", "group_members", "groups"):
        op.drop_table(table)


INDEXES = (
    ("group_members", "group_id"),
    ("passwords_used", "user_id"),
    ("access_keys", "project_id"),
    ("access_keys", "user_id"),
)


def _common() -> tuple[sa.Column, ...]:
    """What every table has."""
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", Timestamp(timezone=True), nullable=False),
        sa.Column("updated_at", Timestamp(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
    )
