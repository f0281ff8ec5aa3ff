"""Let flavors be for some projects, and instances say what programs know of them."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "c1f6a5d20e94"
down_revision = "c1f7d2a9e604"

TEXTS = {
    "flavor_key": 255,
    "locked_reason": 255,
    "reservation_id": 32,
    "access_ipv4": 15,
    "access_ipv6": 45,
}


def upgrade() -> None:
    op.add_column(
        "flavors", sa.Column("public", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.add_column(
        "flavors", sa.Column("extra_specs", sa.JSON(), server_default="{}", nullable=False)
    )
    with op.batch_alter_table("flavors") as table:
        table.add_column(sa.Column("chosen_id", sa.String(length=255), nullable=True))
        table.create_unique_constraint("uq_flavors_chosen_id", ["chosen_id"])
    op.create_table(
        "flavor_grants",
        sa.Column("flavor_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["flavor_id"], ["flavors.id"], name="fk_flavor_grants_flavor_id"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_flavor_grants_project_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_flavor_grants"),
        sa.UniqueConstraint(
            "flavor_id", "project_id", name="uq_flavor_grants_flavor_id_project_id"
        ),
    )
    op.create_index("ix_flavor_grants_project_id", "flavor_grants", ["project_id"])
    for name, length in TEXTS.items():
        op.add_column(
            "instances", sa.Column(name, sa.String(length), server_default="", nullable=False)
        )
    op.add_column(
        "instances", sa.Column("extra_specs", sa.JSON(), server_default="{}", nullable=False)
    )
    op.add_column(
        "instances", sa.Column("launch_index", sa.Integer(), server_default="0", nullable=False)
    )
    op.create_index("ix_instances_reservation_id", "instances", ["reservation_id"])
    _name_the_flavors_of_what_there_is()


def _name_the_flavors_of_what_there_is() -> None:
    """By the id of the flavor of that name; by one of the name's own where it is gone."""
    connection = op.get_bind()
    flavors = sa.table("flavors", sa.column("id", sa.Uuid()), sa.column("name"))
    instances = sa.table("instances", sa.column("flavor_name"), sa.column("flavor_key"))
    known = dict(map(tuple, connection.execute(sa.select(flavors.c.name, flavors.c.id))))
    for name in connection.scalars(sa.select(instances.c.flavor_name).distinct()).all():
        gone = uuid.uuid5(uuid.NAMESPACE_URL, f"portico:flavor {name}")
        connection.execute(
            sa.update(instances)
            .where(instances.c.flavor_name == name)
            .values(flavor_key=str(known.get(name, gone)))
        )


def downgrade() -> None:
    op.drop_index("ix_instances_reservation_id", "instances")
    with op.batch_alter_table("instances") as table:
        for name in (*TEXTS, "extra_specs", "launch_index"):
            table.drop_column(name)
    op.drop_table("flavor_grants")
    with op.batch_alter_table("flavors") as table:
        table.drop_constraint("uq_flavors_chosen_id", type_="unique")
        for name in ("chosen_id", "extra_specs", "public"):
            table.drop_column(name)
