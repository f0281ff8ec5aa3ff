"""What a service may answer instead of doing it.

Each is one sentence for the person at the screen, with the name of their thing in it and what
they can do. The edges translate: pages into a form or an error page, the API into a fault.
"""

from collections.abc import Callable


class Refused(Exception):
    """What was wanted was not done, and nothing was changed."""

    status = 422

    def __init__(self, sentence: str, *, field: str | None = None):
        super().__init__(sentence)
        self.field = field  # the form field that the sentence is about
        self.others: tuple[Refused, ...] = ()  # what is wrong besides, where it was looked for


class NotFound(Refused):
    """The thing does not exist, or not for this actor."""

    status = 404


class Forbidden(Refused):
    """The actor may see the thing, and may not do this to it."""

    status = 403


class Conflict(Refused):
    """The thing cannot be so changed now: something else is under way, or it is of another kind."""

    status = 409


class Ambiguous(Conflict):
    """Several things bear the name: an id says which is meant."""


class OverQuota(Refused):
    """The project has not that much left."""

    status = 403


class NoRoom(Refused):
    """No host can take what is wanted."""

    status = 409


class Unavailable(Refused):
    """Not at this moment: a part of the cloud that it needs does not answer, or is full."""

    status = 503


class DiskFull(Unavailable):
    """Nothing can be written down, so nothing was changed."""

    def __init__(self):
        super().__init__(
            "Nothing can be changed at this moment: the disk of the portal is full. Nothing is "
            "lost. Whoever runs this cloud has to make room there; then send it again."
        )


class TooMany(Refused):
    """Too often in a short time: wait `retry_after` seconds."""

    status = 429

    def __init__(self, sentence: str, *, retry_after: int):
        super().__init__(sentence)
        self.retry_after = retry_after


class Busy(TooMany):
    """As many are being served as can be: try again in `retry_after` seconds."""

    status = 503


def all_of(*checks: Callable) -> list:
    """What each of the checks returns. Raises the first Refused of them with all others, so that
    nobody mends one mistake only to hear of the next."""
    found, refused = [], []
    for check in checks:
        try:
            found.append(check())
        except Refused as error:
            refused += [error, *error.others]
    if refused:
        refused[0].others = tuple(refused[1:])
        raise refused[0]
    return found
