"""Changes under way, and afterwards their record."""

import enum
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Optional

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, now
from portal.models.status import Tone

if TYPE_CHECKING:
    from portal.models.identity import Project, User
    from portal.models.task import Task, TaskLine

OPEN = "finished_at IS NULL"
OVER = "finished_at IS NOT NULL"
EAGER = timedelta(seconds=10)


class Outcome(enum.StrEnum):
    """How a change, or its part on one host, ended."""

    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"


TONES = {
    None: Tone.BUSY,
    Outcome.DONE: Tone.OK,
    Outcome.FAILED: Tone.BAD,
    Outcome.SUPERSEDED: Tone.OFF,
}

ENDS = {  # how people call them
    Outcome.DONE: "Done",
    Outcome.FAILED: "Failed",
    Outcome.SUPERSEDED: "Ended early",
}


class Operation(Base):
    """One change that hosts still have to make, and afterwards its record.

    It is outbox, lock and record in one: written in the transaction of the intent, at most one
    open for each thing, kept for ever.
    """

    __tablename__ = "operations"
    __table_args__ = (
        Index(
            "uq_operations_open",
            "target_id",
            unique=True,
            postgresql_where=text(OPEN),
            sqlite_where=text(OPEN),
        ),
        Index("ix_operations_project_id", "project_id", "created_at", "id"),
        Index("ix_operations_target_id", "target_id", "created_at"),
        Index("ix_operations_created_at", "created_at", "id"),
        Index("ix_operations_finished_at", "finished_at"),
    )

    action: Mapped[str] = mapped_column(String(32))
    target_type: Mapped[str] = mapped_column(String(32))
    target_id: Mapped[uuid.UUID]
    target_name: Mapped[str] = mapped_column(String(255))
    project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("users.id")
    )  # None: the cloud itself
    request_id: Mapped[str] = mapped_column(String(64), default="")
    before: Mapped[dict | None]  # an intent, restored if it fails; strangers; or names of what goes
    tables: Mapped[list] = mapped_column(default=list, server_default="[]")  # [scope, revision]
    stage: Mapped[int] = mapped_column(default=1)
    deadline: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]
    reason: Mapped[str] = mapped_column(default="")

    tasks: Mapped[list["Task"]] = relationship(
        back_populates="operation", lazy="raise", order_by="Task.stage, Task.created_at"
    )
    project: Mapped[Optional["Project"]] = relationship(lazy="raise")
    user: Mapped[Optional["User"]] = relationship(lazy="raise")

    @property
    def busy(self) -> bool:
        return self.finished_at is None

    @property
    def patience(self) -> int:
        """Seconds until a page asks again: 1 in its first ten seconds, then 2."""
        return 1 if now() - self.created_at < EAGER else 2

    @property
    def word(self) -> str:
        return ENDS[self.outcome] if self.outcome else "Under way"

    @property
    def deed(self) -> str:
        """What it does, as a heading begins: "Force stop"."""
        return self.action.replace("_", " ").capitalize()

    @property
    def tone(self) -> Tone:
        return TONES[self.outcome]

    @property
    def lines(self) -> list["TaskLine"]:
        """What hosts said of the change, in order."""
        return sorted(
            (line for task in self.tasks for line in task.lines),
            key=lambda line: (line.at, line.stream_id),
        )
