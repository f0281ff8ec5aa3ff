"""Hypervisors, and what they have promised."""

import enum
import uuid
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, now
from portal.models.machine import Changeable

DARK_AFTER = timedelta(seconds=90)  # unheard for so long, a host is shown as last seen then
PLACED_UNTIL = timedelta(seconds=45)  # unheard for so long, it gets nothing new

DEFAULT_ZONE = "nova"  # of a host that no aggregate puts into another, as clients know it


def dark(heard_at: datetime | None) -> bool:
    """Whether a host that was heard then, and not since, has not been heard for too long."""
    return heard_at is None or abs(now() - heard_at) > DARK_AFTER


class Resource(enum.StrEnum):
    """What a host has to give."""

    VCPU = "vcpu"
    MEMORY = "memory_mib"
    DISK = "disk_gib"


class Host(Changeable, Base):
    """A hypervisor. What it is and has was reported by itself; only the conductor writes that."""

    __tablename__ = "hosts"

    name: Mapped[str] = mapped_column(String(32), unique=True)
    driver: Mapped[str] = mapped_column(String(32), default="libvirt")
    sealed_key: Mapped[str]  # the host's Fernet key, encrypted with the portal's own
    enabled: Mapped[bool] = mapped_column(default=True)  # whether it gets new instances
    disabled_reason: Mapped[str] = mapped_column(default="")
    zone: Mapped[str] = mapped_column(  # what its aggregates say
        String(255), default=DEFAULT_ZONE, server_default=DEFAULT_ZONE
    )

    heard_at: Mapped[datetime | None]
    boot_id: Mapped[str] = mapped_column(String(64), default="")
    past_boots: Mapped[list] = mapped_column(default=list, server_default="[]")  # newest first
    sequence: Mapped[int] = mapped_column(BigInteger, default=0)  # of the newest whole sweep
    observed_at: Mapped[datetime | None]  # when that sweep was taken in
    vcpus: Mapped[int] = mapped_column(default=0)
    memory_mib: Mapped[int] = mapped_column(default=0)
    disk_gib: Mapped[int] = mapped_column(default=0)
    disk_free_gib: Mapped[int] = mapped_column(default=0)
    file_systems: Mapped[list] = mapped_column(default=list, server_default="[]")
    accelerator: Mapped[str] = mapped_column(String(16), default="")
    accelerator_reason: Mapped[str] = mapped_column(default="")
    versions: Mapped[dict] = mapped_column(default=dict)
    trouble: Mapped[str] = mapped_column(default="", server_default="")  # why it cannot work
    console_address: Mapped[str] = mapped_column(default="", server_default="")  # unix:///path
    strangers: Mapped[list] = mapped_column(default=list)
    obstacles: Mapped[list] = mapped_column(default=list, server_default="[]")  # [what, mend]
    images: Mapped[list] = mapped_column(default=list)  # SHA-256 of what its cache holds
    short_workers: Mapped[int] = mapped_column(default=2)
    long_workers: Mapped[int] = mapped_column(default=1)

    claims: Mapped[list["Claim"]] = relationship(back_populates="host", lazy="raise")

    @property
    def dark(self) -> bool:
        """Whether it has not been heard for so long that what is known of it may be old; one that
        was heard by a clock that was wrong has yet to be heard."""
        return dark(self.heard_at)

    @property
    def placeable(self) -> bool:
        """Whether the host was heard recently enough to be given something new."""
        return self.heard_at is not None and abs(now() - self.heard_at) <= PLACED_UNTIL


class Claim(Base):
    """What something holds of a host, as an instance does from its creation until the host
    reports it gone."""

    __tablename__ = "claims"
    __table_args__ = (UniqueConstraint("host_id", "holder_id", "resource"),)

    host_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("hosts.id"))
    holder_type: Mapped[str] = mapped_column(String(32))
    holder_id: Mapped[uuid.UUID] = mapped_column(index=True)  # whose it is, of any noun
    resource: Mapped[Resource]
    amount: Mapped[int]

    host: Mapped[Host] = relationship(back_populates="claims")
