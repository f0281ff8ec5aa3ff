"""Sizes on the menu, and disks to start from."""

import enum
import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base


class Flavor(Base):
    """A size on the menu. Instances copy its numbers, so that a change of it changes nothing."""

    __tablename__ = "flavors"

    name: Mapped[str] = mapped_column(String(255), unique=True)
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    disk_gib: Mapped[int]
    enabled: Mapped[bool] = mapped_column(default=True)  # whether it is offered


class Visibility(enum.StrEnum):
    """Who may start instances from an image."""

    PRIVATE = "private"  # its owner
    SHARED = "shared"  # its project
    PUBLIC = "public"  # everybody


class Image(Base):
    """A disk to start from. Its bytes lie in the image store under their SHA-256."""

    __tablename__ = "images"
    __table_args__ = (Index("ix_images_project_id", "project_id", "created_at", "id"),)

    name: Mapped[str] = mapped_column(String(255))
    project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    visibility: Mapped[Visibility] = mapped_column(default=Visibility.PRIVATE)
    format: Mapped[str] = mapped_column(String(16))  # "qcow2" or "raw"
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    virtual_size_bytes: Mapped[int] = mapped_column(BigInteger)
    min_disk_gib: Mapped[int] = mapped_column(default=0)
    min_memory_mib: Mapped[int] = mapped_column(default=0)
    login_user: Mapped[str] = mapped_column(String(32), default="")  # whom SSH keys are for
    deleted_at: Mapped[datetime | None]  # instances made from it keep the row

    @property
    def disk_gib(self) -> int:
        """The smallest root disk that holds it, GiB."""
        return max(self.min_disk_gib, -(-self.virtual_size_bytes // 2**30))
