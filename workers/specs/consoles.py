"""Calls for the screens of guests."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsoleCall:
    """The wish for a guest's screen, to the agent of its host: the first line of a stream, sealed
    like a job. It is good once."""

    host: str
    instance_id: str
    nonce: str
    not_after: float  # seconds since 1970
