"""Places on networks, and the addresses that they hold."""

import uuid

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base
from portal.models.named import Called
from portal.models.network import Network, SecurityGroup, Subnet

port_groups = Table(
    "port_groups",
    Base.metadata,
    Column("port_id", ForeignKey("ports.id"), primary_key=True),
    Column("group_id", ForeignKey("security_groups.id"), primary_key=True, index=True),
)


class Port(Called, Base):
    """A place on a network. An instance's lives until the host reports the guest gone; one that was
    there before its instance `stays`, and hangs on nothing then."""

    __tablename__ = "ports"
    __table_args__ = (
        UniqueConstraint("network_id", "mac"),
        Index(
            "uq_ports_dns_name",
            "network_id",
            "dns_name",
            unique=True,
            postgresql_where=text("dns_name <> ''"),
            sqlite_where=text("dns_name <> ''"),
        ),
    )

    network_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("networks.id"))
    name: Mapped[str] = mapped_column(String(255), default="", server_default="")
    owner_type: Mapped[str] = mapped_column(String(32), default="", server_default="")
    owner_id: Mapped[uuid.UUID | None] = mapped_column(index=True)  # whose it is, of any noun
    stays: Mapped[bool] = mapped_column(default=False, server_default=false())  # after its owner
    admin_up: Mapped[bool] = mapped_column(default=True, server_default=true())
    mac: Mapped[str] = mapped_column(String(17))
    dns_name: Mapped[str] = mapped_column(String(63), default="", server_default="")
    tags: Mapped[list] = mapped_column(default=list, server_default="[]")

    network: Mapped[Network] = relationship(lazy="joined", innerjoin=True)
    groups: Mapped[list[SecurityGroup]] = relationship(secondary=port_groups, lazy="selectin")
    fixed_ips: Mapped[list["FixedIp"]] = relationship(
        back_populates="port", lazy="selectin", order_by="FixedIp.created_at, FixedIp.id"
    )

    @property
    def addresses(self) -> list[str]:
        """What DHCP gives to the port."""
        return [each.address for each in self.fixed_ips]


class FixedIp(Base):
    """An address that a port holds: nobody else has it on its subnet."""

    __tablename__ = "fixed_ips"
    __table_args__ = (
        UniqueConstraint("subnet_id", "address"),
        UniqueConstraint("subnet_id", "number"),
    )

    port_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ports.id"), index=True)
    subnet_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("subnets.id"))
    address: Mapped[str] = mapped_column(String(64), index=True)
    number: Mapped[int] = mapped_column(BigInteger)  # the address, counted from its subnet's first

    port: Mapped[Port] = relationship(back_populates="fixed_ips")
    subnet: Mapped[Subnet] = relationship(lazy="raise")
