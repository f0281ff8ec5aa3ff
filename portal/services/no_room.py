"""Why a host, or no host at all, has room for what is wanted, in sentences."""

import dataclasses
from collections import Counter

from portal.models import Host, Resource
from portal.sentences import Sentence

WHAT = {  # stands behind an amount of it
    Resource.VCPU: "vCPUs",
    Resource.MEMORY: "of memory",
    Resource.DISK: "of disk",
}
SMALLER = Sentence("Choose a smaller flavor")


@dataclasses.dataclass(frozen=True)
class Room:
    """How a host stands with one resource."""

    capacity: int
    claimed: int

    @property
    def free(self) -> int:
        return max(0, self.capacity - self.claimed)


@dataclasses.dataclass(frozen=True)
class No:
    """Why one host cannot take an instance."""

    host: str
    kind: str | Sentence  # what hosts that fail alike share: "short of 1 GiB of memory"
    sentence: Sentence  # without its full stop


def short(host: Host, resource: Resource, room: Room, amount: int) -> No:
    """Of a host that has not so much left of it."""
    what = WHAT[resource]
    return No(
        host.name,
        Sentence(
            "short of {short} {what}", short=_so_much(resource, amount - room.free), what=what
        ),
        Sentence(
            "{host} has {free} {what} left of {capacity}, {wanted} were asked for",
            host=host.name,
            free=_so_much(resource, room.free),
            what=what,
            capacity=_so_much(resource, room.capacity),
            wanted=_so_much(resource, amount),
        ),
    )


def full(host: Host, room: dict, left: dict, wanted: dict[Resource, int]) -> No:
    """Of a host that has room for one, or for several, and none for one more."""
    short = next(each for each, amount in wanted.items() if amount > left[each].free)
    each, what = _so_much(short, wanted[short]), WHAT[short]
    return No(
        host.name,
        Sentence("full with them: not {each} {what} for one more", each=each, what=what),
        Sentence(
            "{host} has {free} of {capacity} {what} left, and each takes {each}",
            host=host.name,
            free=_so_much(short, room[short].free),
            capacity=_so_much(short, room[short].capacity),
            what=what,
            each=each,
        ),
    )


def sentence(
    reasons: list[No],
    *,
    fitting: int,
    count: int,
    see_hosts: bool,
    head: Sentence | None = None,
    instead: Sentence = SMALLER,
) -> Sentence:
    """What is said when only `fitting` of `count` have a host: why each has no room, by name if
    `see_hosts` and else by count. `head` says what there is none of, where only some hosts were
    wanted, and `instead` what one might choose."""
    if not reasons:
        return Sentence("There is no host yet. An administrator adds one with `flask add-host`.")
    no_room = head if head and not fitting else _no_room(fitting, count)
    if see_hosts:
        sentences = [no.sentence for no in reasons]
        return Sentence("{no_room}: {reasons:parts}.", no_room=no_room, reasons=sentences)
    if len(reasons) == 1:
        parts = [Sentence("the only host is {kind}", kind=reasons[0].kind)]
    else:
        alike = Counter(str(no.kind) for no in reasons)
        parts = [_counted(number, len(reasons), kind) for kind, number in alike.items()]
    way_out = (
        Sentence("Ask for {fitting}, choose a smaller flavor", fitting=fitting)
        if fitting
        else instead
    )
    return Sentence(
        "{no_room}: {reasons:parts}. {way_out}, delete something, or try again later.",
        no_room=no_room,
        reasons=parts,
        way_out=way_out,
    )


def _no_room(fitting: int, count: int) -> Sentence:
    if not fitting:
        return Sentence("No host has room")
    if fitting == 1:
        return Sentence("1 of {count} fits now, then no host has room", count=count)
    return Sentence(
        "{fitting} of {count} fit now, then no host has room", fitting=fitting, count=count
    )


def _counted(number: int, count: int, kind: str) -> Sentence:
    if number == 1:
        return Sentence("1 of {count} hosts is {kind}", count=count, kind=kind)
    return Sentence("{number} of {count} hosts are {kind}", number=number, count=count, kind=kind)


def _so_much(resource: Resource, amount: int) -> Sentence:
    """So much of it, for people."""
    match resource:
        case Resource.MEMORY:
            return Sentence("{amount:memory}", amount=amount)
        case Resource.DISK:
            return Sentence("{amount:disk}", amount=amount)
    return Sentence("{amount}", amount=amount)
