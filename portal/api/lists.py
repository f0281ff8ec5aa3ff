"""Lists as clients ask for them: limit, marker, order, filters and fields, read from the query; and
the links that lead on, in the shape of the service that was asked.

A noun says what of it may be asked for by one `Listed`; its service takes the `Stretch` that is
made of the query (`portal/services/listing.py`).
"""

import csv
import dataclasses
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

from flask import request

from portal.api import faults, links, microversions, wire
from portal.services.listing import Stretch

FIRST_YEAR, LAST_YEAR = 1970, 9000  # of moments that can be asked about
MOST = 1000  # things in one answer
PAGED = ("limit", "marker", "sort_key", "sort_dir")  # of every list
FORMS = (str.lower, str.capitalize, str.upper)
YES, NO = {"true", "1", "yes", "on", "t"}, {"false", "0", "no", "off", "f"}
BOOLEAN = {  # true or false, in any of the words that clients have for them in a body
    "type": ["boolean", "string"],
    "enum": [True, False, *(form(each) for each in (*sorted(YES), *sorted(NO)) for form in FORMS)],
}
NEVER = uuid.UUID(int=0)  # the id of nothing


def text(value: str) -> str:
    """A text. Raises Fault for one that holds what no database keeps."""
    if "\0" in value:
        raise faults.bad("A filter holds what is no character.")
    return value


def flag(value: str) -> bool:
    """Yes or no, in any of the words that clients have for them. Raises Fault."""
    if value.lower() not in YES | NO:
        raise faults.bad(f"{value[:80]!r} is neither true nor false.")
    return value.lower() in YES


def moment(value: str) -> datetime:
    """A moment; one that says no zone is in UTC. Raises Fault."""
    try:
        found = datetime.fromisoformat(value if ":" in value[11:16] else value.replace(" ", "+"))
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise faults.bad(f"{value[:80]!r} is no moment: 2026-01-01T00:00:00Z.") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:  # beyond them nothing can be reckoned with
        raise faults.bad(f"{value[:80]!r} is too far away.")
    return found


def truth(value: bool | str) -> bool:
    """Yes or no, of a value in a body that BOOLEAN has judged."""
    return value if isinstance(value, bool) else flag(value)


def an_id(value: str) -> uuid.UUID:
    """An id; what is none is the id of nothing, so that nothing is found."""
    return wire.as_id(value) or NEVER


def whole(value: str) -> int:
    """A number. Raises Fault."""
    if not value.isascii() or not value.lstrip("-").isdigit() or len(value) > 18:
        raise faults.bad(f"{value[:80]!r} is no whole number.")
    return int(value)


@dataclasses.dataclass(frozen=True)
class Listed:
    """What may be asked of a list of things. `sorts` are wire names and the service's own;
    `filters` wire names, the service's own, and how values are read. What is not named there is
    no filter, and is passed over as upstream does."""

    noun: str  # the key in the answer: "servers"
    sorts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    filters: Mapping[str, tuple[str, Callable]] = dataclasses.field(default_factory=dict)
    order: Sequence[tuple[str, bool]] = (("created_at", True),)  # unless asked for
    most: int = MOST
    known: Sequence[str] = ()  # what may be asked besides, and is read elsewhere
    alone_from: tuple[int, int] | None = None  # from that version on nothing else may be asked


def wanted(listed: Listed) -> Stretch:
    """What the query of this request asks for. Raises Fault, 400, for what cannot be meant."""
    if listed.alone_from and microversions.agreed() >= listed.alone_from:
        refuse_others((*PAGED, *listed.filters, *listed.known))
    marker = request.args.get("marker")
    after = wire.as_id(marker) if marker else None
    if marker and after is None:
        raise faults.bad(f"The marker {marker[:80]!r} is not in this list: begin it anew.")
    return Stretch(
        order=_order(listed) or listed.order,
        after=after,
        limit=limit(listed.most),
        backwards=flag(request.args.get("page_reverse", "false")),
        filters={
            ours: tuple(read(each) for value in request.args.getlist(name) for each in _any(value))
            for name, (ours, read) in listed.filters.items()
            if name in request.args
        },
    )


def refuse_others(known: Collection[str]) -> None:
    """Raises Fault, 400, where the query asks for anything but what is `known`."""
    others = [each for each in request.args if each not in known]
    if others:
        raise faults.bad(
            f"Additional properties are not allowed ({others[0][:80]!r} was unexpected)"
        )


def limit(most: int) -> int:
    """How many things are asked for at once, `most` if nothing is said. Raises Fault."""
    given = request.args.get("limit")
    if given is None:
        return most
    number = whole(given)
    if number < 0:
        raise faults.bad(f"A limit is 0 or more, and not {number}.")
    if number == 0 and request.blueprint.startswith("network"):
        return most  # there it means that there is none
    return min(number, most)


def answer(listed: Listed, shown: list[dict], more: bool) -> dict:
    """The body of a list: these things, and where it goes on if there are `more`."""
    style = _STYLES[request.blueprint.partition(".")[0]]
    return style(listed.noun, shown, more)


def picked(thing: dict) -> dict:
    """Of one thing what `fields` of the query names, or all of it."""
    fields = {each for value in request.args.getlist("fields") for each in value.split(",")}
    return {name: thing[name] for name in thing if name in fields} if fields else thing


def _order(listed: Listed) -> list[tuple[str, bool]]:
    """Both ways to ask: sort=name:asc,id:desc and sort_key=name&sort_dir=asc, repeated."""
    pairs = [each.partition(":")[::2] for each in request.args.get("sort", "").split(",") if each]
    keys, directions = request.args.getlist("sort_key"), request.args.getlist("sort_dir")
    if len(directions) == 1:
        directions *= len(keys)
    pairs += [
        (key, directions[number] if number < len(directions) else "")
        for number, key in enumerate(keys)
    ]
    order: dict[str, bool] = {}
    for key, direction in pairs:
        if key not in listed.sorts:
            raise faults.bad(f"This cannot be sorted by {key[:80]!r}.")
        if direction.lower() not in ("asc", "desc", ""):
            raise faults.bad(f"{direction[:80]!r} is no direction: asc or desc.")
        default = "asc" if request.blueprint.startswith("network") else "desc"
        order.setdefault(listed.sorts[key], (direction or default).lower() == "desc")
    return list(order.items())


def _any(value: str) -> list[str]:
    """The values of one filter: images are asked for by in:a,b."""
    value = text(value)
    if request.blueprint.startswith("image") and value.startswith("in:"):
        return next(csv.reader([value.removeprefix("in:")]), [])
    return [value]


def _compute(noun: str, shown: list[dict], more: bool) -> dict:
    body = {noun: shown}
    if more:
        href = links.here(marker=shown[-1]["id"])
        body[f"{noun}_links"] = [{"rel": "next", "href": href}]
    return body


def _network(noun: str, shown: list[dict], more: bool) -> dict:
    backwards = flag(request.args.get("page_reverse", "false"))
    forward = more if not backwards else "marker" in request.args
    back = more if backwards else "marker" in request.args
    body = {noun: [picked(each) for each in shown]}
    if shown and "limit" in request.args:
        found = []
        if forward:
            href = links.here(marker=shown[-1]["id"], page_reverse=None)
            found.append({"rel": "next", "href": href})
        if back:
            href = links.here(marker=shown[0]["id"], page_reverse=True)
            found.append({"rel": "previous", "href": href})
        if found:
            body[f"{noun}_links"] = found
    return body


def _identity(noun: str, shown: list[dict], more: bool) -> dict:
    following = links.here(marker=shown[-1]["id"]) if more else None
    return {noun: shown, "links": links.of_list(following)}


def _image(noun: str, shown: list[dict], more: bool) -> dict:
    """Links are paths here, below the root of the service."""
    body = {noun: shown, "first": _below_root(links.here(marker=None))}
    if more:
        body["next"] = _below_root(links.here(marker=shown[-1]["id"]))
    return body | {"schema": f"/v2/schemas/{noun}"}


def _below_root(url: str) -> str:
    return url.removeprefix(links.to("/image"))


_STYLES = {
    "identity": _identity,
    "compute": _compute,
    "network": _network,
    "image": _image,
    "volume": _compute,
}
