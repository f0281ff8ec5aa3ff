"""How often something may be asked. Counted in Redis, in a moving window.

The library is imported when something is counted: the conductor, which never does, imports the
services too, and would keep 2 MiB of it.
"""

import functools
import logging
import time
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from portal import config
from portal.errors import Refused, TooMany

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import MovingWindowRateLimiter

WRONG_PASSWORDS = "wrong passwords"

log = logging.getLogger(__name__)


class OutOfReach(Refused):
    """What cannot be counted is not allowed."""

    status = 503


def check_login(account: str, address: str) -> None:
    """Return while neither the account nor the address has used up its wrong passwords of this
    minute. Raises TooMany, or, with Redis out of reach, OutOfReach: it fails closed."""
    limit = _of_passwords()
    try:
        for key in (("account", account.lower()), ("address", address)):
            if not _limiter().test(limit, WRONG_PASSWORDS, *key):
                reset = _limiter().get_window_stats(limit, WRONG_PASSWORDS, *key).reset_time
                seconds = max(1, round(reset - time.time()))
                raise TooMany(
                    f"Too many wrong passwords. Wait {seconds} seconds.", retry_after=seconds
                )
    except RedisError:
        raise OutOfReach(
            "Signing in is closed while the message store (Redis) is out of reach. "
            "Whoever is signed in can go on working."
        ) from None


def check(what: str, who: str, *, per_minute: int) -> None:
    """Count one more of `what` by `who`. Raises TooMany beyond `per_minute`; with Redis out of
    reach it is not counted, which the log says."""
    limit = _limit(per_minute)
    try:
        if _limiter().hit(limit, what, who):
            return
        reset = _limiter().get_window_stats(limit, what, who).reset_time
    except RedisError as error:
        log.warning("%s are not counted: %s", what, error)
        return
    raise TooMany(
        f"That was asked for more than {per_minute} times within a minute.",
        retry_after=max(1, round(reset - time.time())),
    )


def count_wrong_password(account: str, address: str) -> None:
    """One more wrong password of this minute."""
    try:
        _limiter().hit(_of_passwords(), WRONG_PASSWORDS, "account", account.lower())
        _limiter().hit(_of_passwords(), WRONG_PASSWORDS, "address", address)
    except RedisError:
        return  # the next attempt is refused by `check_login`


def _of_passwords() -> "RateLimitItem":
    return _limit(config.current().login_attempts_per_minute)


def _limit(per_minute: int) -> "RateLimitItem":
    from limits import RateLimitItemPerMinute

    return RateLimitItemPerMinute(per_minute)


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
