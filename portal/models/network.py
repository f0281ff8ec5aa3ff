"""Networks of projects, and what may pass on them."""

import ipaddress
import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base
from portal.models.detailed import Detailed
from portal.models.machine import Changeable
from portal.models.named import Called


class Network(Changeable, Detailed, Called, Base):
    """A project's own network. `segment_id` tells it apart on every host and on the wire."""

    __tablename__ = "networks"
    __table_args__ = (Index("ix_networks_project_id", "project_id", "created_at", "id"),)

    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str] = mapped_column(String(255))
    segment_id: Mapped[int] = mapped_column(unique=True)
    mtu: Mapped[int]
    nat: Mapped[bool] = mapped_column(default=True)  # whether guests reach the outside
    gateway_mac: Mapped[str] = mapped_column(String(17))  # of the gateways of all its subnets
    deleted_at: Mapped[datetime | None]  # wanted gone; the row goes with the last host's table

    subnets: Mapped[list["Subnet"]] = relationship(
        back_populates="network", lazy="selectin", order_by="Subnet.created_at, Subnet.id"
    )

    @property
    def ranges(self) -> str:
        """The ranges of its subnets, for people."""
        return ", ".join(each.cidr for each in self.subnets)

    @property
    def room(self) -> int:
        """How many addresses the network has for ports."""
        return sum(each.room for each in self.subnets)


class Subnet(Base):
    """A range of IPv4 addresses on a network.

    The host answers at `gateway` also where guests are not told of it: then they find no way out.
    """

    __tablename__ = "subnets"

    network_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("networks.id"), index=True)
    name: Mapped[str] = mapped_column(String(255), default="", server_default="")
    cidr: Mapped[str] = mapped_column(String(64))
    gateway: Mapped[str] = mapped_column(String(64))
    dhcp_address: Mapped[str] = mapped_column(String(64))
    routed: Mapped[bool] = mapped_column(default=True, server_default=true())  # DHCP names it
    dhcp: Mapped[bool] = mapped_column(default=True, server_default=true())
    pools: Mapped[list] = mapped_column(default=list, server_default="[]")  # [first, last]
    dns_nameservers: Mapped[list] = mapped_column(default=list, server_default="[]")
    host_routes: Mapped[list] = mapped_column(default=list, server_default="[]")  # [to, by way of]
    tags: Mapped[list] = mapped_column(default=list, server_default="[]")

    network: Mapped[Network] = relationship(back_populates="subnets")

    @property
    def room(self) -> int:
        """How many addresses the subnet has for ports."""
        own = (self.gateway, self.dhcp_address)
        if not self.pools:
            size = ipaddress.ip_network(self.cidr).num_addresses
            return size - len(("network", "broadcast", *own))
        spans = [tuple(map(ipaddress.IPv4Address, each)) for each in self.pools]
        kept = [
            each for each in map(ipaddress.IPv4Address, own) for a, b in spans if a <= each <= b
        ]
        return sum(int(last) - int(first) + 1 for first, last in spans) - len(kept)


class SecurityGroup(Base):
    """What may pass to and from the ports that bear it; what no rule names may not."""

    __tablename__ = "security_groups"
    __table_args__ = (Index("ix_security_groups_project_id", "project_id", "created_at", "id"),)

    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str] = mapped_column(String(255))

    rules: Mapped[list["SecurityGroupRule"]] = relationship(
        foreign_keys="SecurityGroupRule.group_id", lazy="selectin"
    )

    @property
    def label(self) -> str:
        """Its name; of one that a program made without, the beginning of its id."""
        return self.name.strip() or str(self.id)[:8]


class SecurityGroupRule(Base):
    """One thing that a security group lets pass."""

    __tablename__ = "security_group_rules"

    group_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("security_groups.id"), index=True)
    direction: Mapped[str] = mapped_column(String(8))  # "ingress" or "egress"
    version: Mapped[int] = mapped_column(default=4, server_default="4")  # of IP
    protocol: Mapped[str] = mapped_column(String(16), default="")  # empty: any
    port_min: Mapped[int | None]
    port_max: Mapped[int | None]
    remote_cidr: Mapped[str] = mapped_column(String(64), default="")
    remote_group_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("security_groups.id"))
