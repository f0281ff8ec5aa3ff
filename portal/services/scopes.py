"""Which tables of which hosts a change concerns.

A table (a network on a host, the filter of a host) is never changed by a step; its `wanted`
revision is raised in the transaction that alters what it shall say, and the host is sent the
whole of it.
"""

import uuid
from collections.abc import Collection, Container, Iterable

from sqlalchemy import ColumnElement, Select, select, tuple_
from sqlalchemy.orm import joinedload

from portal.db import session
from portal.models import Host, Instance, Network, Port, Scope, SecurityGroupRule
from portal.models.network import port_groups

FIREWALL, NETWORK = "firewall", "network"


def want(scope: Scope) -> None:
    """The host shall hold a newer revision than any before, and shall be sent it soon. Call it
    with one that is locked, so that of two who raise it at once neither is lost."""
    scope.wanted += 1
    scope.repairs, scope.repair_at = 0, None


def of_instances(
    instances: list[Instance], kinds: Container[str], *, everywhere: bool
) -> list[Scope]:
    """The tables of these kinds on the instances' hosts, or on all hosts where they name their
    ports, locked."""
    ids, places = [each.id for each in instances], set()
    if NETWORK in kinds:
        networks = (
            select(Instance.host_id, Port.network_id)
            .join(Port, Port.instance_id == Instance.id)
            .where(Instance.id.in_(ids))
            .distinct()
        )
        places |= {(host_id, NETWORK, each) for host_id, each in session.execute(networks)}
    if FIREWALL in kinds:
        hosts = {each.host_id for each in instances}
        hosts |= _hosts_that_refer_to(ids) if everywhere else set()
        places |= {(each, FIREWALL, each) for each in hosts}
    place = tuple_(Scope.host_id, Scope.kind, Scope.target_id)
    found = _locked(place.in_(places))
    missing = places - {(each.host_id, each.kind, each.target_id) for each in found}
    new = [
        Scope(host_id=host_id, kind=kind, target_id=target_id, wanted=1)
        for host_id, kind, target_id in missing
    ]
    session.add_all(new)
    session.flush()
    return found + new


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


def _hosts_that_refer_to(instance_ids: list[uuid.UUID]) -> set[uuid.UUID]:
    """Hosts with a port in a group one of whose rules names a group of these instances."""
    own = (
        select(port_groups.c.group_id)
        .join(Port, Port.id == port_groups.c.port_id)
        .where(Port.instance_id.in_(instance_ids))
    )
    referring = select(SecurityGroupRule.group_id).where(SecurityGroupRule.remote_group_id.in_(own))
    return set(
        session.scalars(
            select(Instance.host_id)
            .join(Port, Port.instance_id == Instance.id)
            .join(port_groups, port_groups.c.port_id == Port.id)
            .where(port_groups.c.group_id.in_(referring))
            .distinct()
        )
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
