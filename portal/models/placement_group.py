"""Instances of a project whose hosts have to do with each other."""

import enum
import uuid

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base


class Policy(enum.StrEnum):
    """What a placement group wants of the hosts of its instances, as Nova names it."""

    APART = "anti-affinity"
    TOGETHER = "affinity"
    RATHER_APART = "soft-anti-affinity"
    RATHER_TOGETHER = "soft-affinity"

    @property
    def strict(self) -> bool:
        """Whether an instance that cannot be placed like this is refused."""
        return self in (Policy.APART, Policy.TOGETHER)


class PlacementGroup(Base):
    """Instances that are kept apart, or together, from their creation on. They name it; one that
    is deleted leaves them where they are."""

    __tablename__ = "placement_groups"
    __table_args__ = (Index("ix_placement_groups_project_id", "project_id", "created_at", "id"),)

    name: Mapped[str] = mapped_column(String(255))  # a label: two may bear the same
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    policy: Mapped[Policy]
    most_per_host: Mapped[int] = mapped_column(default=1)  # where they are kept apart
