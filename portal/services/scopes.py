"""Which tables of which hosts a change concerns.

A table (a network on a host, the filter of a host) is never changed by a step; its `wanted`
revision is raised in the transaction that alters what it shall say, and the host is sent the
whole of it.
"""

import uuid

from sqlalchemy import select, update

from portal.db import session
from portal.models import Host, Instance, Network, Port, Scope, SecurityGroupRule
from portal.models.network import port_groups

FIREWALL, NETWORK = "firewall", "network"


def want(scope: Scope) -> None:
    """The host shall hold a newer revision than any before. Counted by the database, so that of
    two who raise it at once neither is lost."""
    scope.wanted = session.scalar(
        update(Scope)
        .where(Scope.id == scope.id)
        .values(wanted=Scope.wanted + 1)
        .returning(Scope.wanted)
        .execution_options(synchronize_session=False)
    )


def of_instance(instance: Instance, kind: str) -> list[Scope]:
    """The tables that name an instance's ports."""
    if kind == NETWORK:
        networks = session.scalars(
            select(Port.network_id).where(Port.instance_id == instance.id).distinct()
        )
        return [_scope(instance.host_id, NETWORK, network_id) for network_id in networks]
    hosts = {instance.host_id} | _hosts_that_refer_to(instance)
    return [_scope(host_id, FIREWALL, host_id) for host_id in sorted(hosts)]


def of_network(network: Network) -> list[Scope]:
    """The network on every host that carries it."""
    return list(
        session.scalars(select(Scope).where(Scope.kind == NETWORK, Scope.target_id == network.id))
    )


def of_host(host: Host, kind: str) -> list[Scope]:
    """The tables of one kind that a host carries."""
    return list(session.scalars(select(Scope).where(Scope.kind == kind, Scope.host_id == host.id)))


def _hosts_that_refer_to(instance: Instance) -> set[uuid.UUID]:
    """Hosts with a port in a group one of whose rules names a group of this instance."""
    own = (
        select(port_groups.c.group_id)
        .join(Port, Port.id == port_groups.c.port_id)
        .where(Port.instance_id == instance.id)
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


def _scope(host_id: uuid.UUID, kind: str, target_id: uuid.UUID) -> Scope:
    found = session.scalar(
        select(Scope).where(
            Scope.host_id == host_id, Scope.kind == kind, Scope.target_id == target_id
        )
    )
    if found is None:
        found = Scope(host_id=host_id, kind=kind, target_id=target_id, wanted=1)
        session.add(found)
        session.flush()
    return found
