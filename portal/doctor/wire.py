"""What goes between the processes: Redis, and whether they are there."""

from collections.abc import Iterator

import redis
from sqlalchemy import select

from portal.config import Settings
from portal.db import now, session
from portal.doctor.finding import Finding
from portal.models import Lease
from portal.models.lease import LASTS
from workers import wire

KEEPS = "noeviction"


def redis_answers(settings: Settings) -> Iterator[Finding]:
    """It answers, takes what is written, and keeps it."""
    connection = redis.Redis.from_url(settings.redis, socket_timeout=2, socket_connect_timeout=2)
    try:
        connection.ping()
    except redis.RedisError as error:
        yield Finding(
            False,
            f"Redis answers: {error}",
            "Start it (scripts/up does), or correct `redis_url` in the settings.",
        )
        return
    yield Finding(True, "Redis answers")
    try:
        with connection.pipeline(transaction=False) as pipeline:
            wire.try_to_write(pipeline)
            pipeline.execute()
    except redis.RedisError as error:
        yield Finding(
            False,
            f"Redis takes what is written: {error}",
            "Give it memory (its maxmemory), or whatever else it says that it misses. Changes wait "
            "meanwhile, and nobody can sign in.",
        )
        return
    yield Finding(True, "Redis takes what is written")
    yield from _keeps(connection)


def _keeps(connection: redis.Redis) -> Iterator[Finding]:
    """One that makes room by forgetting loses jobs and beats."""
    try:
        policy = connection.config_get("maxmemory-policy").get("maxmemory-policy", KEEPS)
    except redis.RedisError:  # it may be another's, who says nothing of its settings
        return
    yield Finding(
        policy == KEEPS,
        f"Redis forgets nothing to make room (maxmemory-policy is {policy})",
        f"redis-cli CONFIG SET maxmemory-policy {KEEPS} (and the same in its settings)",
    )


def conductor(_settings: Settings) -> Iterator[Finding]:
    """One leads, by a clock that is right."""
    until, moment = session.scalar(select(Lease.until).order_by(Lease.until.desc())), now()
    ahead = until is not None and until - moment > LASTS
    yield Finding(
        until is not None and until > moment and not ahead,
        "A conductor leads"
        if not ahead
        else f"A conductor leads: the last that did wrote down {until:%Y-%m-%d %H:%M:%S UTC}, and "
        f"it is {moment:%Y-%m-%d %H:%M:%S UTC}",
        "Start one: python -m portal.conductor (scripts/up does)."
        + (" Then look after the clock of this machine: somebody set it back." if ahead else ""),
    )
