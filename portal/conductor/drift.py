"""What is no longer as it was settled, and what is done about it.

Three rules: (1) it was settled and no longer is, or its host came back: a repair, which is the
same job once more; (2) something ended by its own decision: intent follows; (3) something is there
that nobody wants: it is shown to the operator, and goes only when told to. What that means for a
noun, the noun says.
"""

import dataclasses
import functools
import uuid
from collections.abc import Callable, Iterable

from portal.conductor import faults, tables
from portal.conductor.nouns import NOUNS
from portal.conductor.repairs import backoff
from portal.db import steady, transaction
from portal.errors import Conflict


@dataclasses.dataclass
class Rest:
    """How long a thing is left alone whose mending has raised."""

    times: int = 0  # in a row
    until: float = 0.0  # of `steady`


# By the thing. Forgotten with the process, which costs one more try each.
_resting: dict[uuid.UUID, Rest] = {}


def mend() -> int:
    """Every unsettled thing whose host answers has a repair under way, or a time for its next
    one. Returns how many were begun.

    Each has a transaction of its own, so that nobody waits for more than one repair, and a repair
    waits for nobody with another one in its hands. When nothing is due there is none. What cannot
    be mended costs nobody else anything, and is tried again after longer and longer pauses."""
    due = [(tables.mend, each) for each in _due("tables", tables.due)]
    due += [(noun.mend, each) for name, noun in NOUNS.items() for each in _due(name, noun.due)]
    for thing_id in _resting.keys() - {thing_id for _, thing_id in due}:
        del _resting[thing_id]
    return sum(_alone(mend_it, thing_id) for mend_it, thing_id in due)


def _due(name: str, due: Callable[[], Iterable[uuid.UUID]]) -> list[uuid.UUID]:
    return faults.survived(lambda: list(due()), [], what=f"the look at what is due of {name}")


def _alone(mend_it: Callable[[uuid.UUID], bool], thing_id: uuid.UUID) -> bool:
    rest = _resting.get(thing_id, Rest())
    if steady() < rest.until:
        return False
    begun = faults.survived(
        functools.partial(_mend, mend_it, thing_id), None, what=f"the mending of {thing_id}"
    )
    if begun is None:
        wait = backoff(rest.times + 1).total_seconds()
        _resting[thing_id] = Rest(rest.times + 1, steady() + wait)
    else:
        _resting.pop(thing_id, None)
    return bool(begun)


def _mend(mend_it: Callable[[uuid.UUID], bool], thing_id: uuid.UUID) -> bool:
    try:
        with transaction():
            return mend_it(thing_id)
    except Conflict:
        return False  # somebody has begun to change it at this moment
