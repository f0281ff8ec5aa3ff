"""Whose filters a change of groups concerns."""

import uuid
from collections.abc import Collection

from sqlalchemy import Select, select

from portal.changes.firewall import FILTER_TABLE
from portal.models import Instance, Port, Power, Scope, SecurityGroupRule
from portal.models.port import port_groups
from portal.services import scopes


def that_bear(group_ids: Collection[uuid.UUID] | Select) -> Select:
    """The ids of hosts with a guest that bears one of these groups."""
    return (
        select(Instance.host_id)
        .join(Port, Port.owner_id == Instance.id)
        .join(port_groups, port_groups.c.port_id == Port.id)
        .where(port_groups.c.group_id.in_(group_ids), Instance.desired != Power.ABSENT)
    )


def that_refer_to(group_ids: Collection[uuid.UUID]) -> Select:
    """The ids of hosts with a guest that bears a group one of whose rules names one of these."""
    named = SecurityGroupRule.remote_group_id.in_(group_ids)
    return that_bear(select(SecurityGroupRule.group_id).where(named))


def bring_up_to_date(*host_ids: Select, also: Collection[uuid.UUID] = ()) -> list[scopes.Raised]:
    """The filters of these hosts, and of those that are named, shall say what is true after this
    change. For use inside it, and late."""
    places = [(host_id, FILTER_TABLE, host_id) for host_id in also]
    concerned = [
        (Scope.kind == FILTER_TABLE) & Scope.needed & Scope.host_id.in_(each) for each in host_ids
    ]
    return scopes.want(scopes.at(places, *concerned))
