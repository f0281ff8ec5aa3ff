"""What a check came to."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check came to: what should be so, and, if it is not, what mends it."""

    ok: bool
    what: str
    mend: str = ""
