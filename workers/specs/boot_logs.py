"""What guests write to their serial ports."""

import dataclasses

from workers.specs.spec import Spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class BootLogSpec(Spec):
    """A question to a host: what a guest wrote to its serial port. `id` is the instance's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BootLog:
    """What a guest wrote to its serial port, control characters and all: the newest 256 KiB."""

    id: str
    text: str
