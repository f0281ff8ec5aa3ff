"""What one host has to do, and what it said while it did it."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.changes import ATTEMPTS, WORDS, words_of
from portal.db import Base
from portal.models.host import Host
from portal.models.operation import ENDS, OPEN, OVER, TONES, Operation, Outcome
from portal.models.scope import Scope
from portal.models.status import Tone

TABLE = f"operation_id IS NULL AND {OPEN}"
GIVEN_UP = "outcome = 'superseded' AND sent_at IS NOT NULL"


class Task(Base):
    """One job of one host: its part of a stage of an operation or, without an operation, a table
    that it shall hold. At most one of the latter is open for each table."""

    __tablename__ = "tasks"
    __table_args__ = (
        Index("ix_tasks_operation_id", "operation_id", "stage"),
        Index("ix_tasks_open", "stage", postgresql_where=text(OPEN), sqlite_where=text(OPEN)),
        Index(
            "ix_tasks_finished_at",
            "finished_at",
            postgresql_where=text(OVER),
            sqlite_where=text(OVER),
        ),
        Index(
            "ix_tasks_given_up",
            "finished_at",
            postgresql_where=text(GIVEN_UP),
            sqlite_where=text(GIVEN_UP),
        ),
        Index(
            "ix_tasks_scope_open",
            "scope_id",
            postgresql_where=text(OPEN),
            sqlite_where=text(OPEN),
        ),
        Index(
            "uq_tasks_table",
            "scope_id",
            unique=True,
            postgresql_where=text(TABLE),
            sqlite_where=text(TABLE),
        ),
    )

    operation_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("operations.id"))
    host_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("hosts.id"))
    scope_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("scopes.id"))
    stage: Mapped[int] = mapped_column(default=1)
    job: Mapped[str] = mapped_column(String(32))  # a name in workers.jobs.JOBS
    target_id: Mapped[uuid.UUID]  # the instance, image, network or host that the job is about
    revision: Mapped[int] = mapped_column(default=0)  # of a table: done once the host holds it
    attempt: Mapped[int] = mapped_column(default=0)  # how many attempts it has used up
    sends: Mapped[int] = mapped_column(default=0)  # how often it was sent: numbers its jobs
    deadline: Mapped[datetime]  # when it has ended, whatever happens
    due_at: Mapped[datetime]  # until when the latest attempt, or the pause, is waited for
    sent_at: Mapped[datetime | None]  # None: nothing of it is on the wire
    promised_at: Mapped[datetime | None]  # when its host, which was busy, said it would not be
    finished_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]
    reason: Mapped[str] = mapped_column(default="")

    operation: Mapped[Operation | None] = relationship(back_populates="tasks")
    host: Mapped[Host] = relationship(lazy="joined")
    scope: Mapped[Scope | None] = relationship(lazy="raise")
    lines: Mapped[list["TaskLine"]] = relationship(
        lazy="raise", order_by="TaskLine.at, TaskLine.stream_id"
    )

    @property
    def words(self) -> str:
        """What the task does, for people."""
        if self.operation is None:
            return WORDS[self.job]
        return words_of(self.operation.target_type, self.operation.action, self.job)

    @property
    def word(self) -> str:
        if self.outcome:
            return ENDS[self.outcome]
        return "Under way" if self.sends else "Waiting"

    @property
    def tone(self) -> Tone:
        return TONES[self.outcome] if self.outcome or self.sends else Tone.UNKNOWN

    @property
    def detail(self) -> str:
        """How often the task was tried, and what went wrong with it in the end, unless its
        operation says so already."""
        tries = f"attempt {self.attempt} of {ATTEMPTS}" if self.attempt > 1 else ""
        told = self.operation is not None and self.reason == self.operation.reason
        reason = self.reason if self.finished_at and not told else ""
        return ", ".join(each for each in (tries, reason) if each)


class TaskLine(Base):
    """One line of what a host said while it did a task."""

    __tablename__ = "task_lines"
    __table_args__ = (Index("uq_task_lines_stream_id", "task_id", "stream_id", unique=True),)

    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tasks.id"))
    stream_id: Mapped[str] = mapped_column(String(32))  # the line's id in the host's stream
    at: Mapped[datetime]  # by the host's clock
    text: Mapped[str]
