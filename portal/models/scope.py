"""Tables that hosts hold whole."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base
from portal.models.host import Host

UNSETTLED = "(needed AND held < wanted) OR (NOT needed AND held > 0)"  # as `Scope.settled` has it


class Scope(Base):
    """A table as one host holds it: the revision that it shall have, and the one it has.

    A table that is not `needed` there any more shall be gone. Its row stays, so that whoever
    needs it again goes on counting: the host remembers which revisions it has seen.
    """

    __tablename__ = "scopes"
    __table_args__ = (
        UniqueConstraint("host_id", "kind", "target_id"),
        Index("ix_scopes_target_id", "target_id"),
        Index(
            "ix_scopes_unsettled",
            "host_id",
            postgresql_where=text(UNSETTLED),
            sqlite_where=text(UNSETTLED),
        ),
    )

    host_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("hosts.id"))
    kind: Mapped[str] = mapped_column(String(32))  # whose table: "networks" or "firewall"
    target_id: Mapped[uuid.UUID]  # what it is a table of: a network, or the host itself
    needed: Mapped[bool] = mapped_column(default=True, server_default=true())
    wanted: Mapped[int] = mapped_column(BigInteger, default=0)
    held: Mapped[int] = mapped_column(BigInteger, default=0)
    held_sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    held_boot_id: Mapped[str] = mapped_column(String(64), default="", server_default="")
    repairs: Mapped[int] = mapped_column(default=0)  # tries in a row that did not last
    repair_at: Mapped[datetime | None]  # not before

    host: Mapped[Host] = relationship()

    @property
    def settled(self) -> bool:
        """Whether the host holds what it shall hold."""
        return self.held >= self.wanted if self.needed else self.held == 0

    def older_than(self, boot_id: str, sequence: int) -> bool:
        """Whether an observation of its host, of this boot and number, is news of it."""
        return self.held_boot_id != boot_id or self.held_sequence < sequence
