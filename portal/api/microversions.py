"""Which version of an API a request and its answer are in.

The one table says from where to where each service goes: up to what is wholly implemented.
https://specs.openstack.org/openstack/api-sig/guidelines/microversion_specification.html
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from flask import g, request

from portal.api import faults

LATEST = "latest"
HEADER = "OpenStack-API-Version"

Pair = tuple[int, int]


class Version(NamedTuple):
    """Compares with a pair: `microversions.agreed() >= (2, 47)`."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclasses.dataclass(frozen=True)
class Range:
    """The versions of one service, its name in the header, and a header of its own that it had
    before."""

    service: str
    least: Version
    most: Version
    older_header: str = ""


RANGES = {
    # 2.90 would let hostnames be changed, which guests keep here
    "compute": Range("compute", Version(2, 1), Version(2, 89), "X-OpenStack-Nova-API-Version"),
}


def agreed() -> Version:
    """The version of this request and of its answer."""
    return g.version


def only(first: Pair | None = None, *, end: Pair | None = None):
    """The view is there from version `first` on, and from `end` on no longer; in any other version
    there is nothing at its path."""

    def bounded(view: Callable) -> Callable:
        @functools.wraps(view)
        def answered(**arguments):
            version = agreed()
            if (first and version < first) or (end and version >= end):
                raise faults.Fault(404, "The resource could not be found.")
            return view(**arguments)

        answered.first = first
        return answered

    return bounded


def fitting(thing: dict, changes: Mapping[str, tuple[Pair | None, Pair | None]]) -> dict:
    """Of one thing what this version has: a field that is named in `changes` from the first
    version, if there is one, to before the second, if there is one."""
    version = agreed()

    def has(name: str) -> bool:
        first, end = changes.get(name, (None, None))
        return (first is None or version >= first) and (end is None or version < end)

    return {name: value for name, value in thing.items() if has(name)}


def agree(key: str) -> None:
    """The request has a version: the one it asks for, or the least. Raises Fault, 400 for what
    names none and 406 for one that is not served."""
    served = RANGES[key]
    asked = _asked(served)
    if asked in (None, LATEST):
        g.version = served.most if asked else served.least
        return
    parts = re.fullmatch(r"([1-9]\d{0,5})\.(0|[1-9]\d{0,5})", asked, re.ASCII)
    if parts is None:
        raise faults.bad(
            f"API Version String {asked[:80]} is of invalid format. "
            "Must be of format MajorNum.MinorNum."
        )
    version = Version(int(parts[1]), int(parts[2]))
    if not served.least <= version <= served.most:
        raise faults.Fault(
            406,
            f"Version {version} is not supported by the API. Minimum is {served.least} and "
            f"maximum is {served.most}.",
        )
    g.version = version


def echo(key: str, response) -> None:
    """The answer says which version it is in, and that it would be another in another."""
    served = RANGES[key]
    response.vary.add(HEADER)
    if served.older_header:
        response.vary.add(served.older_header)
    if "version" not in g:
        return
    response.headers[HEADER] = f"{served.service} {g.version}"
    if served.older_header:
        response.headers[served.older_header] = str(g.version)


def _asked(served: Range) -> str | None:
    """What the headers ask of this service; None for nothing. One that names several services
    asks each for its own."""
    for each in request.headers.get(HEADER, "").split(","):
        words = each.split()
        if words and words[0].lower() == served.service:
            return " ".join(words[1:])
        if len(words) == 1:
            return words[0]
    older = request.headers.get(served.older_header) if served.older_header else None
    return older.strip() if older is not None else None
