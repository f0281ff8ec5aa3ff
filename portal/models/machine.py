"""What hosts change: things of which one change at a time is under way, and machines among them."""

from datetime import datetime

from sqlalchemy import BigInteger, String, and_
from sqlalchemy.orm import Mapped, declared_attr, foreign, mapped_column, relationship

from portal.models.operation import Operation


class Changeable:
    """Something that hosts change: at most one change of it is under way.

    Facts and the end of a change are written together, so whoever shows both reads both by one
    statement (`joinedload`): between two, what is being made would seem to be missing.
    """

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


class Machine(Changeable):
    """A changeable thing with a life on a host, which its `host_id` names.

    `generation` orders its intents; services raise it. What begins with `observed` is a copy of a
    fact that its host reported; the conductor writes it, and only where it is newer.
    """

    generation: Mapped[int] = mapped_column(default=1)
    observed_generation: Mapped[int] = mapped_column(default=0)
    observed_sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    observed_boot_id: Mapped[str] = mapped_column(String(64), default="")
    observed_at: Mapped[datetime | None]  # when this became so, not when it was last seen
    repairs: Mapped[int] = mapped_column(default=0)  # in a row that did not last
    repair_at: Mapped[datetime | None]  # not before

    def older_than(self, boot_id: str, sequence: int) -> bool:
        """Whether an observation of its host, of this boot and number, is news of it. Of two
        boots the host's is the later: one that has passed is not listened to."""
        return self.observed_boot_id != boot_id or self.observed_sequence < sequence
