"""Lamps."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base
from portal.models.machine import Machine


class Lamp(Machine, Base):
    """Something on a host that is lit in a colour, or shall be gone."""

    __tablename__ = "lamps"

    name: Mapped[str] = mapped_column(String(255))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"))
    host_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("hosts.id"))
    colour: Mapped[str] = mapped_column(String(16))  # empty: it shall be gone
    observed_colour: Mapped[str] = mapped_column(String(16), default="")
    deleted_at: Mapped[datetime | None]
