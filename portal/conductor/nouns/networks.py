"""Networks: the table of each on every host that has a guest on it."""

import uuid
from collections.abc import Sequence

from sqlalchemy import Row, exists, or_, select

from portal import config
from portal.changes.networks import NETWORK_TABLE, TABLE, TABLE_GONE
from portal.conductor.noun import Noun
from portal.conductor.repairs import MOST_AT_A_TIME, changing
from portal.db import session
from portal.models import FixedIp, Instance, Network, Operation, Port, Power, Scope, Subnet, Task
from portal.services import networks
from workers.specs import LeaseSpec, NameSpec, NetworkSpec


def _spec(task: Task) -> NetworkSpec:
    """The network's table on the task's host: DHCP serves the guests that are there, DNS knows
    those of all hosts. A table that shall be gone is of the revision that ended it, so that it
    never ends a newer one.

    Hosts serve one subnet of a network, its first; addresses of others are left out."""
    scope = task.scope
    row = session.get_one(Network, scope.target_id)
    subnet = row.subnets[0]
    guests = _guests(subnet)
    return NetworkSpec(
        id=str(row.id),
        generation=task.revision if task.job == TABLE_GONE.job else scope.wanted,
        segment_id=row.segment_id,
        mtu=row.mtu,
        cidr=subnet.cidr,
        gateway=subnet.gateway,
        gateway_mac=subnet.gateway_mac,
        dhcp_address=subnet.dhcp_address,
        dns_domain=config.current().dns_domain,
        nat=row.nat,
        leases=tuple(
            LeaseSpec(mac=each.mac, address=each.address, hostname=each.hostname)
            for each in guests
            if each.host_id == scope.host_id
        ),
        names=tuple(
            NameSpec(hostname=each.hostname, address=each.address)
            for each in guests
            if each.host_id != scope.host_id
        ),
    )


def _guests(subnet: Subnet) -> Sequence[Row]:
    """Who is wanted on a subnet, wherever it lives."""
    return session.execute(
        select(Port.mac, FixedIp.address, Instance.hostname, Instance.host_id)
        .select_from(FixedIp)
        .join(Port, Port.id == FixedIp.port_id)
        .join(Instance, Instance.id == Port.owner_id)
        .where(FixedIp.subnet_id == subnet.id, Instance.desired != Power.ABSENT)
        .order_by(Port.created_at, Port.id, FixedIp.created_at, FixedIp.id)
    ).all()


def _ended(operation: Operation) -> None:
    if operation.target_id in _buriable(operation.target_id):
        networks.bury(operation.target_id)


def _due() -> list[uuid.UUID]:
    return _buriable()


def _mend(network_id: uuid.UUID) -> bool:
    """The last host has given up a deleted network: nothing is left of it."""
    if network_id in _buriable(network_id):
        networks.bury(network_id)
    return False


def _buriable(*network_ids: uuid.UUID) -> list[uuid.UUID]:
    """Of these, or of all, the networks that are wanted no more and that no host holds."""
    held = exists().where(
        Scope.kind == NETWORK_TABLE,
        Scope.target_id == Network.id,
        or_(Scope.needed, Scope.held > 0),
    )
    query = select(Network.id).where(Network.deleted_at.is_not(None), ~held, ~changing(Network.id))
    if network_ids:
        query = query.where(Network.id.in_(network_ids))
    return list(session.scalars(query.limit(MOST_AT_A_TIME)))


NOUN = Noun(
    name="networks",
    model=Network,
    table=True,
    specs={TABLE.job: _spec, TABLE_GONE.job: _spec},
    ended=_ended,
    due=_due,
    mend=_mend,
)
