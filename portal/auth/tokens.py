"""Programs with a token: what their header `X-Auth-Token` holds becomes an `Actor`.

It counts below the doors of the API and nowhere else, as browsers' cookies count on pages alone.
"""

from flask import g, request

from portal.policies import Actor
from portal.services import tokens
from portal.services.tokens import Grant

LONGEST = 255  # characters; ours have 43


def shown() -> Grant | None:
    """What the token of this request is good for, read once; None where there is none, or one
    that is good for nothing."""
    if "grant" not in g:
        g.grant = find(request.headers.get("X-Auth-Token", ""))
    return g.grant


def find(token: str) -> Grant | None:
    """What this token is good for, or None."""
    if not token or len(token) > LONGEST:
        return None
    return tokens.find(token)


def actor() -> Actor:
    """Who speaks through the program that sent this request. Only where `shown` is not None."""
    if "actor" not in g:
        g.actor = shown().actor(address=request.remote_addr or "", request_id=g.request_id)
    return g.actor
