"""How often something may be asked, in a moving window: counted in Redis where all processes of a
machine have to agree, and in this process where it is enough that nobody is without a limit. Each
machine that runs `web` counts for itself, so that several let through so many times as much.

The library is imported when something is counted: the conductor, which never does, imports the
services too, and would keep 2 MiB of it.
"""

import contextlib
import dataclasses
import functools
import logging
import time
from typing import TYPE_CHECKING

from redis.exceptions import RedisError, ResponseError

from portal import bell, config
from portal.db import steady
from portal.errors import SOON_SECONDS, TooMany, Unavailable

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import MovingWindowRateLimiter

WRONG_PASSWORDS = "wrong passwords"
EPOCH_SECONDS = 60
MINUTE_SECONDS = 60
AWAY_SECONDS = 5.0  # so long Redis, out of reach, is not asked to count again

log = logging.getLogger(__name__)


class OutOfReach(Unavailable):
    """It cannot be counted, so it is not allowed."""

    retry_after = SOON_SECONDS


@dataclasses.dataclass(frozen=True)
class Pace:
    """How much of a minute's allowance is used. `seconds` are left of the minute."""

    limit: int
    used: int
    seconds: int

    @property
    def remaining(self) -> int:
        """How many more there may be."""
        return max(0, self.limit - self.used)


class Try:
    """One try of a password, which is counted from before it is judged. So of many tries at once
    no more are judged than of as many one after another."""

    def __init__(self, account: str, address: str):
        """A place of this minute is taken, of the account and of the address. Raises TooMany when
        either has none left, or, where it cannot be counted, OutOfReach: it fails closed."""
        self._keys = (("account", account.lower()), ("address", address))
        self._epoch = _epoch()
        for number, key in enumerate(self._keys):
            if not self._take(key):
                self.was_none(self._keys[:number])
                raise self._refusal(key)

    def was_none(self, keys=None) -> None:
        """The place is free again: the password was right, or was not judged at all."""
        storage = _limiter().storage
        with contextlib.suppress(RedisError):
            for key in self._keys if keys is None else keys:
                counted = _tries(key).key_for(WRONG_PASSWORDS, *key, self._epoch)
                storage.get_connection().lpop(storage.prefixed_key(counted))

    def _take(self, key: tuple[str, str]) -> bool:
        try:
            return _limiter().hit(_tries(key), WRONG_PASSWORDS, *key, self._epoch)
        except ResponseError as error:  # it answers
            log.warning("tries of passwords cannot be counted: %s", error)
            raise OutOfReach(
                "No password can be checked while the message store (Redis) takes nothing, since "
                "tries could not be counted. Whoever is signed in can go on working; whoever "
                "administers this cloud finds the reason with: flask doctor."
            ) from None
        except RedisError as error:
            log.warning("tries of passwords cannot be counted: %s", error)
            raise OutOfReach(
                "No password can be checked while the message store (Redis) is out of reach, since "
                "tries could not be counted. Whoever is signed in can go on working."
            ) from None

    def _refusal(self, key: tuple[str, str]) -> TooMany:
        window = _limiter().get_window_stats(_tries(key), WRONG_PASSWORDS, *key, self._epoch)
        reset = window.reset_time
        seconds = max(1, round(reset - time.time()))
        return TooMany(
            "Too many wrong passwords. Wait {seconds} seconds.",
            seconds=seconds,
            retry_after=seconds,
        )


def check(what: str, who: str, *, per_minute: int) -> None:
    """Count one more of `what` by `who`. Raises TooMany beyond `per_minute`; with Redis out of
    reach it is not counted, which the log says."""
    limit, epoch = _limit(per_minute), _epoch()
    try:
        if _limiter().hit(limit, what, who, epoch):
            return
        reset = _limiter().get_window_stats(limit, what, who, epoch).reset_time
    except RedisError as error:
        log.warning("%s are not counted: %s", what, error)
        return
    raise TooMany(
        "That was asked for more than {per_minute} times within a minute.",
        per_minute=per_minute,
        retry_after=max(1, round(reset - time.time())),
    )


def within(what: str, who: str, *, per_minute: int) -> int | None:
    """How many more of `what` by `who` there may be within this minute after this one; None when
    this is one too many. Counted in this process, so it costs nothing and needs nobody."""
    limit, epoch = _limit(per_minute), _epoch()
    if not _here().hit(limit, what, who, epoch):
        return None
    return _here().get_window_stats(limit, what, who, epoch).remaining


def check_pace(what: str, who: str, *, per_minute: int) -> None:
    """Count one more of `what` by `who`, in this process. Raises TooMany beyond `per_minute`."""
    if within(what, who, per_minute=per_minute) is not None:
        return
    reset = _here().get_window_stats(_limit(per_minute), what, who, _epoch())
    seconds = max(1, round(reset.reset_time - time.time()))
    raise TooMany(
        "More than {per_minute} {what} within a minute. Wait {seconds} seconds.",
        per_minute=per_minute,
        what=what,
        seconds=seconds,
        retry_after=seconds,
    )


class _Store:
    """Redis as what counts at each request: one that is out of reach is left alone for a while."""

    away_until = 0.0


def count(what: str, who: str, *, per_minute: int) -> Pace | None:
    """Count one more of `what` by `who` in this minute, which begins for all at once: one journey
    to Redis, however many there are. None where it cannot be counted."""
    moment = steady()
    if moment < _Store.away_until:
        return None
    minute, passed = divmod(moment, MINUTE_SECONDS)
    key = f"portico:pace:{what}:{who}:{int(minute)}"
    try:
        with bell.connection(config.current().redis).pipeline(transaction=False) as pipeline:
            pipeline.incr(key).expire(key, 2 * MINUTE_SECONDS)
            used = pipeline.execute()[0]
    except RedisError as error:
        log.warning("%s are not counted: %s", what, error)
        _Store.away_until = moment + AWAY_SECONDS
        return None
    return Pace(per_minute, used, max(1, round(MINUTE_SECONDS - passed)))


@functools.cache
def _here() -> "MovingWindowRateLimiter":
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter

    return MovingWindowRateLimiter(MemoryStorage())


def _tries(key: tuple[str, str]) -> "RateLimitItem":
    """How many wrong passwords this account, or this address, has within a minute."""
    settings = config.current()
    if key[0] == "address":
        return _limit(settings.login_attempts_per_address)
    return _limit(settings.login_attempts_per_minute)


def _limit(per_minute: int) -> "RateLimitItem":
    from limits import RateLimitItemPerMinute

    return RateLimitItemPerMinute(per_minute)


def _epoch() -> str:
    """Changes when somebody sets the clock by more than EPOCH_SECONDS, and so do all keys of what
    is counted: else what was counted in the future would count for as long as it is ahead. Whoever
    can set the clock needs no more tries; and clocks that are slewed change it less than daily. Two
    machines have two of them, since they did not boot at one moment."""
    return str(int((time.time() - steady()) // EPOCH_SECONDS))


def _limiter() -> "MovingWindowRateLimiter":
    return _limiter_at(config.current().redis)


@functools.cache
def _limiter_at(url: str) -> "MovingWindowRateLimiter":
    from limits.storage import storage_from_string
    from limits.strategies import MovingWindowRateLimiter

    scheme = "redis+unix" if url.startswith("unix://") else "redis"
    address = url.partition("://")[2]
    return MovingWindowRateLimiter(
        storage_from_string(
            f"{scheme}://{address}",
            socket_timeout=1,
            socket_connect_timeout=1,
            wrap_exceptions=False,
        )
    )
