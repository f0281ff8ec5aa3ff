"""What guests wrote to their serial ports."""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, now

PATIENCE = timedelta(seconds=60)  # so long a host is asked before it is said not to answer
WANTED = "wanted_at IS NOT NULL"


class BootLog(Base):
    """What a guest wrote to its serial port when its host was asked last, fit to be shown.

    `wanted_at` asks: from then on, and for PATIENCE, the conductor tries to get a newer one. It
    is None when nobody waits for one.
    """

    __tablename__ = "boot_logs"
    __table_args__ = (
        Index(
            "ix_boot_logs_wanted_at",
            "wanted_at",
            postgresql_where=text(WANTED),
            sqlite_where=text(WANTED),
        ),
    )

    instance_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("instances.id"), unique=True)
    text: Mapped[str] = mapped_column(default="")
    taken_at: Mapped[datetime | None]
    wanted_at: Mapped[datetime | None]
    failure: Mapped[str] = mapped_column(default="")  # why the latest question has no answer

    @property
    def awaited(self) -> bool:
        """Whether the host is being asked at this moment."""
        return self.wanted_at is not None and self.wanted_at <= now() < self.wanted_at + PATIENCE
