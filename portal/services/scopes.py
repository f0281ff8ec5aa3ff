"""Which tables of which hosts a change concerns.

A table (a network on a host, the filter of a host) is never changed by a step; its `wanted`
revision is raised in the transaction that alters what it shall say, and the host is sent the
whole of it.
"""

import uuid
from collections.abc import Collection, Container, Iterable

from sqlalchemy import ColumnElement, Select, and_, or_, select, tuple_, update
from sqlalchemy.orm import joinedload

from portal.db import session
from portal.models import Host, Instance, Network, Port, Scope, SecurityGroupRule
from portal.models.network import port_groups

FIREWALL, NETWORK = "firewall", "network"


def want(scope_ids: Collection[uuid.UUID]) -> None:
    """The hosts shall hold newer revisions of these than any before, and shall be sent them soon.
    Call it with those that are locked."""
    session.execute(
        update(Scope)
        .where(Scope.id.in_(scope_ids))
        .values(wanted=Scope.wanted + 1, repairs=0, repair_at=None)
    )


def of_instances(instances: list[Instance], kinds: Container[str], *, alters: bool) -> list[Scope]:
    """The tables of these kinds on the instances' own hosts, locked. If what they say `alters`,
    they are wanted anew, as are the filters of all other hosts that name these instances."""
    ids = [each.id for each in instances]
    own = set()
    if NETWORK in kinds:
        networks = (
            select(Instance.host_id, Port.network_id)
            .join(Port, Port.instance_id == Instance.id)
            .where(Instance.id.in_(ids))
            .distinct()
        )
        own |= {(host_id, NETWORK, each) for host_id, each in session.execute(networks)}
    if FIREWALL in kinds:
        own |= {(each, FIREWALL, each) for each in {each.host_id for each in instances}}
    place = tuple_(Scope.host_id, Scope.kind, Scope.target_id)
    concerned = place.in_(own)
    if alters and FIREWALL in kinds:
        named = Scope.host_id.in_(_hosts_that_refer_to(ids))
        concerned = or_(concerned, and_(Scope.kind == FIREWALL, named))
    columns = select(Scope.id, Scope.host_id, Scope.kind, Scope.target_id)
    rows = session.execute(_in_order(columns.where(concerned)))
    found = {scope_id: tuple(at) for scope_id, *at in rows}
    new = [
        Scope(id=uuid.uuid4(), host_id=host_id, kind=kind, target_id=target_id, wanted=1)
        for host_id, kind, target_id in own - set(found.values())
    ]
    session.add_all(new)
    session.flush()
    if alters:
        want([*found, *(each.id for each in new)])
    own_ids = [scope_id for scope_id, at in found.items() if at in own]
    query = select(Scope).where(Scope.id.in_(own_ids)).execution_options(populate_existing=True)
    return new + list(session.scalars(query))


def of_network(network: Network) -> list[Scope]:
    """The network on every host that carries it, locked."""
    return _locked(Scope.kind == NETWORK, Scope.target_id == network.id)


def of_host(host: Host, kinds: Iterable[str] = (FIREWALL, NETWORK)) -> list[Scope]:
    """The tables of these kinds that a host carries, locked."""
    return _locked(Scope.host_id == host.id, Scope.kind.in_(kinds))


def lock(scope_ids: Collection[uuid.UUID]) -> None:
    """Until the transaction ends these are nobody else's to change."""
    if scope_ids:
        session.execute(_in_order(select(Scope.id).where(Scope.id.in_(scope_ids))))


def _hosts_that_refer_to(instance_ids: list[uuid.UUID]) -> Select:
    """Hosts with a port in a group one of whose rules names a group of these instances."""
    own = (
        select(port_groups.c.group_id)
        .join(Port, Port.id == port_groups.c.port_id)
        .where(Port.instance_id.in_(instance_ids))
    )
    referring = select(SecurityGroupRule.group_id).where(SecurityGroupRule.remote_group_id.in_(own))
    return (
        select(Instance.host_id)
        .join(Port, Port.instance_id == Instance.id)
        .join(port_groups, port_groups.c.port_id == Port.id)
        .where(port_groups.c.group_id.in_(referring))
    )


def _locked(*conditions: ColumnElement[bool]) -> list[Scope]:
    query = (
        select(Scope)
        .where(*conditions)
        .options(joinedload(Scope.host, innerjoin=True))
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(_in_order(query)))


def _in_order(query: Select) -> Select:
    """Locks what it finds in the order of the ids, as everybody does, so that nobody waits in a
    circle."""
    return query.order_by(Scope.id).with_for_update(of=Scope, key_share=True)
