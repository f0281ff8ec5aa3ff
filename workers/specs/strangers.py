"""What lies on a host and belongs to nothing."""

import dataclasses

from workers.specs.spec import Spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stranger:
    """A thing on a host that bears our marks or names and belongs to nothing the host was told of.

    `kind` is "guest", "disks", "network", "domain" (a guest that bears our name without our mark),
    "bridge", "leg", "tap", "namespace", "table" or "dnsmasq".
    """

    kind: str
    name: str  # as it is called on the host
    # of what it says it belongs to: the id of the instance or network, the segment of a bridge or
    # leg, the first 11 digits of a tap's port; empty if it says nothing
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StrangersSpec(Spec):
    """Things that the operator has seen on a host and wants gone; `id` is the host's."""

    strangers: tuple[Stranger, ...] = ()
