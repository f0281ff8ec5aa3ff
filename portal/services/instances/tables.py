"""Which tables of which hosts say something of an instance."""

import uuid

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, exists, select

from portal.changes.firewall import FILTER_TABLE
from portal.changes.networks import NETWORK_TABLE
from portal.db import session
from portal.models import Instance, Port, Power, Scope, SecurityGroupRule
from portal.models.port import port_groups
from portal.services import scopes
from portal.services.scopes import Raised


def raise_for_new(
    instances: list[Instance], network_ids: list[uuid.UUID], group_ids: list[uuid.UUID]
) -> list[Raised]:
    """Instances that were made in this transaction, on these networks and in these groups, are in
    the tables of their hosts, in those of all hosts that hold their networks, and in the filters
    of all hosts that name their groups. Returns all of those, locked."""
    own = {
        (each.host_id, NETWORK_TABLE, network_id)
        for each in instances
        for network_id in network_ids
    } | {(each.host_id, FILTER_TABLE, each.host_id) for each in instances}
    return scopes.want_at(RAISE_FOR_NEW, own, network_ids=network_ids, group_ids=group_ids)


def raise_for_gone(instance: Instance) -> list[Raised]:
    """An instance that is wanted no more leaves the tables that name it. A network that has no
    other guest on its host shall be gone from there. Returns all of those, locked."""
    own = _own(instance)
    network_ids = [target_id for _, kind, target_id in own if kind == NETWORK_TABLE]
    tables = scopes.at(own, *_elsewhere(network_ids, _groups_of(instance)))
    last = {
        each.id
        for each in tables
        if (each.host_id, each.kind) == (instance.host_id, NETWORK_TABLE)
        and not _others(instance, each.target_id)
    }
    return [
        *scopes.want([each for each in tables if each.id not in last]),
        *scopes.want([each for each in tables if each.id in last], needed=False),
    ]


def of(instance: Instance) -> list[Raised]:
    """The tables of the instance's own host that name it, locked."""
    return scopes.at(_own(instance))


def _own(instance: Instance) -> set[scopes.Place]:
    networks = select(Port.network_id).where(Port.owner_id == instance.id).distinct()
    return {
        (instance.host_id, NETWORK_TABLE, network_id) for network_id in session.scalars(networks)
    } | {(instance.host_id, FILTER_TABLE, instance.host_id)}


def _others(instance: Instance, network_id: uuid.UUID) -> bool:
    """Whether another guest that is wanted is on this network, on the host of the instance."""
    return session.scalar(
        select(
            exists()
            .where(Port.network_id == network_id, Port.owner_id == Instance.id)
            .where(
                Instance.host_id == instance.host_id,
                Instance.id != instance.id,
                Instance.desired != Power.ABSENT,
            )
        )
    )


def _elsewhere(
    network_ids: list[uuid.UUID] | BindParameter, group_ids: Select | BindParameter
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Tables of these networks on any host, which know the names of all guests; and filters of
    hosts with a port in a group one of whose rules names one of these groups."""
    return (
        (Scope.kind == NETWORK_TABLE) & Scope.target_id.in_(network_ids) & Scope.needed,
        (Scope.kind == FILTER_TABLE) & Scope.host_id.in_(_hosts_that_refer_to(group_ids)),
    )


def _groups_of(instance: Instance) -> Select:
    return (
        select(port_groups.c.group_id)
        .join(Port, Port.id == port_groups.c.port_id)
        .where(Port.owner_id == instance.id)
    )


def _hosts_that_refer_to(group_ids: Select | BindParameter) -> Select:
    named = SecurityGroupRule.remote_group_id.in_(group_ids)
    referring = select(SecurityGroupRule.group_id).where(named)
    return (
        select(Instance.host_id)
        .join(Port, Port.owner_id == Instance.id)
        .join(port_groups, port_groups.c.port_id == Port.id)
        .where(port_groups.c.group_id.in_(referring))
    )


RAISE_FOR_NEW = scopes.raising(
    *_elsewhere(bindparam("network_ids", expanding=True), bindparam("group_ids", expanding=True))
)
