"""Images as a host caches them."""

import dataclasses

from workers.specs.spec import Spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSpec(Spec):
    """A disk image that the host's cache shall hold, named by the SHA-256 of its content."""

    sha256: str
    format: str  # "qcow2" or "raw"; said by the portal, never probed
    size_bytes: int
    virtual_size_bytes: int
