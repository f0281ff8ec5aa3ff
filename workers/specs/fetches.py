"""Images on their way from a publisher into the image store."""

import dataclasses

from workers.specs.spec import Spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class FetchSpec(Spec):
    """A published disk image that the image store shall hold; `id` is that of the portal's image.

    The sum comes from the publisher's own list, which names the file.
    """

    url: str  # https
    file: str
    sums_url: str  # https
    most_bytes: int
    most_virtual_bytes: int  # of the disk inside


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fetched:
    """A published image that a host has put into the image store; `id` is its spec's."""

    id: str
    sha256: str
    format: str  # "qcow2"
    size_bytes: int
    virtual_size_bytes: int
