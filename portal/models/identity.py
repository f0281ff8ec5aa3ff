"""People, the projects they work in, and what they are allowed to be there."""

import enum
import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base
from portal.models.named import Distinct


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


class User(Distinct, Base):
    """Somebody who may sign in."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("domain_id", "name"),
        UniqueConstraint("domain_id", "reads_as"),
    )

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


class Project(Distinct, Base):
    """Whose things are whose: every resource belongs to exactly one."""

    __tablename__ = "projects"
    __table_args__ = (
        UniqueConstraint("domain_id", "name"),
        UniqueConstraint("domain_id", "reads_as"),
    )

    domain_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("domains.id"))
    name: Mapped[str] = mapped_column(String(255))
    enabled: Mapped[bool] = mapped_column(default=True)


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
