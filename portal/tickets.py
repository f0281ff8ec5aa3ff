"""Tickets: 256 random bits that open one thing once, within half a minute or as long as is said.

Redis keeps under the SHA-256 of a ticket what it was given out for, so neither a copy of Redis nor
any log opens anything. That time is measured twice: by Redis, and by seconds that only run,
which all processes of a machine share until it boots. So whoever sets a clock keeps no ticket open
on the machine that gave it out; on another one, Redis alone measures it. Redis goes by its own
clock: set forward, it ends tickets early, and another one is given out.
"""

import functools
import json
import secrets

import redis

from portal import config, keys
from portal.db import boot, steady
from portal.errors import SOON_SECONDS, Unavailable

LASTS_SECONDS = 30
PREFIX = "portico:ticket:"


def mint(grant: dict[str, str], *, lasts_seconds: int = LASTS_SECONDS) -> str:
    """A ticket for `grant`. Raises Unavailable with Redis out of reach."""
    ticket = secrets.token_urlsafe(32)
    kept = json.dumps(
        {
            "grant": grant,
            "boot": boot(),
            "not_after": steady() + lasts_seconds,
            "lasts": lasts_seconds,
        }
    )
    try:
        _connection(config.current().redis).set(_key(ticket), kept, ex=lasts_seconds)
    except redis.RedisError:
        raise Unavailable(
            "No ticket can be given out while the message store (Redis) is out of reach.",
            retry_after=SOON_SECONDS,
        ) from None
    return ticket


def redeem(ticket: str) -> dict[str, str] | None:
    """What the ticket was given out for, this once; None for one that is unknown, used or too
    old. Raises Unavailable with Redis out of reach."""
    try:
        kept = _connection(config.current().redis).getdel(_key(ticket))
    except redis.RedisError:
        raise Unavailable(
            "No ticket can be checked while the message store (Redis) is out of reach.",
            retry_after=SOON_SECONDS,
        ) from None
    if kept is None:
        return None
    minted = json.loads(kept)
    if minted.get("boot") != boot():
        return minted["grant"]  # its seconds are another machine's, and Redis still kept it
    left = minted["not_after"] - steady()
    return minted["grant"] if 0 <= left <= minted.get("lasts", LASTS_SECONDS) else None


def _key(ticket: str) -> str:
    return PREFIX + keys.digest(ticket)


@functools.cache
def _connection(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
