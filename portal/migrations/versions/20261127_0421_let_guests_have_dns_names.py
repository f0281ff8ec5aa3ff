"""Let guests have a DNS name that nobody else bears on their network."""

import sqlalchemy as sa
from alembic import op

revision = "a7d40c19e5b2"
down_revision = "a4e07b5c93d1"

LONGEST = 63
TABLE = "networks"

ports = sa.table(
    "ports",
    sa.column("id", sa.Uuid),
    sa.column("network_id", sa.Uuid),
    sa.column("owner_id", sa.Uuid),
    sa.column("dns_name", sa.String),
    sa.column("created_at", sa.DateTime(timezone=True)),
)
instances = sa.table("instances", sa.column("id", sa.Uuid), sa.column("hostname", sa.String))
scopes = sa.table(
    "scopes",
    sa.column("kind", sa.String),
    sa.column("target_id", sa.Uuid),
    sa.column("wanted", sa.Integer),
)


def upgrade() -> None:
    with op.batch_alter_table("ports") as batch_op:
        batch_op.add_column(
            sa.Column("dns_name", sa.String(length=LONGEST), server_default="", nullable=False)
        )
    _fill()
    op.create_index(
        "uq_ports_dns_name",
        "ports",
        ["network_id", "dns_name"],
        unique=True,
        sqlite_where=sa.text("dns_name <> ''"),
        postgresql_where=sa.text("dns_name <> ''"),
    )


def downgrade() -> None:
    op.drop_index("uq_ports_dns_name", table_name="ports")
    with op.batch_alter_table("ports") as batch_op:
        batch_op.drop_column("dns_name")


def _fill() -> None:
    """Each has its guest's hostname; of several on one network the oldest keeps it, and the
    tables of that network are sent anew."""
    database, borne, changed = op.get_bind(), set(), set()
    query = (
        sa.select(ports.c.id, ports.c.network_id, instances.c.hostname)
        .join(instances, instances.c.id == ports.c.owner_id)
        .order_by(ports.c.created_at, ports.c.id)
    )
    for port in database.execute(query).all():
        name = port.hostname
        if (port.network_id, name) in borne:
            suffix = f"-{port.id.hex[:8]}"
            name = name[: LONGEST - len(suffix)].rstrip("-") + suffix
            changed.add(port.network_id)
        borne.add((port.network_id, name))
        database.execute(sa.update(ports).where(ports.c.id == port.id).values(dns_name=name))
    for network_id in changed:
        concerned = (scopes.c.kind == TABLE) & (scopes.c.target_id == network_id)
        database.execute(sa.update(scopes).where(concerned).values(wanted=scopes.c.wanted + 1))
