"""Networks: the table of each on every host that has a guest on it."""

import uuid
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import ColumnElement, Row, exists, func, or_, select

from portal import config
from portal.changes.networks import NETWORK_TABLE, TABLE, TABLE_GONE
from portal.conductor.noun import Noun
from portal.conductor.repairs import MOST_AT_A_TIME, changing
from portal.db import session
from portal.models import (
    FixedIp,
    Instance,
    Network,
    Operation,
    Port,
    Power,
    Scope,
    Subnet,
    Task,
)
from portal.services import networks
from workers.specs import LeaseSpec, NameSpec, NetworkSpec, RouteSpec, SubnetSpec

_HELD = exists().where(
    Scope.kind == NETWORK_TABLE,
    Scope.target_id == Network.id,
    or_(Scope.needed, Scope.held > 0),
)
_USED = exists().where(Port.network_id == Network.id)
# The networks that are wanted no more, that no host holds, and that nobody has a place on.
BURIABLE = select(Network.id).where(
    Network.deleted_at.is_not(None), ~_HELD, ~_USED, ~changing(Network.id)
)
# A port that was added later has no name of its own: its guest is found by the one it has.
DNS_NAME = func.coalesce(func.nullif(Port.dns_name, ""), Instance.hostname).label("dns_name")
DUE = BURIABLE.limit(MOST_AT_A_TIME)


def _specs(tasks: Sequence[Task]) -> dict[uuid.UUID, NetworkSpec]:
    """The networks' tables on the tasks' hosts."""
    ids = {task.scope.target_id for task in tasks}
    rows = {row.id: row for row in session.scalars(select(Network).where(Network.id.in_(ids)))}
    guests = _guests(ids)
    return {
        task.id: _spec(task, rows[task.scope.target_id], guests.get(task.scope.target_id, ()))
        for task in tasks
    }


def _spec(task: Task, row: Network, guests: Iterable[Row]) -> NetworkSpec:
    """DHCP serves the guests that are on the task's host, DNS knows those of all hosts. A table
    that shall be gone is of the revision that ended it, so that it never ends a newer one."""
    scope = task.scope
    return NetworkSpec(
        id=str(row.id),
        generation=task.revision if task.job == TABLE_GONE.job else scope.wanted,
        segment_id=row.segment_id,
        mtu=row.mtu,
        gateway_mac=row.gateway_mac,
        dns_domain=config.current().dns_domain,
        subnets=tuple(
            SubnetSpec(
                cidr=each.cidr,
                gateway=each.gateway,
                dhcp_address=each.dhcp_address,
                routed=each.routed,
                dhcp=each.dhcp,
                resolvers=tuple(each.dns_nameservers),
                routes=tuple(RouteSpec(cidr=to, gateway=by) for to, by in each.host_routes),
            )
            for each in row.subnets
        ),
        nat=row.nat,
        leases=tuple(
            LeaseSpec(mac=each.mac, address=each.address, hostname=each.dns_name)
            for each in guests
            if each.host_id == scope.host_id
        ),
        names=tuple(
            NameSpec(hostname=each.dns_name, address=each.address)
            for each in guests
            if each.host_id != scope.host_id
        ),
    )


def _guests(network_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Row]]:
    """Who is wanted on each of these networks, at which address of which of its subnets, and
    wherever it lives, oldest first."""
    guests: dict[uuid.UUID, list[Row]] = {}
    for row in session.execute(
        select(Subnet.network_id, Port.mac, FixedIp.address, DNS_NAME, Instance.host_id)
        .select_from(Subnet)
        .join(FixedIp, FixedIp.subnet_id == Subnet.id)
        .join(Port, Port.id == FixedIp.port_id)
        .join(Instance, Instance.id == Port.owner_id)
        .where(Subnet.network_id.in_(network_ids), Instance.desired != Power.ABSENT)
        .order_by(Port.created_at, Port.id, FixedIp.created_at, FixedIp.id)
    ):
        guests.setdefault(row.network_id, []).append(row)
    return guests


def bury(*which: ColumnElement[bool]) -> None:
    """Nothing is left of the networks among these that nobody wants or holds any more. For use
    inside a change."""
    for network_id in session.scalars(BURIABLE.where(*which)).all():
        networks.bury(network_id)


def _ended(operations: Sequence[Operation]) -> None:
    bury(Network.id.in_([operation.target_id for operation in operations]))


def _due() -> list[uuid.UUID]:
    return list(session.scalars(DUE))


def _mend(network_id: uuid.UUID) -> bool:
    """The last host has given up a deleted network: nothing is left of it."""
    bury(Network.id == network_id)
    return False


NOUN = Noun(
    name="networks",
    model=Network,
    specs={TABLE.job: _specs, TABLE_GONE.job: _specs},
    ended=_ended,
    due=_due,
    mend=_mend,
)
