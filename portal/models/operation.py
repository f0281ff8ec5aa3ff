"""Changes under way, and afterwards their record."""

import enum
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, Index, String, and_, text
from sqlalchemy.orm import Mapped, declared_attr, foreign, mapped_column, relationship

from portal.db import Base, now
from portal.models.identity import Project, User
from portal.models.status import Tone

if TYPE_CHECKING:
    from portal.models.host import Host

OPEN = "finished_at IS NULL"
EAGER = timedelta(seconds=10)

JOB_WORDS = {
    "fetches.apply": "Fetch it from its publisher",
    "fetches.remove": "Stop fetching it",
    "images.apply": "Fetch the image",
    "networks.apply": "Set up the network",
    "networks.remove": "Take down the network",
    "firewall.apply": "Set up the filter",
    "instances.apply": "Make the guest so",
    "instances.remove": "Remove the guest",
    "strangers.remove": "Remove what belongs to nothing",
}


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
    before: Mapped[dict | None]  # what it ends: an intent, restored if it fails, or strangers
    stage: Mapped[int] = mapped_column(default=1)
    deadline: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]
    reason: Mapped[str] = mapped_column(default="")

    tasks: Mapped[list["Task"]] = relationship(
        back_populates="operation", lazy="raise", order_by="Task.stage, Task.created_at"
    )
    project: Mapped[Project | None] = relationship(lazy="raise")
    user: Mapped[User | None] = relationship(lazy="raise")

    @property
    def busy(self) -> bool:
        return self.finished_at is None

    @property
    def patience(self) -> int:
        """Seconds until a page asks again: 1 in its first ten seconds, then 2."""
        return 1 if now() - self.created_at < EAGER else 2

    @property
    def word(self) -> str:
        return self.outcome.value.capitalize() if self.outcome else "Under way"

    @property
    def tone(self) -> Tone:
        return TONES[self.outcome]

    @property
    def lines(self) -> list["TaskLine"]:
        """What hosts said of it, in order."""
        return sorted(
            (line for task in self.tasks for line in task.lines),
            key=lambda line: (line.at, line.stream_id),
        )


class Changeable:
    """Something that hosts change: at most one change of it is under way."""

    @declared_attr
    def open_operation(cls) -> Mapped[Operation | None]:
        return relationship(
            Operation,
            primaryjoin=lambda: and_(
                foreign(Operation.target_id) == cls.id, Operation.finished_at.is_(None)
            ),
            viewonly=True,
            uselist=False,
        )

    @property
    def busy(self) -> bool:
        """Whether a change of it has not finished."""
        return self.open_operation is not None


class Task(Base):
    """The part of an operation that one host does in one stage."""

    __tablename__ = "tasks"
    __table_args__ = (
        Index("ix_tasks_operation_id", "operation_id", "stage"),
        Index("ix_tasks_open", "stage", postgresql_where=text(OPEN), sqlite_where=text(OPEN)),
        Index(
            "ix_tasks_scope_open",
            "scope_id",
            postgresql_where=text(OPEN),
            sqlite_where=text(OPEN),
        ),
    )

    operation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operations.id"))
    host_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("hosts.id"))
    scope_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("scopes.id"))
    stage: Mapped[int]
    job: Mapped[str] = mapped_column(String(32))  # a name in workers.jobs.JOBS
    target_id: Mapped[uuid.UUID]  # the instance, image, network or host that the job is about
    revision: Mapped[int] = mapped_column(default=0)  # of a table: done once the host holds it
    attempt: Mapped[int] = mapped_column(default=0)  # how many attempts it has used up
    sends: Mapped[int] = mapped_column(default=0)  # how often it was sent: numbers its jobs
    due_at: Mapped[datetime]  # until when the latest attempt, or the pause, is waited for
    sent_at: Mapped[datetime | None]  # None: nothing of it is on the wire
    finished_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]
    reason: Mapped[str] = mapped_column(default="")

    operation: Mapped[Operation] = relationship(back_populates="tasks")
    host: Mapped["Host"] = relationship(lazy="joined")
    lines: Mapped[list["TaskLine"]] = relationship(
        lazy="raise", order_by="TaskLine.at, TaskLine.stream_id"
    )

    @property
    def words(self) -> str:
        """What it does, for people."""
        return JOB_WORDS[self.job]

    @property
    def word(self) -> str:
        if self.outcome:
            return self.outcome.value.capitalize()
        return "Under way" if self.sent_at else "Waiting"

    @property
    def tone(self) -> Tone:
        return TONES[self.outcome] if self.outcome or self.sent_at else Tone.UNKNOWN

    @property
    def detail(self) -> str:
        """How often it was tried, and what went wrong with it."""
        tries = f"attempt {self.attempt}" if self.attempt > 1 else ""
        return ", ".join(each for each in (tries, self.reason) if each)


class TaskLine(Base):
    """One line of what a host said while it did a task."""

    __tablename__ = "task_lines"
    __table_args__ = (Index("uq_task_lines_stream_id", "task_id", "stream_id", unique=True),)

    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tasks.id"))
    stream_id: Mapped[str] = mapped_column(String(32))  # the line's id in the host's stream
    at: Mapped[datetime]  # by the host's clock
    text: Mapped[str]


class Lease(Base):
    """Who leads, until when: of several conductors, the one whose name stands here."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), unique=True)
    holder: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime]
