"""Let addresses leave ports, and ports belong to any noun."""

import ipaddress
import uuid

import sqlalchemy as sa
from alembic import op

revision = "b3c1d87e5f20"
down_revision = "5d1f0c7be2a4"

INSTANCES = "instances"
AT_ONCE = 1000

ports = sa.table(
    "ports",
    sa.column("id", sa.Uuid),
    sa.column("subnet_id", sa.Uuid),
    sa.column("address", sa.String),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("updated_at", sa.DateTime(timezone=True)),
)
subnets = sa.table("subnets", sa.column("id", sa.Uuid), sa.column("cidr", sa.String))


def upgrade() -> None:
    fixed_ips = op.create_table(
        "fixed_ips",
        sa.Column("port_id", sa.Uuid(), nullable=False),
        sa.Column("subnet_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["port_id"], ["ports.id"], name="fk_fixed_ips_port_id"),
        sa.ForeignKeyConstraint(["subnet_id"], ["subnets.id"], name="fk_fixed_ips_subnet_id"),
        sa.PrimaryKeyConstraint("id", name="pk_fixed_ips"),
        sa.UniqueConstraint("subnet_id", "address", name="uq_fixed_ips_subnet_id_address"),
        sa.UniqueConstraint("subnet_id", "number", name="uq_fixed_ips_subnet_id_number"),
    )
    op.create_index("ix_fixed_ips_port_id", "fixed_ips", ["port_id"])
    op.create_index("ix_fixed_ips_address", "fixed_ips", ["address"])
    rows = _fixed_ips()
    for begin in range(0, len(rows), AT_ONCE):
        op.bulk_insert(fixed_ips, rows[begin : begin + AT_ONCE])
    with op.batch_alter_table("ports") as batch_op:
        batch_op.add_column(
            sa.Column("name", sa.String(length=255), server_default="", nullable=False)
        )
        batch_op.add_column(
            sa.Column("owner_type", sa.String(length=32), server_default="", nullable=False)
        )
        batch_op.add_column(sa.Column("owner_id", sa.Uuid(), nullable=True))
        batch_op.add_column(
            sa.Column("admin_up", sa.Boolean(), server_default=sa.true(), nullable=False)
        )
    op.execute(f"UPDATE ports SET owner_type = '{INSTANCES}', owner_id = instance_id")
    with op.batch_alter_table("ports") as batch_op:
        batch_op.drop_index("ix_ports_address")
        batch_op.drop_index("ix_ports_instance_id")
        batch_op.drop_constraint("uq_ports_subnet_id_address", type_="unique")
        batch_op.drop_constraint("fk_ports_subnet_id", type_="foreignkey")
        batch_op.drop_constraint("fk_ports_instance_id", type_="foreignkey")
        batch_op.drop_column("subnet_id")
        batch_op.drop_column("instance_id")
        batch_op.drop_column("address")
        batch_op.create_index("ix_ports_owner_id", ["owner_id"])


def downgrade() -> None:
    """A port has one address and an instance again: whatever has not, and all addresses of a port
    but one, are forgotten."""
    op.execute(
        "DELETE FROM port_groups WHERE port_id IN (SELECT id FROM ports "
        f"WHERE owner_type <> '{INSTANCES}' OR id NOT IN (SELECT port_id FROM fixed_ips))"
    )
    op.execute(
        f"DELETE FROM fixed_ips WHERE port_id IN (SELECT id FROM ports WHERE owner_type <> '{INSTANCES}')"
    )
    op.execute("DELETE FROM ports WHERE id NOT IN (SELECT port_id FROM fixed_ips)")
    with op.batch_alter_table("ports") as batch_op:
        batch_op.add_column(sa.Column("subnet_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("instance_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("address", sa.String(length=64), nullable=True))
    first = "FROM fixed_ips WHERE port_id = ports.id ORDER BY created_at, id LIMIT 1"
    op.execute(
        f"UPDATE ports SET instance_id = owner_id, subnet_id = (SELECT subnet_id {first}), "
        f"address = (SELECT address {first})"
    )
    with op.batch_alter_table("ports") as batch_op:
        batch_op.alter_column("subnet_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.alter_column("instance_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.alter_column("address", existing_type=sa.String(length=64), nullable=False)
        batch_op.create_foreign_key("fk_ports_subnet_id", "subnets", ["subnet_id"], ["id"])
        batch_op.create_foreign_key("fk_ports_instance_id", "instances", ["instance_id"], ["id"])
        batch_op.create_unique_constraint("uq_ports_subnet_id_address", ["subnet_id", "address"])
        batch_op.create_index("ix_ports_address", ["address"])
        batch_op.create_index("ix_ports_instance_id", ["instance_id"])
        batch_op.drop_index("ix_ports_owner_id")
        batch_op.drop_column("admin_up")
        batch_op.drop_column("owner_id")
        batch_op.drop_column("owner_type")
        batch_op.drop_column("name")
    op.drop_table("fixed_ips")


def _fixed_ips() -> list[dict]:
    """The address of every port, as a row of its own."""
    query = sa.select(ports, subnets.c.cidr).join(subnets, subnets.c.id == ports.c.subnet_id)
    return [
        {
            "id": uuid.uuid4(),
            "created_at": port.created_at,
            "updated_at": port.updated_at,
            "port_id": port.id,
            "subnet_id": port.subnet_id,
            "address": port.address,
            "number": int(ipaddress.ip_address(port.address))
            - int(ipaddress.ip_network(port.cidr)[0]),
        }
        for port in op.get_bind().execute(query)
    ]
