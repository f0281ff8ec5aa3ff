"""What instances used, and how long."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base


class UsageInterval(Base):
    """From when to when an instance had one size. Kept when the instance is gone."""

    __tablename__ = "usage_intervals"
    __table_args__ = (
        Index("ix_usage_intervals_project_id", "project_id", "instance_id"),
        Index("ix_usage_intervals_instance_id", "instance_id", "began_at"),
    )

    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"))
    instance_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("instances.id"))
    flavor_name: Mapped[str] = mapped_column(String(255))
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    disk_gib: Mapped[int]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # None: it has it still
