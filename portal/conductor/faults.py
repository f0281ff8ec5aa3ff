"""What the code of a noun raises costs the one thing that was in hand, and never the turn.

Many things are done at once, as always. Only if that raises it is done again for one after the
other, so that all others go on, and the one that raises alone is known.
"""

import logging
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from portal.db import session
from portal.errors import Unavailable

ELSEWHERE = (DBAPIError, RedisError, Unavailable, OSError, MemoryError)

log = logging.getLogger(__name__)


def of_the_thing(error: Exception) -> bool:
    """Whether the error comes of what was in hand. A database that is away, full or contended, and
    a queue that is away, are of nothing in hand: the next turn may find them otherwise."""
    return isinstance(error, IntegrityError | DataError) or not isinstance(error, ELSEWHERE)


def apart(act: Callable[[Sequence], object], things: Sequence, alone: Callable, *, what: str):
    """What `act` returns, in a list: of all things at once, or, if that raises, of each by itself;
    what `alone` returns of a thing with which `act` raises nevertheless. The log says why, and that
    it was about `what`. Raises what is of no thing in hand; `act` has no part of a transaction that
    somebody else opened."""
    try:
        return [act(things)]
    except Exception as error:  # noqa: BLE001 (a noun's code may raise anything)
        _told(error, f"{what}, one of {len(things)}" if len(things) > 1 else f"{what} {things[0]}")
    if len(things) == 1:
        return [alone(things[0])]
    return [said for each in things for said in apart(act, [each], alone, what=what)]


def survived(act: Callable[[], object], otherwise, *, what: str):
    """What `act` returns; `otherwise` if it raises, which the log says of `what`."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 (a noun's code may raise anything)
        _told(error, what)
    return otherwise


def _told(error: Exception, what: str) -> None:
    session.rollback()
    if not of_the_thing(error):
        raise error
    log.error("this failed, and costs nothing else: %s", what, exc_info=error)
