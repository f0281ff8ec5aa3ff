"""Virtual machines."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from portal.db import Base
from portal.models.detailed import Detailed
from portal.models.host import Host
from portal.models.identity import Project, User
from portal.models.image import Image
from portal.models.machine import Machine
from portal.models.operation import Operation
from portal.models.placement_group import PlacementGroup
from portal.models.port import Port
from portal.models.status import ACTIONS, STANDSTILLS, Power, Standstill, Status, status

UNSETTLED = (  # what `Instance.settled` denies, for a partial index; the two are tested together
    "deleted_at IS NULL AND (observed <> desired OR observed_generation <> generation"
    " OR observed_boots < boots)"
)


class Instance(Machine, Detailed, Base):
    """A virtual machine, as its owner wants it and as its host last saw it.

    `desired`, `boots` and `generation` are intent: only services write them. What begins with
    `observed` is a copy of a fact: only the conductor writes it, from what the host reports.
    Everything else a person sees follows from those two and the open operation.
    """

    __tablename__ = "instances"
    __table_args__ = (
        Index("ix_instances_project_id", "project_id", "created_at", "id"),
        Index("ix_instances_host_id", "host_id"),
        Index("ix_instances_placement_group_id", "placement_group_id"),
        Index("ix_instances_reservation_id", "reservation_id"),
        Index(
            "ix_instances_unsettled",
            "host_id",
            postgresql_where=text(UNSETTLED),
            sqlite_where=text(UNSETTLED),
        ),
    )

    name: Mapped[str] = mapped_column(String(255))  # a label: two may bear the same
    hostname: Mapped[str] = mapped_column(String(63))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    host_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("hosts.id"))  # None: nowhere yet
    zone: Mapped[str] = mapped_column(String(255), default="", server_default="")  # asked for
    placement_group_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("placement_groups.id"))
    image_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("images.id"))
    flavor_name: Mapped[str] = mapped_column(String(255))
    flavor_key: Mapped[str] = mapped_column(String(255), default="", server_default="")
    extra_specs: Mapped[dict] = mapped_column(default=dict, server_default="{}")  # its flavor's
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    disk_gib: Mapped[int]
    key_name: Mapped[str] = mapped_column(String(255), default="")
    public_keys: Mapped[list] = mapped_column(default=list)  # [[name, OpenSSH line], ...]
    user_data: Mapped[str] = mapped_column(default="")

    locked: Mapped[bool] = mapped_column(default=False, server_default=false())  # for members
    locked_by_admins: Mapped[bool] = mapped_column(default=False, server_default=false())
    locked_reason: Mapped[str] = mapped_column(String(255), default="", server_default="")
    reservation_id: Mapped[str] = mapped_column(String(32), default="", server_default="")
    launch_index: Mapped[int] = mapped_column(default=0, server_default="0")  # of those at once
    access_ipv4: Mapped[str] = mapped_column(String(15), default="", server_default="")
    access_ipv6: Mapped[str] = mapped_column(String(45), default="", server_default="")

    desired: Mapped[Power] = mapped_column(default=Power.RUNNING)
    boots: Mapped[int] = mapped_column(default=1)  # how often it was asked to (re)boot
    grace_seconds: Mapped[int] = mapped_column(default=60)  # from the power button to the plug

    observed: Mapped[Power] = mapped_column(default=Power.ABSENT)
    observed_boots: Mapped[int] = mapped_column(default=0)
    observed_reason: Mapped[str] = mapped_column(String(32), default="")

    fault: Mapped[str] = mapped_column(default="")  # why its owner has to do something
    launched_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    project: Mapped[Project] = relationship(lazy="raise")
    user: Mapped[User] = relationship(lazy="raise")
    image: Mapped[Image | None] = relationship(lazy="raise")
    host: Mapped[Host | None] = relationship(lazy="raise")
    placement_group: Mapped[PlacementGroup | None] = relationship(lazy="raise")
    end_of_project: Mapped[Operation | None] = relationship(  # while it is under way
        primaryjoin=lambda: (
            (foreign(Operation.target_id) == Instance.project_id) & Operation.finished_at.is_(None)
        ),
        viewonly=True,
        uselist=False,
    )
    ports: Mapped[list[Port]] = relationship(
        primaryjoin=lambda: foreign(Port.owner_id) == Instance.id,
        order_by="Port.created_at, Port.id",
        viewonly=True,
        lazy="raise",
    )

    @property
    def settled(self) -> bool:
        """Whether the host holds exactly what was asked for last. One that shall be gone is
        settled once its host has said so, which `deleted_at` records."""
        if self.deleted_at:
            return True
        return (self.observed, self.observed_generation) == (
            self.desired,
            self.generation,
        ) and self.observed_boots >= self.boots

    @property
    def status(self) -> Status:
        if self.deleted_at:
            return Status.DELETED
        return status(
            self.desired,
            self.observed,
            action="delete" if self.goes_with_project else self._action,
            faulty=bool(self.fault),
            still=bool(self.standstill),
        )

    @property
    def goes_with_project(self) -> bool:
        """Whether its hosts are being told to remove it with all that its project has."""
        return self.desired is Power.ABSENT and not self.busy and self.end_of_project is not None

    @property
    def _action(self) -> str | None:
        return self.open_operation and self.open_operation.action

    @property
    def standstill(self) -> Standstill | None:
        """Why the guest, which runs, stands still, and whose move it is; None while it does not."""
        running = self.observed is Power.RUNNING and not self.deleted_at
        return STANDSTILLS.get(self.observed_reason) if running else None

    def may(self, action: str) -> bool:
        """Whether its present state allows `action`; who may is another question."""
        return self.status in ACTIONS[action]

    @property
    def intent(self) -> dict:
        """What a change may replace, and what a failed one gives back."""
        return {
            "desired": self.desired.value,
            "boots": self.boots,
            "grace_seconds": self.grace_seconds,
        }
