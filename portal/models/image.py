"""Sizes on the menu, and disks to start from."""

import enum
import uuid
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base
from portal.models.detailed import Detailed
from portal.models.machine import Changeable
from portal.models.named import Called, Distinct
from portal.models.status import ImageStatus

FETCHED = "published_as <> '' AND deleted_at IS NULL"


class Flavor(Distinct, Base):
    """A size on the menu. Instances copy its numbers, so that a change of it changes nothing."""

    __tablename__ = "flavors"
    __table_args__ = (UniqueConstraint("reads_as"),)

    name: Mapped[str] = mapped_column(String(255), unique=True)
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    disk_gib: Mapped[int]
    enabled: Mapped[bool] = mapped_column(default=True)  # whether it is offered
    public: Mapped[bool] = mapped_column(default=True, server_default=true())  # to every project
    chosen_id: Mapped[str | None] = mapped_column(String(255), unique=True)  # where it is no UUID
    extra_specs: Mapped[dict] = mapped_column(default=dict, server_default="{}")

    @property
    def key(self) -> str:
        """How programs name it."""
        return self.chosen_id or str(self.id)


class FlavorGrant(Base):
    """A project to which a flavor is offered that is not offered to every one."""

    __tablename__ = "flavor_grants"
    __table_args__ = (UniqueConstraint("flavor_id", "project_id"),)

    flavor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("flavors.id"))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"), index=True)


class Visibility(enum.StrEnum):
    """Who may start instances from an image."""

    PRIVATE = "private"  # its owner
    SHARED = "shared"  # its project, and those that it was shared with and that have accepted
    PUBLIC = "public"  # everybody


class Acceptance(enum.StrEnum):
    """What a project says to an image that is shared with it."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Image(Changeable, Detailed, Called, Base):
    """A disk to start from. Its bytes lie in the image store under their SHA-256.

    One that a host fetches from its publisher, or that a program has announced, has a row before
    its bytes. What is known of them (`sha256`, `md5`, sizes) is empty until they are there; then
    it is written, once, and it never changes. `format` may have been announced.
    """

    __tablename__ = "images"
    __table_args__ = (
        Index("ix_images_project_id", "project_id", "created_at", "id"),
        Index(
            "uq_images_published_as",
            "published_as",
            unique=True,
            postgresql_where=text(FETCHED),
            sqlite_where=text(FETCHED),
        ),
    )

    name: Mapped[str] = mapped_column(String(255))
    project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    visibility: Mapped[Visibility] = mapped_column(default=Visibility.PRIVATE)
    published_as: Mapped[str] = mapped_column(String(64), default="", server_default="")
    format: Mapped[str] = mapped_column(String(16), default="")  # "qcow2" or "raw"
    sha256: Mapped[str] = mapped_column(String(64), default="", index=True)
    md5: Mapped[str] = mapped_column(String(32), default="", server_default="")  # if uploaded here
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    virtual_size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    min_disk_gib: Mapped[int] = mapped_column(default=0)
    min_memory_mib: Mapped[int] = mapped_column(default=0)
    login_user: Mapped[str] = mapped_column(String(32), default="")  # whom SSH keys are for
    protected: Mapped[bool] = mapped_column(default=False, server_default=false())  # from deletion
    hidden: Mapped[bool] = mapped_column(default=False, server_default=false())  # from lists
    deactivated: Mapped[bool] = mapped_column(default=False, server_default=false())
    generation: Mapped[int] = mapped_column(default=1, server_default="1")  # of the fetching
    fault: Mapped[str] = mapped_column(default="", server_default="")  # why it was not fetched
    deleted_at: Mapped[datetime | None]  # instances made from it keep the row

    @hybrid_property
    def ready(self) -> bool:
        """Whether its bytes are there."""
        return self.sha256 != ""

    @hybrid_property
    def usable(self) -> bool:
        """Whether instances can be made from it, but for its being deleted."""
        return self.ready and not self.deactivated

    @usable.inplace.expression
    @classmethod
    def _usable(cls) -> ColumnElement[bool]:
        return cls.ready & ~cls.deactivated

    @property
    def status(self) -> ImageStatus:
        if self.deleted_at:
            return ImageStatus.DELETED
        if self.ready:
            return ImageStatus.DEACTIVATED if self.deactivated else ImageStatus.READY
        if self.busy:
            return ImageStatus.FETCHING
        return ImageStatus.ERROR if self.published_as else ImageStatus.WAITING

    @property
    def disk_gib(self) -> int:
        """The smallest root disk that holds it, GiB."""
        return max(self.min_disk_gib, -(-self.virtual_size_bytes // 2**30))


class ImageMember(Base):
    """A project that an image is shared with, and what it says to that."""

    __tablename__ = "image_members"
    __table_args__ = (UniqueConstraint("image_id", "project_id"),)

    image_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("images.id"))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"), index=True)
    status: Mapped[Acceptance] = mapped_column(default=Acceptance.PENDING)
