"""What every spec says."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """How one thing shall be on one host.

    `generation` orders the specs of a thing: a host that has seen a newer one ignores this.
    """

    id: str
    generation: int
