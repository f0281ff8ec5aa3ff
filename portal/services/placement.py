"""Which host takes an instance, and what is said when none can.

Capacity counts claims: rows that are inserted with the instance and end when the host reports
the guest gone. Whoever inserts them has locked the host and summed them since, so that two never
promise the same memory. Of hosts that somebody else has locked nobody waits for one: another that
has room does as well. The conductor only ends claims.
"""

import contextlib
import dataclasses
import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import Float, Integer, Uuid, bindparam, case, func, select
from sqlalchemy.orm import load_only

from portal import config, db
from portal.db import Base, now, session
from portal.errors import NoRoom
from portal.models import Claim, Flavor, Host, Policy, Resource
from portal.models.host import PLACED_UNTIL
from portal.sentences import Sentence
from portal.services import no_room
from portal.services.no_room import No, Room
from portal.services.placement_rules import NONE, Rules

JUDGED = (  # by what it is decided whether a host can take something
    Host.name,
    Host.enabled,
    Host.disabled_reason,
    Host.zone,
    Host.heard_at,
    Host.observed_at,
    Host.vcpus,
    Host.memory_mib,
    Host.disk_gib,
    Host.disk_free_gib,
    Host.images,
)
NEARLY_FULL = "nearly full"


class Held(Exception):
    """There is room, but of hosts that somebody else has locked. Nothing was claimed."""


def claim(
    wanted: dict[Resource, int],
    *,
    count: int = 1,
    see_hosts: bool,
    patient: bool = False,
    rules: Rules = NONE,
) -> list[Host]:
    """A host for each of `count` instances, one that has room for `wanted` beside those before
    it and keeps `rules`. Until the transaction ends nobody else is given anything of these hosts.

    The caller inserts the claims (`claims`) in the same transaction. Raises NoRoom, which says
    how many would fit and for every host why not more, by name if `see_hosts` and else by count.
    Raises Held when only hosts
    that are locked have room: call it again in a new transaction, `patient`, which waits for them.
    """
    if rules.policy is Policy.TOGETHER and count > 1:  # one host has room for all of them
        whole = {resource: count * amount for resource, amount in wanted.items()}
        return count * claim(whole, see_hosts=see_hosts, patient=patient, rules=rules)
    if patient or (rules.policy and not rules.policy.strict):  # which compares all hosts
        everywhere = _hosts().order_by(Host.id).with_for_update(key_share=True)
        hosts = sorted(session.scalars(everywhere), key=lambda host: host.name)
        return _share_out(hosts, wanted, count, see_hosts=see_hosts, rules=rules)
    with contextlib.suppress(NoRoom):
        hosts, rooms = _lock_roomiest(wanted, count, rules)
        return _share_out(hosts, wanted, count, see_hosts=see_hosts, rooms=rooms, rules=rules)
    hosts = session.scalars(_hosts().order_by(Host.name)).all()
    _share_out(hosts, wanted, count, see_hosts=see_hosts, rules=rules)
    raise Held


def amounts_of(flavor: Flavor) -> dict[Resource, int]:
    """What one instance of this size takes of a host."""
    return {
        Resource.VCPU: flavor.vcpus,
        Resource.MEMORY: flavor.memory_mib,
        Resource.DISK: flavor.disk_gib,
    }


def fitting(wanted: dict[Resource, int], count: int, rules: Rules = NONE) -> int:
    """How many of `count` the hosts have room for at this moment. Nothing is claimed."""
    hosts = session.scalars(_hosts()).all()
    return len(_spread(hosts, room_of(hosts), wanted, count, rules)[0])


def fits(fitting: int, count: int) -> str:
    """How many of those that are wanted fit, as the beginning of a sentence."""
    return f"{fitting or 'None'} of {count} {'fits' if fitting < 2 else 'fit'} now"


def claims(holder: Base, wanted: dict[Resource, int], *, host_id: uuid.UUID) -> list[dict]:
    """The rows of Claim that hold `wanted` of a host for something, of whatever noun."""
    return [
        {
            "host_id": host_id,
            "holder_type": holder.__tablename__,
            "holder_id": holder.id,
            "resource": resource,
            "amount": amount,
        }
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
        return No(host.name, "in maintenance", _in_maintenance(host))
    if host.heard_at is None:
        never = Sentence("{host} has never been heard from", host=host.name)
        return No(host.name, "not heard from yet", never)
    if host.observed_at is None:
        silent = Sentence("{host} has not said yet what it has", host=host.name)
        return No(host.name, "not known yet", silent)
    if not host.placeable:
        last = Sentence(
            "{host} was last heard {heard_at:since}", host=host.name, heard_at=host.heard_at
        )
        return No(host.name, "not answering", last)
    least = config.current().least_free_gib
    if host.disk_free_gib < least:
        return No(
            host.name,
            NEARLY_FULL,
            Sentence(
                "{host} has {free:disk} free on its disk, and gets nothing new with less than "
                "{least:disk}",
                host=host.name,
                free=host.disk_free_gib,
                least=least,
            ),
        )
    for resource, amount in wanted.items():
        if amount > room[resource].free:
            return no_room.short(host, resource, room[resource], amount)
    return None


def _in_maintenance(host: Host) -> Sentence:
    if not host.disabled_reason:
        return Sentence("{host} is in maintenance", host=host.name)
    return Sentence(
        "{host} is in maintenance ({reason})", host=host.name, reason=host.disabled_reason
    )


def _hosts():
    return select(Host).options(load_only(*JUDGED)).execution_options(populate_existing=True)


def _statement_of_the_roomiest():
    """As many hosts with room for one as there are instances always suffice: each takes one.
    What they have left is as it was when the statement began, so it is summed again."""
    reserved = {
        Resource.VCPU: (Host.vcpus, 0),
        Resource.MEMORY: (Host.memory_mib, bindparam("reserved_memory_mib", type_=Integer)),
        Resource.DISK: (Host.disk_gib, bindparam("reserved_disk_gib", type_=Integer)),
    }
    sums = (
        func.sum(case((Claim.resource == each, Claim.amount), else_=0)).label(each.name)
        for each in Resource
    )
    claimed = select(Claim.host_id, *sums).group_by(Claim.host_id).subquery()
    free = {
        each: (has - kept) * bindparam(f"{each.name}_overcommit", type_=Float)
        - func.coalesce(claimed.c[each.name], 0)
        for each, (has, kept) in reserved.items()
    }
    return (
        _hosts()
        .add_columns(
            *(func.coalesce(claimed.c[each.name], 0).label(each.name) for each in Resource)
        )
        .outerjoin(claimed, claimed.c.host_id == Host.id)
        .where(Host.enabled, Host.observed_at.is_not(None), Host.heard_at >= bindparam("since"))
        .where(Host.disk_free_gib >= bindparam("least_free_gib", type_=Integer))
        .where(*(free[each] >= bindparam(each.name, type_=Integer) for each in Resource))
        .order_by(free[Resource.MEMORY].desc(), Host.name)
        .limit(bindparam("count", type_=Integer))
        .with_for_update(of=Host, key_share=True, skip_locked=True)
    )


ROOMIEST = _statement_of_the_roomiest()
ROOMIEST_OF_SOME = ROOMIEST.where(Host.id.in_(bindparam("some", expanding=True, type_=Uuid())))


def _lock_roomiest(
    wanted: dict[Resource, int], count: int, rules: Rules
) -> tuple[list[Host], dict]:
    """The hosts that have most memory left of those with room that `rules` do not rule out, but
    for those that somebody else has locked; and how they stand, now that they are."""
    settings = config.current()
    some = {}
    if rules:
        hosts = session.scalars(_hosts())
        some = {"some": [each.id for each in hosts if not rules.against(each)]}
    rows = session.execute(
        ROOMIEST_OF_SOME if rules else ROOMIEST,
        {each.name: wanted.get(each, 0) for each in Resource}
        | {
            "count": count,
            "since": now() - PLACED_UNTIL,
            "least_free_gib": settings.least_free_gib,
            "reserved_memory_mib": settings.reserved_memory_mib,
            "reserved_disk_gib": settings.reserved_disk_gib,
            "VCPU_overcommit": settings.vcpu_overcommit,
            "MEMORY_overcommit": settings.memory_overcommit,
            "DISK_overcommit": settings.disk_overcommit,
        }
        | some,
    ).all()
    hosts = [row.Host for row in rows]
    if not db.alone_at_once():
        return hosts, room_of(hosts)
    return hosts, {
        row.Host.id: {
            each: Room(amount, int(getattr(row, each.name)))
            for each, amount in capacity(row.Host).items()
        }
        for row in rows
    }


def _share_out(
    hosts: Sequence[Host],
    wanted: dict[Resource, int],
    count: int,
    *,
    see_hosts: bool,
    rooms: dict | None = None,
    rules: Rules,
) -> list[Host]:
    """A host for each of `count`, always the one with most memory left of those that `rules` like
    best. `rooms` is how they stand, if that is known. Raises NoRoom."""
    rooms = room_of(hosts) if rooms is None else rooms
    chosen, left, after = _spread(hosts, rooms, wanted, count, rules)
    if len(chosen) == count:
        return chosen
    ordered = sorted(hosts, key=lambda host: -rooms[host.id][Resource.MEMORY].free)
    reasons = [
        after.against(host)
        or unfit(host, rooms[host.id], wanted)
        or no_room.full(host, rooms[host.id], left[host.id], wanted)
        for host in ordered
    ]
    raise NoRoom.saying(
        no_room.sentence(
            reasons,
            fitting=len(chosen),
            count=count,
            see_hosts=see_hosts,
            head=rules.head,
            instead=rules.way_out,
        )
    )


def _spread(
    hosts: Sequence[Host], rooms: dict, wanted: dict[Resource, int], count: int, rules: Rules
) -> tuple[list[Host], dict, Rules]:
    """Hosts for as many of `count` as have room, each time the one with most memory left of those
    that `rules` like best; how they stand with those on them, and the rules for one more."""
    left, chosen = dict(rooms), []
    fit = [host for host in hosts if _fits(host, left, wanted, rules)]
    while fit and len(chosen) < count:
        host = max(fit, key=lambda host: (rules.liking(host), left[host.id][Resource.MEMORY].free))
        left[host.id] = {
            resource: dataclasses.replace(room, claimed=room.claimed + wanted.get(resource, 0))
            for resource, room in left[host.id].items()
        }
        chosen.append(host)
        rules = rules.taking(host)
        if not _fits(host, left, wanted, rules):
            fit.remove(host)
    return chosen, left, rules


def _fits(host: Host, left: dict, wanted: dict[Resource, int], rules: Rules) -> bool:
    return not rules.against(host) and unfit(host, left[host.id], wanted) is None
