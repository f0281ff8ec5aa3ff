"""Hosts that have something in common, and the zones that they are in."""

import uuid

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base
from portal.models.host import Host


class Aggregate(Base):
    """Hosts that have something in common: properties, and a zone if they make one. A host may be
    in several, of which no two have different zones."""

    __tablename__ = "aggregates"

    name: Mapped[str] = mapped_column(String(255), unique=True)
    zone: Mapped[str] = mapped_column(String(255), default="", server_default="")  # "": none
    properties: Mapped[dict] = mapped_column(default=dict, server_default="{}")

    hosts: Mapped[list[Host]] = relationship(
        secondary="aggregate_hosts", order_by=Host.name, viewonly=True, lazy="selectin"
    )


class AggregateHost(Base):
    """That a host is in an aggregate."""

    __tablename__ = "aggregate_hosts"
    __table_args__ = (UniqueConstraint("aggregate_id", "host_id"),)

    aggregate_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("aggregates.id"))
    host_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("hosts.id"), index=True)
