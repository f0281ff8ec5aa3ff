"""How many requests the programs of one user may make: every answer says what is left of them.

A browser's pages have limits of their own (`portal/pages/__init__.py`). With Redis out of reach
nothing is counted, and nobody is kept out.
https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10
"""

import uuid

from flask import g, request

from portal import config, throttle
from portal.auth import tokens
from portal.doors import SPOT
from portal.errors import TooMany
from portal.throttle import MINUTE_SECONDS


def keep() -> None:
    """One more request of this user is counted, whichever token or credential it shows. Raises
    TooMany."""
    grant, spot = tokens.shown(), request.environ.get(SPOT)
    if grant is None:
        return
    if spot is not None and spot.kept:  # it has waited, and was counted when it came
        g.pace = spot.kept["pace"]
        return
    settings = config.current()
    g.pace = throttle.count("requests", str(grant.user_id), per_minute=settings.requests_per_minute)
    if spot is not None:
        spot.kept["pace"] = g.pace
    if g.pace is not None and g.pace.used > g.pace.limit:
        raise TooMany(
            "More than {per_minute} requests within a minute. Wait {seconds} seconds.",
            per_minute=g.pace.limit,
            seconds=g.pace.seconds,
            retry_after=g.pace.seconds,
        )


class SignedInTooOften(TooMany):
    """No password was wrong: there are too many tokens."""


def count_sign_in(user_id: uuid.UUID) -> None:
    """One more token is about to be given out to this user, as many as there may be requests: each
    is kept for as long as it lasts. Raises SignedInTooOften."""
    per_minute = config.current().requests_per_minute
    pace = throttle.count("sign-ins", str(user_id), per_minute=per_minute)
    if pace is not None and pace.used > pace.limit:
        raise SignedInTooOften(
            "More than {per_minute} tokens within a minute. Keep one for as long as it lasts, and "
            "wait {seconds} seconds.",
            per_minute=pace.limit,
            seconds=pace.seconds,
            retry_after=pace.seconds,
        )


def tell(response) -> None:
    """The answer says how many more there may be, and until when."""
    pace = g.get("pace")
    if pace is None:
        return
    headers = response.headers
    headers["RateLimit-Policy"] = f'"user";q={pace.limit};w={MINUTE_SECONDS}'
    headers["RateLimit"] = f'"user";r={pace.remaining};t={pace.seconds}'
    headers["X-RateLimit-Limit"] = str(pace.limit)
    headers["X-RateLimit-Remaining"] = str(pace.remaining)
    headers["X-RateLimit-Reset"] = str(pace.seconds)
