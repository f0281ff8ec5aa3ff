"""Networks of projects."""

import dataclasses
import ipaddress
import secrets
import uuid
from collections.abc import Callable, Sequence

from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select, update
from sqlalchemy.orm import joinedload, lazyload, selectinload

from portal import config
from portal.changes.networks import NETWORK_TABLE
from portal.db import now, session, transaction
from portal.errors import InUse, Refused, all_of
from portal.models import FixedIp, Host, Instance, Network, Outcome, Port, Scope, Subnet, Task
from portal.policies import Actor, authorize
from portal.services import activities, finding, idempotency, names, quotas, scopes
from portal.services.addresses import new_mac
from portal.services.details import Details, checked
from portal.services.listing import Query, Stretch, always, ordered, stretch, tagged
from portal.services.operations import open_operation, table_parts
from portal.services.scopes import Raised

FIRST_CIDR = "10.0.0.0/24"
MOST_AT_ONCE = 20
SEGMENTS = 2_000_000  # each has a /31 of 100.64.0.0/10 as its way out
SMALLEST, LARGEST = 29, 16  # prefix lengths: 5 addresses for guests, 65,532
PRIVATE = [
    ipaddress.ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
]  # RFC 1918
COLUMNS = {
    name: getattr(Network, name)
    for name in ("id", "name", "project_id", "mtu", "description", "created_at", "updated_at")
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wish:
    """What a network shall be called, and what shall be said of it; what is None stays."""

    name: str | None = None
    description: str | None = None
    tags: Sequence[str] | None = None


def create(
    actor: Actor, project_id: uuid.UUID, name: str, cidr: str | None, *, nat: bool
) -> Network:
    """There is a network of the project, with this range of addresses; with None it has none yet,
    and instances get none there. No host carries it until an instance is on it."""
    authorize(actor, "networks:create", project_id)
    label, block = all_of(lambda: names.label(name), lambda: cidr is not None and parse_cidr(cidr))
    with transaction():
        quotas.lock(project_id)
        quotas.check(project_id, networks=1)
        if block:
            refuse_overlap(project_id, block)
        network = add(project_id, name=label, cidr=str(block) if block else None, nat=nat)
        activities.record(
            actor,
            "networks:create",
            network,
            after={"name": label, "cidr": network.ranges, "nat": nat},
        )
    return network


def make(
    actor: Actor, project_id: uuid.UUID, wanted: Sequence[Wish], *, key: str = ""
) -> list[Network]:
    """There are networks of the project without a range of addresses, all that are wanted or none.
    A program may leave one without a name. The same `key` again answers with those that it made
    the first time. Raises NotFound if one of these is gone."""
    authorize(actor, "networks:create", project_id)
    idempotency.check(key)
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise Refused("From 1 to {most} at once.", most=MOST_AT_ONCE)
    fields = [{"name": ""} | _fields(each) for each in wanted]
    body = idempotency.body_hash(wanted)
    made: list[Network] = []
    with transaction():
        quotas.lock(project_id)
        known = (project_id, key, "networks:create", body)
        if earlier := idempotency.earlier(*known):
            return [find(actor, project_id, each) for each in earlier]
        quotas.check(project_id, networks=len(fields))
        for each in fields:
            network = add(project_id, cidr=None, nat=True, **each)
            activities.record(
                actor,
                "networks:create",
                network,
                after={"name": network.name, "cidr": "", "nat": True},
            )
            made.append(network)
        idempotency.remember(*known, [each.id for each in made])
    return made


def refuse_overlap(project_id: uuid.UUID, block: ipaddress.IPv4Network) -> None:
    """Return when no network of the project has an address of the range. Raises Refused. Call it
    under the lock of the project."""
    for other in session.scalars(
        select(Subnet)
        .join(Network)
        .where(Network.project_id == project_id, Network.deleted_at.is_(None))
    ):
        if block.overlaps(ipaddress.ip_network(other.cidr)):
            raise Refused(
                "{block} overlaps with another subnet: {cidr}, which the network {network} of this "
                "project has. Choose another range.",
                block=block,
                cidr=other.cidr,
                network=other.network.called,
                field="cidr",
            )


def add(project_id: uuid.UUID, *, name: str, cidr: str | None, nat: bool, **more) -> Network:
    """A network, with its subnet if it has a range of addresses, and `more` columns. For use
    inside a change."""
    network = Network(
        project_id=project_id,
        name=name,
        segment_id=_free_segment(),
        mtu=config.current().network_mtu,
        nat=nat,
        gateway_mac=new_mac(),
        **more,
    )
    if cidr:
        network.subnets.append(subnet_of(ipaddress.IPv4Network(cidr)))
    session.add(network)
    session.flush()
    return network


def subnet_of(block: ipaddress.IPv4Network, **more) -> Subnet:
    """A subnet of this range: its first address is the gateway, its last one answers DHCP and
    DNS."""
    return Subnet(
        cidr=str(block),
        gateway=str(block.network_address + 1),
        dhcp_address=str(block.broadcast_address - 1),
        routed=True,
        pools=[],
        **more,
    )


def find(actor: Actor, project_id: uuid.UUID, name_or_id: uuid.UUID | str) -> Network:
    """The network. Raises NotFound, Ambiguous."""
    return finding.find(actor, Network, name_or_id, project_id=project_id)


def of_project(actor: Actor, project_id: uuid.UUID) -> list[Network]:
    """The project's networks, oldest first."""
    authorize(actor, "networks:read", project_id)
    return list(
        session.scalars(
            select(Network)
            .where(Network.project_id == project_id, Network.deleted_at.is_(None))
            .order_by(Network.created_at, Network.id)
        )
    )


def listed(actor: Actor, wanted: Stretch) -> tuple[list[Network], bool]:
    """A stretch of the networks that the actor looks at, and whether there are more."""
    authorize(actor, "networks:read", actor.project_id)
    query = select(Network).where(Network.deleted_at.is_(None))
    if actor.project_id:
        query = query.where(Network.project_id == actor.project_id)
    filters = {
        **{"shared": always(False), "up": always(True), "outside": always(False)},
        **tagged(Network.tags),
    }
    return stretch(query, wanted, COLUMNS, filters=filters)


def listed_ports(
    actor: Actor, project_id: uuid.UUID, network_id: uuid.UUID, wanted: Query
) -> tuple[list[tuple[Port, Instance]], int]:
    """A page of the instances on the network, oldest first, each with its port, and how many
    there are. One that is being deleted holds its place until its host reports it gone."""
    find(actor, project_id, network_id)
    theirs = (Port.network_id == network_id, Port.owner_type == Instance.__tablename__)
    query = (
        select(Port, Instance)
        .join(Instance, Instance.id == Port.owner_id)
        .where(*theirs)
        .options(
            lazyload(Port.network),
            selectinload(Port.groups),
            joinedload(Instance.open_operation),
        )
    )
    total = session.scalar(select(func.count()).select_from(Port).where(*theirs))
    columns = {"created_at": Port.created_at, "id": Port.id}
    return [
        (port, instance) for port, instance in session.execute(ordered(query, wanted, columns))
    ], total


def ports_on(network_id: uuid.UUID) -> int:
    """How many places on the network are held, by whatever it is."""
    return session.scalar(
        select(func.count()).select_from(Port).where(Port.network_id == network_id)
    )


def free_ports(network_id: uuid.UUID) -> int:
    """How many ports on the network hang on nothing."""
    theirs = (Port.network_id == network_id, Port.owner_id.is_(None))
    return session.scalar(select(func.count()).select_from(Port).where(*theirs))


def taken(network_ids: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many addresses of each network are held by ports."""
    counted = session.execute(
        select(Subnet.network_id, func.count(FixedIp.id))
        .join(FixedIp, FixedIp.subnet_id == Subnet.id)
        .where(Subnet.network_id.in_(network_ids))
        .group_by(Subnet.network_id)
    )
    return dict.fromkeys(network_ids, 0) | dict(map(tuple, counted))


def free_cidr(project_id: uuid.UUID) -> str:
    """The first /24 of 10.0.0.0/16 that overlaps no network of the project; "" without one."""
    others = [
        ipaddress.ip_network(cidr)
        for cidr in session.scalars(
            select(Subnet.cidr)
            .join(Network)
            .where(Network.project_id == project_id, Network.deleted_at.is_(None))
        )
    ]
    for block in ipaddress.ip_network("10.0.0.0/16").subnets(new_prefix=24):
        if not any(block.overlaps(other) for other in others):
            return str(block)
    return ""


def describe(
    actor: Actor, project_id: uuid.UUID, network_id: uuid.UUID, details: Details
) -> Network:
    """The network has these details. Raises Refused."""
    with transaction():
        network = find(actor, project_id, network_id)
        authorize(actor, "networks:describe", project_id)
        activities.alter(actor, "networks:describe", network, checked(details))
    return network


def change(actor: Actor, project_id: uuid.UUID, network_id: uuid.UUID, wish: Wish) -> Network:
    """The network is called so, and has these details. Raises Refused."""
    fields = _fields(wish)
    with transaction():
        network = finding.locked(find(actor, project_id, network_id))
        authorize(actor, "networks:describe", network.project_id)
        altered = {name: each for name, each in fields.items() if getattr(network, name) != each}
        if altered:
            activities.alter(actor, "networks:describe", network, altered)
    return network


def retag(
    actor: Actor, network_id: uuid.UUID, revise: Callable[[list[str]], Sequence[str]]
) -> None:
    """The network bears the tags that `revise` makes of those that it has."""
    with transaction():
        network = finding.locked(find(actor, actor.project_id, network_id))
        authorize(actor, "networks:describe", network.project_id)
        altered = checked(Details(tags=revise(list(network.tags))))
        activities.alter(actor, "networks:describe", network, altered)


def delete(actor: Actor, project_id: uuid.UUID, network_id: uuid.UUID) -> None:
    """The network is gone for its project; hosts that carry it take it down."""
    with transaction():
        find(actor, project_id, network_id)
        authorize(actor, "networks:delete", project_id)
        quotas.lock(project_id)
        network = find(actor, project_id, network_id)
        if used := ports_on(network.id):
            raise InUse(
                "{used} ports are on the network {network}. Delete them and their instances first."
                if used > 1
                else "One port is on the network {network}. Delete it, or its instance, first.",
                used=used,
                network=network.called,
            )
        network.deleted_at = now()
        carried = scopes.at([], (Scope.kind == NETWORK_TABLE) & (Scope.target_id == network.id))
        tables = scopes.want(carried, needed=False)
        operation = open_operation(
            actor, network, "delete", table_parts(_answering(tables)), tables=tables
        )
        activities.record(actor, "networks:delete", network, operation=operation)


def bury(network_id: uuid.UUID) -> None:
    """Nothing is left of a deleted network that no host holds. Called by the conductor, inside
    its transaction."""
    tables = select(Scope.id).where(Scope.kind == NETWORK_TABLE, Scope.target_id == network_id)
    waiting = update(Task).where(Task.scope_id.in_(tables), Task.finished_at.is_(None))
    session.execute(waiting.values(finished_at=now(), outcome=Outcome.SUPERSEDED))
    session.execute(update(Task).where(Task.scope_id.in_(tables)).values(scope_id=None))
    session.execute(delete_rows(Scope).where(Scope.id.in_(tables)))
    session.execute(delete_rows(Subnet).where(Subnet.network_id == network_id))
    session.execute(delete_rows(Network).where(Network.id == network_id))


def parse_cidr(text: str) -> ipaddress.IPv4Network:
    """`text` as a private IPv4 range that has room for guests. Raises Refused and says why."""
    try:
        block = ipaddress.IPv4Network(text.strip())
    except ipaddress.NetmaskValueError:
        raise Refused(
            "That is no prefix length: a network here has one from {largest} to {smallest},"
            " as in 10.0.0.0/24.",
            largest=LARGEST,
            smallest=SMALLEST,
            field="cidr",
        ) from None
    except ValueError as error:
        if "host bits" in str(error):
            right = ipaddress.IPv4Network(text.strip(), strict=False)
            raise Refused(
                "The range that holds it is {right}.", right=right, field="cidr"
            ) from None
        raise Refused("That is no IPv4 range. Write it as 10.0.0.0/24.", field="cidr") from None
    if not any(block.subnet_of(private) for private in PRIVATE):
        raise Refused(
            "{block} is not private. Choose a part of 10.0.0.0/8, 172.16.0.0/12 or "
            "192.168.0.0/16 (RFC 1918).",
            block=block,
            field="cidr",
        )
    if block.prefixlen > SMALLEST:
        raise Refused(
            "{block} is too small: the smallest is a /{smallest}, with 5 addresses for instances.",
            block=block,
            smallest=SMALLEST,
            field="cidr",
        )
    if block.prefixlen < LARGEST:
        raise Refused(
            "{block} is too large: the largest is a /{largest}.",
            block=block,
            largest=LARGEST,
            field="cidr",
        )
    return block


def _fields(wish: Wish) -> dict:
    details = Details(description=wish.description, tags=wish.tags)
    label, found = all_of(
        lambda: names.label(wish.name) if wish.name else "", lambda: checked(details)
    )
    return found if wish.name is None else {"name": label} | found


def _answering(tables: list[Raised]) -> list[Raised]:
    """The tables on hosts that answer: nobody waits for a dark one, which hears at its return."""
    hosts = session.scalars(select(Host).where(Host.id.in_({each.host_id for each in tables})))
    dark = {host.id for host in hosts if host.dark}
    return [each for each in tables if each.host_id not in dark]


def _free_segment() -> int:
    """A segment id that no network has. The unique constraint has the last word."""
    while True:
        segment = secrets.randbelow(SEGMENTS) + 1
        if not session.scalar(select(Network.id).where(Network.segment_id == segment)):
            return segment
