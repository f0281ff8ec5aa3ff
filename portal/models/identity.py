"""People, the projects they work in, and what they are allowed to be there."""

import enum
import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base
from portal.models.machine import Changeable
from portal.models.named import Distinct
from portal.models.status import ProjectStatus

THERE = "deleted_at IS NULL"


class Role(enum.StrEnum):
    """Each implies the one before it."""

    READER = "reader"
    MEMBER = "member"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class Domain(Base):
    """What OpenStack calls a domain. There is one, named `default`."""

    __tablename__ = "domains"

    name: Mapped[str] = mapped_column(String(255), unique=True)


def _borne_once(table: str) -> tuple[Index, ...]:
    """Of those that are there, no two bear one name, or names that read alike."""
    return tuple(
        Index(
            f"uq_{table}_{column}",
            "domain_id",
            column,
            unique=True,
            postgresql_where=text(THERE),
            sqlite_where=text(THERE),
        )
        for column in ("name", "reads_as")
    )


class Remembered:
    """Something that the record goes on naming when it is gone: its row stays, without what it
    had, and its name is free for another."""

    deleted_at: Mapped[datetime | None]

    @property
    def label(self) -> str:
        """Its name, as it is said where it may be gone: "alice (deleted)"."""
        return f"{self.name} (deleted)" if self.deleted_at else self.name


class User(Remembered, Distinct, Base):
    """Somebody who may sign in."""

    __tablename__ = "users"
    __table_args__ = _borne_once(__tablename__)

    domain_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("domains.id"))
    name: Mapped[str] = mapped_column(String(255))
    password_hash: Mapped[str]
    must_change_password: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    shortcuts: Mapped[bool] = mapped_column(default=True)  # single keys act (WCAG 2.1.4)

    assignments: Mapped[list["RoleAssignment"]] = relationship(
        back_populates="user", cascade="all, delete-orphan"
    )
    key_pairs: Mapped[list["KeyPair"]] = relationship(
        back_populates="user", cascade="all, delete-orphan", order_by="KeyPair.name"
    )

    @property
    def cloud_role(self) -> Role | None:
        """The role in the whole cloud."""
        return next((each.role for each in self.assignments if each.project_id is None), None)

    @property
    def memberships(self) -> list["RoleAssignment"]:
        """The roles in projects, by the name of the project."""
        held = [each for each in self.assignments if each.project_id]
        return sorted(held, key=lambda each: each.project.name)


class Project(Changeable, Remembered, Distinct, Base):
    """Whose things are whose: every resource belongs to exactly one.

    From `deletion_asked_at` on nothing new comes into it, and what it has goes; at `deleted_at`
    nothing of it is left.
    """

    __tablename__ = "projects"
    __table_args__ = _borne_once(__tablename__)

    domain_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("domains.id"))
    name: Mapped[str] = mapped_column(String(255))
    enabled: Mapped[bool] = mapped_column(default=True)
    deletion_asked_at: Mapped[datetime | None]

    @property
    def going(self) -> bool:
        """Whether it is wanted gone, and is not yet."""
        return self.deletion_asked_at is not None and self.deleted_at is None

    @property
    def status(self) -> ProjectStatus:
        if self.deleted_at:
            return ProjectStatus.DELETED
        if self.going:
            return ProjectStatus.DELETING if self.busy else ProjectStatus.DELETE_WAITING
        return ProjectStatus.OPEN if self.enabled else ProjectStatus.DISABLED


class RoleAssignment(Base):
    """A role of a user in a project, or, without a project, in the whole cloud."""

    __tablename__ = "role_assignments"
    __table_args__ = (
        UniqueConstraint("user_id", "project_id"),
        Index(
            "uq_role_assignments_system",
            "user_id",
            unique=True,
            postgresql_where=text("project_id IS NULL"),
            sqlite_where=text("project_id IS NULL"),
        ),
    )

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id"), index=True)
    role: Mapped[Role]

    user: Mapped[User] = relationship(back_populates="assignments")
    project: Mapped[Project | None] = relationship(lazy="joined")


class Session(Base):
    """A browser that is signed in. The cookie holds the id; the table only its hash."""

    __tablename__ = "sessions"

    id_hash: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256, hexadecimal
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    last_seen: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(String(64), default="")
    user_agent: Mapped[str] = mapped_column(String(255), default="")

    user: Mapped[User] = relationship(lazy="joined")


class KeyPair(Base):
    """A public SSH key of a user, put into the instances they create."""

    __tablename__ = "key_pairs"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(255))
    public_key: Mapped[str]  # one line in OpenSSH's format
    fingerprint: Mapped[str] = mapped_column(String(64))  # SHA256:..., as ssh-keygen -l prints it

    user: Mapped[User] = relationship(back_populates="key_pairs")


class Quota(Base):
    """A limit of one project that differs from the setting."""

    __tablename__ = "quotas"
    __table_args__ = (UniqueConstraint("project_id", "resource"),)

    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"))
    resource: Mapped[str] = mapped_column(String(32))
    limit: Mapped[int]
