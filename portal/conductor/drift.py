"""What is no longer as it was settled, and what is done about it.

Three rules: (1) it was settled and no longer is, or its host came back: a repair, which is the
same job once more; (2) something ended by its own decision: intent follows; (3) something is there
that nobody wants: it is shown to the operator, and goes only when told to. What that means for a
noun, the noun says.
"""

import uuid
from collections.abc import Callable

from portal.conductor import tables
from portal.conductor.nouns import NOUNS
from portal.db import transaction
from portal.errors import Conflict


def mend() -> int:
    """Every unsettled thing whose host answers has a repair under way, or a time for its next
    one. Returns how many were begun.

    Each has a transaction of its own, so that nobody waits for more than one repair, and a repair
    waits for nobody with another one in its hands. When nothing is due there is none."""
    due = [(tables.mend, each) for each in tables.due()]
    due += [(noun.mend, each) for noun in NOUNS.values() for each in noun.due()]
    return sum(_alone(mend_it, thing_id) for mend_it, thing_id in due)


def _alone(mend_it: Callable[[uuid.UUID], bool], thing_id: uuid.UUID) -> bool:
    try:
        with transaction():
            return mend_it(thing_id)
    except Conflict:
        return False  # somebody has begun to change it at this moment
