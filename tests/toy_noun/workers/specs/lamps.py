"""Lamps as a host lights them."""

import dataclasses

from workers.specs.spec import Spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class LampSpec(Spec):
    """A lamp that shall be lit in this colour."""

    colour: str
