"""Which images a host gives up when its cache has grown too large. Touches nothing."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

GIB = 1 << 30
JUST_USED_SECONDS = 1800  # a guest may be about to be made of it: as long as a create may take


@dataclass(frozen=True, kw_only=True)
class Cached:
    """An image in the cache."""

    sha256: str
    own_bytes: int  # that are free once it is gone: none of a file that the store has too
    used_at: float  # seconds since 1970: when a guest was made of it last, or it came


def given_up(
    cached: Iterable[Cached], *, needed: Collection[str], excess_bytes: int, moment: float
) -> list[str]:
    """The images that go, the one that nobody has used for longest first, until so many bytes are
    free. Those that are `needed` by disks stay, and so does what was used just now, be it that
    less is freed."""
    gone, freed = [], 0
    for image in sorted(cached, key=lambda each: (each.used_at, each.sha256)):
        if freed >= excess_bytes:
            break
        spare = image.used_at < moment - JUST_USED_SECONDS and image.sha256 not in needed
        if spare and image.own_bytes:
            gone.append(image.sha256)
            freed += image.own_bytes
    return gone
