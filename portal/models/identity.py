"""People, the projects they work in, and what they are allowed to be there."""

import enum
import uuid
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    false,
    or_,
    select,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

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

    @staticmethod
    def strongest(roles: Iterable["Role"]) -> "Role | None":
        """The one that implies all of these; None of none."""
        return max(roles, key=lambda role: role.rank, default=None)


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
    email: Mapped[str] = mapped_column(String(255), default="", server_default="")
    default_project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id"))
    project_note: Mapped[str] = mapped_column(  # a project that a program noted: nothing follows
        String(64), default="", server_default=""
    )

    assignments: Mapped[list["RoleAssignment"]] = relationship(
        back_populates="user", cascade="all, delete-orphan"
    )
    roles: Mapped[list["RoleAssignment"]] = relationship(
        primaryjoin=lambda: held_by(User.id), viewonly=True
    )
    groups: Mapped[list["Group"]] = relationship(
        secondary="group_members", back_populates="users", order_by="Group.name"
    )
    key_pairs: Mapped[list["KeyPair"]] = relationship(
        back_populates="user", cascade="all, delete-orphan", order_by="KeyPair.name"
    )

    @property
    def cloud_role(self) -> Role | None:
        """The role in the whole cloud, whatever it comes from."""
        return Role.strongest(each.role for each in self.roles if each.in_cloud)

    @property
    def memberships(self) -> list["RoleAssignment"]:
        """The roles in projects, by the name of the project, their own before those of groups."""
        held = [each for each in self.roles if each.project_id]
        return sorted(held, key=lambda each: (each.project.name, each.group_id is not None))


class Group(Distinct, Base):
    """People who have their roles together: whoever is in it has all of its own."""

    __tablename__ = "groups"
    __table_args__ = (
        UniqueConstraint("domain_id", "name"),
        UniqueConstraint("domain_id", "reads_as"),
    )

    domain_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("domains.id"))
    name: Mapped[str] = mapped_column(String(255))

    users: Mapped[list[User]] = relationship(
        secondary="group_members", back_populates="groups", order_by="User.name"
    )
    assignments: Mapped[list["RoleAssignment"]] = relationship(
        back_populates="group", cascade="all, delete-orphan"
    )

    @property
    def cloud_role(self) -> Role | None:
        """The role in the whole cloud."""
        return Role.strongest(each.role for each in self.assignments if each.in_cloud)


class GroupMember(Base):
    """Somebody who is in a group."""

    __tablename__ = "group_members"
    __table_args__ = (UniqueConstraint("user_id", "group_id"),)

    group_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("groups.id"), index=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))


class PasswordUsed(Base):
    """A password that a user has had, known by its hash: it is not to be chosen again."""

    __tablename__ = "passwords_used"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    password_hash: Mapped[str]


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
    tags: Mapped[list] = mapped_column(default=list, server_default="[]")  # each once, sorted

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
    """A role of a user or of a group, in a project, or, without a project, in the whole cloud.

    An `of_cloud` one is the administrator's of a project who administers the whole cloud as well:
    what programs call `admin` there.
    """

    __tablename__ = "role_assignments"
    __table_args__ = (
        UniqueConstraint("user_id", "project_id"),
        UniqueConstraint("group_id", "project_id"),
        *(
            Index(
                f"uq_role_assignments_{kind}system",
                f"{holder}_id",
                unique=True,
                postgresql_where=text("project_id IS NULL"),
                sqlite_where=text("project_id IS NULL"),
            )
            for holder, kind in (("user", ""), ("group", "group_"))
        ),
        CheckConstraint("(user_id IS NULL) <> (group_id IS NULL)", name="one_holder"),
        CheckConstraint(
            "NOT of_cloud OR (project_id IS NOT NULL AND role = 'admin')", name="of_cloud"
        ),
    )

    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    group_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("groups.id"))
    project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id"), index=True)
    role: Mapped[Role]
    of_cloud: Mapped[bool] = mapped_column(default=False, server_default=false())

    user: Mapped[User | None] = relationship(back_populates="assignments")
    group: Mapped[Group | None] = relationship(back_populates="assignments")
    project: Mapped[Project | None] = relationship(lazy="joined")

    @hybrid_property
    def in_cloud(self) -> bool:
        """Whether the role counts in the whole cloud."""
        return self.project_id is None or self.of_cloud

    @in_cloud.inplace.expression
    @classmethod
    def _in_cloud(cls) -> ColumnElement[bool]:
        return or_(cls.project_id.is_(None), cls.of_cloud)

    @property
    def holder(self) -> User | Group:
        """Whose role it is."""
        return self.user or self.group


def held_by(user_id: ColumnElement) -> ColumnElement[bool]:
    """Whether a role counts for the user of this id: it is theirs, or of a group that they are in.
    Whatever asks for roles asks by this."""
    theirs = select(GroupMember.group_id).where(GroupMember.user_id == user_id)
    return or_(
        foreign(RoleAssignment.user_id) == user_id,
        and_(
            RoleAssignment.group_id.is_not(None),
            RoleAssignment.group_id.in_(theirs.correlate_except(GroupMember).scalar_subquery()),
        ),
    )


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
    """A public SSH key of a user, put into the instances they create; or a certificate in PEM."""

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
