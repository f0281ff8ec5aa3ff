"""Filters: one table a host, of all its guests' ports and of the groups that guard them."""

import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import or_, select

from portal.changes.firewall import FILTER, FILTER_TABLE
from portal.conductor.noun import Noun
from portal.db import session
from portal.models import FixedIp, Instance, Network, Port, Power, Scope, SecurityGroupRule, Task
from portal.models.port import port_groups
from portal.services import security_groups
from workers.specs import FilteredPortSpec, FirewallSpec, GroupSpec, MemberSpec

SPOKEN = SecurityGroupRule.version == 4  # guests speak no IPv6: a rule about it lets nothing pass


def _specs(tasks: Sequence[Task]) -> dict[uuid.UUID, FirewallSpec]:
    """The whole filters of the tasks' hosts."""
    host_ids = {task.scope.host_id for task in tasks}
    ports, held, worn = _ports_on(host_ids), _addresses_of(host_ids), _groups_of(host_ids)
    rules = _rules(set().union(*worn.values()))
    members = _members(rules.keys())
    groups = {
        group_id: GroupSpec(
            id=str(group_id),
            rules=tuple(security_groups.rule_spec(rule) for rule in rules[group_id]),
            members=members.get(group_id, ()),
        )
        for group_id in rules
    }
    return {
        task.id: _spec(task.scope, ports.get(task.scope.host_id, []), held, worn, groups, rules)
        for task in tasks
    }


def _spec(scope: Scope, ports: list, held, worn, groups, rules) -> FirewallSpec:
    """The filter of a host with these ports: of all groups, it knows those that they bear, and
    those that the rules of these name."""
    own = set().union(*(worn.get(port.id, ()) for port in ports))
    named = {rule.remote_group_id for group_id in own for rule in rules[group_id]} - {None}
    return FirewallSpec(
        id=str(scope.host_id),
        generation=scope.wanted,
        ports=tuple(
            FilteredPortSpec(
                id=str(port.id),
                number=number,
                segment_id=port.segment_id,
                mac=port.mac,
                addresses=tuple(held.get(port.id, ())),
                groups=tuple(sorted(str(each) for each in worn.get(port.id, ()))),
                project=str(port.project_id),
            )
            for number, port in enumerate(ports, start=1)
        ),
        groups=tuple(groups[group_id] for group_id in sorted(own | named)),
    )


def _ports_on(host_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list]:
    """The ports of the guests that are wanted on these hosts, by the host, oldest first."""
    ports: dict[uuid.UUID, list] = {}
    for row in session.execute(
        select(Instance.host_id, Instance.project_id, Port.id, Port.mac, Network.segment_id)
        .join(Network, Network.id == Port.network_id)
        .join(Instance, Instance.id == Port.owner_id)
        .where(Instance.host_id.in_(host_ids), Instance.desired != Power.ABSENT)
        .order_by(Port.created_at, Port.id)
    ):
        ports.setdefault(row.host_id, []).append(row)
    return ports


def _addresses_of(host_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """The addresses of each port on these hosts that has any."""
    held: dict[uuid.UUID, list[str]] = {}
    for port_id, address in session.execute(
        select(FixedIp.port_id, FixedIp.address)
        .join(Port, Port.id == FixedIp.port_id)
        .join(Instance, Instance.id == Port.owner_id)
        .where(Instance.host_id.in_(host_ids), Instance.desired != Power.ABSENT)
        .order_by(FixedIp.created_at, FixedIp.id)
    ):
        held.setdefault(port_id, []).append(address)
    return held


def _groups_of(host_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, set[uuid.UUID]]:
    """The groups of each port on these hosts that has any."""
    worn: dict[uuid.UUID, set[uuid.UUID]] = {}
    for port_id, group_id in session.execute(
        select(port_groups.c.port_id, port_groups.c.group_id)
        .join(Port, Port.id == port_groups.c.port_id)
        .join(Instance, Instance.id == Port.owner_id)
        .where(Instance.host_id.in_(host_ids), Instance.desired != Power.ABSENT)
    ):
        worn.setdefault(port_id, set()).add(group_id)
    return worn


def _rules(worn: set[uuid.UUID]) -> dict[uuid.UUID, list[SecurityGroupRule]]:
    """The rules of these groups, and of those that their rules name."""
    column = SecurityGroupRule.group_id
    named = select(SecurityGroupRule.remote_group_id).where(column.in_(worn), SPOKEN)
    rules: dict[uuid.UUID, list[SecurityGroupRule]] = {group_id: [] for group_id in worn}
    for rule in session.scalars(
        select(SecurityGroupRule)
        .where(or_(column.in_(worn), column.in_(named)), SPOKEN)
        .order_by(SecurityGroupRule.created_at, SecurityGroupRule.id)
    ):
        rules.setdefault(rule.group_id, []).append(rule)
        if rule.group_id in worn and rule.remote_group_id:
            rules.setdefault(rule.remote_group_id, [])
    return rules


def _members(group_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[MemberSpec, ...]]:
    members: dict[uuid.UUID, list[MemberSpec]] = {}
    for group_id, segment_id, address in session.execute(
        select(port_groups.c.group_id, Network.segment_id, FixedIp.address)
        .join(Port, Port.id == port_groups.c.port_id)
        .join(FixedIp, FixedIp.port_id == Port.id)
        .join(Network, Network.id == Port.network_id)
        .join(Instance, Instance.id == Port.owner_id)
        .where(port_groups.c.group_id.in_(group_ids), Instance.desired != Power.ABSENT)
        .order_by(Network.segment_id, FixedIp.address)
    ):
        member = MemberSpec(segment_id=segment_id, address=address)
        members.setdefault(group_id, []).append(member)
    return {group_id: tuple(each) for group_id, each in members.items()}


NOUN = Noun(name=FILTER_TABLE, specs={FILTER.job: _specs})
