"""Which host takes an instance, and what is said when none can.

Capacity counts claims: rows that are inserted with the instance and end when the host reports
the guest gone. Requests sum and insert them one after the other, so that two never promise the
same memory; the conductor only ends claims and need not wait for them.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import load_only

from portal import config, db
from portal.db import Base, now, session
from portal.errors import NoRoom
from portal.models import Claim, Host, Resource

JUDGED = (  # by what it is decided whether a host can take something
    Host.name,
    Host.enabled,
    Host.disabled_reason,
    Host.heard_at,
    Host.observed_at,
    Host.vcpus,
    Host.memory_mib,
    Host.disk_gib,
)
WORDS = {Resource.VCPU: "vCPUs", Resource.MEMORY: "MiB of memory", Resource.DISK: "GiB of disk"}


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
    kind: str  # what hosts that fail alike share: "lacks 1024 MiB of memory"
    sentence: str


def claim(wanted: dict[Resource, int], *, count: int = 1, see_hosts: bool) -> list[Host]:
    """A host for each of `count` instances, one that has room for `wanted` beside those before
    it. Until the transaction ends nobody else is given one.

    The caller inserts the claims (`claims`) in the same transaction. Raises NoRoom, which says
    for every host why not, by name if `see_hosts` and else by count.
    """
    db.alone(db.Purpose.PLACEMENT)
    hosts = session.scalars(select(Host).order_by(Host.name).options(load_only(*JUDGED))).all()
    rooms = room_of(hosts)
    chosen = []
    for _ in range(count):
        host = _roomiest(hosts, rooms, wanted, see_hosts=see_hosts)
        rooms[host.id] = {
            resource: dataclasses.replace(room, claimed=room.claimed + wanted.get(resource, 0))
            for resource, room in rooms[host.id].items()
        }
        chosen.append(host)
    return chosen


def claims(holder: Base, wanted: dict[Resource, int], *, host_id: uuid.UUID) -> list[Claim]:
    """The rows that hold `wanted` of a host for something, of whatever noun."""
    return [
        Claim(
            host_id=host_id,
            holder_type=holder.__tablename__,
            holder_id=holder.id,
            resource=resource,
            amount=amount,
        )
        for resource, amount in wanted.items()
    ]


def room_of(hosts: Iterable[Host]) -> dict[uuid.UUID, dict[Resource, Room]]:
    """What each of these hosts has to promise and has promised."""
    capacities = {host.id: capacity(host) for host in hosts}
    claimed = {
        (host_id, resource): int(amount)
        for host_id, resource, amount in session.execute(
            select(Claim.host_id, Claim.resource, func.sum(Claim.amount))
            .where(Claim.host_id.in_(capacities))
            .group_by(Claim.host_id, Claim.resource)
        )
    }
    return {
        host_id: {
            resource: Room(amount, claimed.get((host_id, resource), 0))
            for resource, amount in amounts.items()
        }
        for host_id, amounts in capacities.items()
    }


def capacity(host: Host) -> dict[Resource, int]:
    """What a host may promise: what it has, less its own share, times the overcommit."""
    settings = config.current()
    return {
        Resource.VCPU: int(host.vcpus * settings.vcpu_overcommit),
        Resource.MEMORY: int(
            max(0, host.memory_mib - settings.reserved_memory_mib) * settings.memory_overcommit
        ),
        Resource.DISK: int(
            max(0, host.disk_gib - settings.reserved_disk_gib) * settings.disk_overcommit
        ),
    }


def unfit(host: Host, room: dict[Resource, Room], wanted: dict[Resource, int]) -> No | None:
    """Why `host` cannot take `wanted`, or None when it can."""
    if not host.enabled:
        why = f" ({host.disabled_reason})" if host.disabled_reason else ""
        return No(host.name, "in maintenance", f"{host.name} is in maintenance{why}")
    if host.heard_at is None:
        return No(host.name, "not heard from yet", f"{host.name} has never been heard from")
    if host.observed_at is None:
        return No(host.name, "not known yet", f"{host.name} has not said yet what it has")
    if not host.placeable:
        seconds = int((now() - host.heard_at).total_seconds())
        return No(host.name, "not answering", f"{host.name} was last heard {seconds} s ago")
    for resource, amount in wanted.items():
        free = room[resource].free
        if amount > free:
            words = WORDS[resource]
            return No(
                host.name,
                f"short of {amount - free} {words}",
                f"{host.name} has {free} of {room[resource].capacity} {words} left, "
                f"{amount} were asked for",
            )
    return None


def _roomiest(
    hosts: Sequence[Host], rooms: dict, wanted: dict[Resource, int], *, see_hosts: bool
) -> Host:
    reasons = []
    for host in sorted(hosts, key=lambda host: -rooms[host.id][Resource.MEMORY].free):
        refusal = unfit(host, rooms[host.id], wanted)
        if refusal is None:
            return host
        reasons.append(refusal)
    raise NoRoom(_sentence(reasons, see_hosts=see_hosts))


def _sentence(reasons: list[No], *, see_hosts: bool) -> str:
    if not reasons:
        return "There is no host yet. An administrator adds one with `flask add-host`."
    if see_hosts:
        return f"No host has room: {'; '.join(no.sentence for no in reasons)}."
    kinds = dict.fromkeys(no.kind for no in reasons)
    counted = [(sum(no.kind == kind for no in reasons), kind) for kind in kinds]
    parts = [f"{n} of {len(reasons)} hosts {'is' if n == 1 else 'are'} {k}" for n, k in counted]
    if len(reasons) == 1:
        parts = [f"the only host is {reasons[0].kind}"]
    return (
        f"No host has room: {'; '.join(parts)}. "
        "Choose a smaller flavor, delete something, or try again later."
    )
