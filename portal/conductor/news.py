"""Telling readers who wait that there is something new, once it has its place."""

from portal.conductor.wire import Wire
from portal.services import events


def tell(wire: Wire) -> None:
    """What happened since the last time has its place, and whoever waits for it hears so."""
    if told := events.number():
        wire.announce(told)
