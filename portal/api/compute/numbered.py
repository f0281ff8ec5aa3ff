"""Things that had numbers before they had UUIDs, and few enough of them to be looked through."""

from collections.abc import Sequence

from flask import request

from portal.api import faults, lists, microversions, wire

UUIDS = (2, 53)  # since when hosts are known by them
STRICT = (2, 75)  # since when a query that is not understood is refused


def shown_id(thing) -> int | str:
    """The id of a host as this version has it."""
    return str(thing.id) if microversions.agreed() >= UUIDS else wire.number(thing.id)


def find(things: Sequence, text: str, missing: str):
    """The one of `things` that has this id in this version. Raises Fault, 404, which says
    `missing`."""
    found = next((each for each in things if str(shown_id(each)) == text), None)
    if found is None:
        raise faults.Fault(404, missing)
    return found


def of_number(things: Sequence, text: str, missing: str):
    """The one of `things` that has this number. Raises Fault, 404, which says `missing`."""
    found = next((each for each in things if str(wire.number(each.id)) == text), None)
    if found is None:
        raise faults.Fault(404, missing)
    return found


def stretch(things: Sequence, *, missing: str) -> tuple[list, bool]:
    """Of `things` those behind the marker, as many as the limit of this request has it, and
    whether there are more. Raises Fault, 400, which says `missing` of a marker that is gone."""
    marker, limit = request.args.get("marker"), request.args.get("limit")
    most = lists.MOST if limit is None else lists.whole(limit)
    if most < 0:
        raise faults.bad(f"A limit is 0 or more, and not {most}.")
    behind = list(things)
    if marker is not None:
        ids = [str(shown_id(each)) for each in behind]
        if marker not in ids:
            raise faults.bad(missing)
        behind = behind[ids.index(marker) + 1 :]
    return behind[:most], len(behind) > most and most > 0


def refuse_others(*known: str) -> None:
    """Raises Fault, 400, for what a query asks beside these, since clients are told so."""
    others = sorted(set(request.args) - set(known))
    if others and microversions.agreed() >= STRICT:
        raise faults.bad(
            f"Additional properties are not allowed ({others[0][:80]!r} was unexpected)"
        )
