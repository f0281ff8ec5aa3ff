"""Who leads: of several conductors, the one whose name stands in the lease.

No clock that can be set is asked. Whoever waits for the lease watches, by seconds that only run,
whether it is still renewed, and takes it when it was not for as long as it lasts; so it is the
same however wrong the clocks of two machines are. `until` is for people, and tells one renewal
from the next.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from portal.db import now, session, steady, transaction
from portal.models import Lease
from portal.models.lease import LASTS

NAME = "conductor"
NOBODY = ""  # who holds a lease that was resigned
RENEWED_SECONDS = 8.0  # so long after it was last, or soon after
LEASE = select(Lease.holder, Lease.until).where(Lease.name == NAME)


class Leader:
    """One conductor, and what it has seen of the lease."""

    def __init__(self, name: str):
        self.name = name
        self._seen: tuple[str, datetime] | None = None
        self._seen_at = 0.0

    def leads(self) -> bool:
        """Whether this one leads at this moment. A lease that its holder has not renewed for
        LASTS, while this one watched, goes to whoever asks."""
        lease = session.execute(LEASE).one_or_none()
        if lease is None:
            return self._begin()
        if self._seen != tuple(lease):
            self._note(*lease)
        unchanged = steady() - self._seen_at
        if lease.holder == self.name and unchanged < RENEWED_SECONDS:
            return True
        others = lease.holder not in (self.name, NOBODY)
        if others and unchanged < LASTS.total_seconds():
            return False
        return self._take(*lease)

    def resign(self) -> None:
        """The lease is free for the next conductor, if this one had it."""
        mine = update(Lease).where(Lease.name == NAME, Lease.holder == self.name)
        with transaction():
            session.execute(mine.values(holder=NOBODY, until=now()))

    def _note(self, holder: str, until: datetime) -> None:
        """The lease is so from now on."""
        self._seen, self._seen_at = (holder, until), steady()

    def _begin(self) -> bool:
        until = now() + LASTS
        try:
            with transaction():
                session.add(Lease(name=NAME, holder=self.name, until=until))
        except IntegrityError:
            return False
        self._note(self.name, until)
        return True

    def _take(self, holder: str, until: datetime) -> bool:
        """The lease is this one's, unless somebody has changed it since."""
        as_seen = (Lease.name == NAME, Lease.holder == holder, Lease.until == until)
        mine = {"holder": self.name, "until": now() + LASTS}
        with transaction():
            taken = session.execute(update(Lease).where(*as_seen).values(**mine)).rowcount == 1
        if taken:
            self._note(**mine)
        return taken
