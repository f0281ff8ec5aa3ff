"""Networks: the table of each on every host that has a guest on it."""

import uuid

from sqlalchemy import exists, or_, select

from portal import config
from portal.changes.networks import NETWORK_TABLE, TABLE, TABLE_GONE
from portal.conductor.noun import Noun
from portal.conductor.repairs import MOST_AT_A_TIME, changing
from portal.db import session
from portal.models import Instance, Network, Operation, Port, Power, Scope, Task
from portal.services import networks
from workers.specs import LeaseSpec, NetworkSpec


def _spec(task: Task) -> NetworkSpec:
    """The network's table on the task's host. DHCP is local to it, so it names only the guests
    that are there: a change of one elsewhere changes nothing here. A table that shall be gone is
    of the revision that ended it, so that it never ends a newer one."""
    scope = task.scope
    row = session.get_one(Network, scope.target_id)
    subnet = row.subnet
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
            LeaseSpec(mac=mac, address=address, hostname=hostname)
            for mac, address, hostname in session.execute(
                select(Port.mac, Port.address, Instance.hostname)
                .join(Instance, Instance.id == Port.instance_id)
                .where(
                    Port.network_id == row.id,
                    Instance.host_id == scope.host_id,
                    Instance.desired != Power.ABSENT,
                )
                .order_by(Port.created_at, Port.id)
            )
        ),
    )


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
