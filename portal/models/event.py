"""What has happened, in an order that never changes: where readers go on after a pause."""

import enum
import uuid

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base


class EventKind(enum.StrEnum):
    """What an event says: an entry of the record is there, or a change has begun or ended."""

    ACTIVITY = "activity"
    BEGAN = "began"
    ENDED = "ended"


class Event(Base):
    """One thing that readers are told, at its place. Only the conductor that leads numbers them,
    after they have been committed, so none comes to stand before one that was read. Never
    altered."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("kind", "about_id"),
        Index("ix_events_project_id", "project_id", "position"),
    )

    position: Mapped[int] = mapped_column(unique=True)  # from 1, without gaps
    kind: Mapped[EventKind]
    about_id: Mapped[uuid.UUID]  # of an activity, or of an operation
    project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id"))

    @property
    def mark(self) -> str:
        """What readers say to go on after it. Of another history, such as one before an old copy
        of the database was put back, it names nothing."""
        return f"{self.position}-{self.id.hex[:8]}"
