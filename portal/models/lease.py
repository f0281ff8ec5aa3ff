"""Who leads the conductors."""

from datetime import datetime, timedelta

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base

LASTS = timedelta(seconds=15)  # after it was renewed last


class Lease(Base):
    """Who leads, until when: of several conductors, the one whose name stands here."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), unique=True)
    holder: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime]  # by the clock of the holder, which may be wrong
