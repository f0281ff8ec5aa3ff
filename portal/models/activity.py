"""Who did what, when, from where."""

import uuid

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from portal.db import Base
from portal.models.identity import User


class Activity(Base):
    """One entry of the audit: somebody changed something, or was refused. Never altered."""

    __tablename__ = "activities"
    __table_args__ = (
        Index("ix_activities_project_id", "project_id", "created_at", "id"),
        Index("ix_activities_target_id", "target_id", "created_at"),
        Index("ix_activities_created_at", "created_at", "id"),
    )

    action: Mapped[str] = mapped_column(String(64))  # "instances:create"; refused: "images.change"
    project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    user_name: Mapped[str] = mapped_column(String(255))  # as it was then
    target_type: Mapped[str] = mapped_column(String(32), default="")
    target_id: Mapped[uuid.UUID | None]
    target_name: Mapped[str] = mapped_column(String(255), default="")
    before: Mapped[dict | None]
    after: Mapped[dict | None]
    refused: Mapped[str] = mapped_column(default="")  # the sentence, when it was not done
    field: Mapped[str] = mapped_column(  # of the form, whose answer was refused
        String(64), default="", server_default=""
    )
    address: Mapped[str] = mapped_column(String(64), default="")
    request_id: Mapped[str] = mapped_column(String(64), default="")
    operation_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("operations.id"))

    user: Mapped[User | None] = relationship(lazy="raise")
    about: Mapped[User | None] = relationship(  # the person that it was done to
        primaryjoin=lambda: foreign(Activity.target_id) == User.id, viewonly=True, lazy="raise"
    )


class Seal(Base):
    """The link of the record's chain that holds one entry. Never altered."""

    __tablename__ = "seals"

    position: Mapped[int] = mapped_column(unique=True)  # from 1
    activity_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("activities.id"), unique=True)
    hash: Mapped[str] = mapped_column(String(64))  # SHA-256 over the one before and the entry


class Idempotency(Base):
    """What a key that came with a request has already brought about."""

    __tablename__ = "idempotency"
    __table_args__ = (UniqueConstraint("project_id", "key"),)

    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"))
    key: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(64))
    body_hash: Mapped[str] = mapped_column(String(64))
    targets: Mapped[list]
