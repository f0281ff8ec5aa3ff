"""Who leads: of several conductors, the one whose name stands in the lease."""

from datetime import timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError

from portal.db import now, session, transaction
from portal.models import Lease

NAME = "conductor"
LASTS = timedelta(seconds=15)
RENEWED = timedelta(seconds=8)  # so long after it was last, or soon after

LEASE = select(Lease.holder, Lease.until).where(Lease.name == NAME)


def lead(holder: str) -> bool:
    """Whether `holder` leads at this moment. A lease that has run out goes to whoever asks."""
    lease = session.execute(LEASE).one_or_none()
    moment = now()
    if lease and lease.holder == holder and lease.until - moment > LASTS - RENEWED:
        return True
    if lease and lease.holder != holder and lease.until > moment:
        return False
    try:
        with transaction():
            if lease is None:
                session.add(Lease(name=NAME, holder=holder, until=moment + LASTS))
                return True
            won = session.execute(
                update(Lease)
                .where(Lease.name == NAME, or_(Lease.holder == holder, Lease.until <= moment))
                .values(holder=holder, until=moment + LASTS)
            )
            return won.rowcount == 1
    except IntegrityError:
        return False


def resign(holder: str) -> None:
    """The lease is free for the next conductor, if `holder` had it."""
    with transaction():
        session.execute(
            update(Lease).where(Lease.name == NAME, Lease.holder == holder).values(until=now())
        )
