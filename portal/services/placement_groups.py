"""Instances that are kept apart, or together: the groups of a project, and how their members
stand. Whoever places an instance of a group has locked the project, so that members that are made
at the same time see each other."""

import dataclasses
import uuid
from collections import Counter
from collections.abc import Collection

from sqlalchemy import case, func, select, update

from portal.db import session, transaction
from portal.errors import NotFound, OverQuota, Refused
from portal.models import Instance, PlacementGroup, Policy, Power
from portal.policies import Actor, authorize
from portal.services import activities, finding, idempotency, names, quotas
from portal.services.listing import Stretch, stretch

MOST_PER_HOST = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewPlacementGroup:
    """A group that is to be made."""

    name: str
    policy: str
    most_per_host: int = 1  # where instances are kept apart


@dataclasses.dataclass(frozen=True)
class Members:
    """How the members of a group stand: how many of them each host has."""

    group: PlacementGroup
    held: Counter[uuid.UUID]  # with those that are on their way out
    staying: frozenset[uuid.UUID]  # the hosts of those that are not

    def full(self, host_id: uuid.UUID) -> bool:
        """Whether the host may take no more of a group that is kept apart."""
        return self.held[host_id] >= self.group.most_per_host

    def liking(self, host_id: uuid.UUID) -> int:
        """How much a group that would rather be apart, or together, likes this host."""
        if self.group.policy is Policy.RATHER_APART:
            return -self.held[host_id]
        return self.held[host_id] if self.group.policy is Policy.RATHER_TOGETHER else 0


def create(
    actor: Actor, project_id: uuid.UUID, new: NewPlacementGroup, *, key: str = ""
) -> PlacementGroup:
    """The project has the group; nothing is in it yet. The same `key` again answers with the one
    that it made the first time."""
    authorize(actor, "placement_groups:create", project_id)
    idempotency.check(key)
    known = (project_id, key, "placement_groups:create", idempotency.body_hash(new))
    name = names.label(new.name)
    policy = _policy(new)
    with transaction():
        quotas.lock(project_id)
        if made := idempotency.earlier(*known):
            return find(actor, project_id, made[0])
        quotas.check(project_id, placement_groups=1)
        group = PlacementGroup(
            name=name,
            project_id=project_id,
            user_id=actor.user_id,
            policy=policy,
            most_per_host=new.most_per_host,
        )
        session.add(group)
        session.flush()
        activities.record(
            actor,
            "placement_groups:create",
            group,
            after={"policy": policy.value, "most_per_host": new.most_per_host},
        )
        idempotency.remember(*known, [group.id])
    return group


def of_project(actor: Actor, project_id: uuid.UUID) -> list[PlacementGroup]:
    """The groups of the project, by name."""
    authorize(actor, "placement_groups:read", project_id)
    query = select(PlacementGroup).where(PlacementGroup.project_id == project_id)
    return list(session.scalars(query.order_by(PlacementGroup.name, PlacementGroup.id)))


def stretched(
    actor: Actor, project_id: uuid.UUID | None, wanted: Stretch
) -> tuple[list[PlacementGroup], bool]:
    """A part of the project's groups, and whether there are more; without a project, of those of
    the whole cloud."""
    authorize(actor, *(("placement_groups:read", project_id) if project_id else ("cloud:read",)))
    query = select(PlacementGroup)
    if project_id:
        query = query.where(PlacementGroup.project_id == project_id)
    columns = {name: getattr(PlacementGroup, name) for name in ("created_at", "id")}
    return stretch(query, wanted, columns)


def find(actor: Actor, project_id: uuid.UUID | None, name_or_id: uuid.UUID | str) -> PlacementGroup:
    """The group. Raises NotFound, Ambiguous."""
    return finding.find(actor, PlacementGroup, name_or_id, project_id=project_id)


def members_of(group_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Instance]]:
    """The instances of each of these groups, the oldest first; without those that shall be gone."""
    found: dict[uuid.UUID, list[Instance]] = {each: [] for each in group_ids}
    rows = session.execute(
        select(Instance.id, Instance.name, Instance.placement_group_id)
        .where(Instance.placement_group_id.in_(found), Instance.desired != Power.ABSENT)
        .order_by(Instance.created_at, Instance.id)
    )
    for row in rows:
        found[row.placement_group_id].append(row)
    return found


def delete(actor: Actor, project_id: uuid.UUID, group_id: uuid.UUID) -> None:
    """The group is gone. Its instances stay where they are, and belong to none."""
    group = find(actor, project_id, group_id)
    authorize(actor, "placement_groups:delete", group.project_id)
    with transaction():
        quotas.lock(group.project_id)
        group = session.get(PlacementGroup, group_id)
        if group is None:
            raise NotFound.saying(finding.KINDS[PlacementGroup].missing)
        session.execute(
            update(Instance)
            .where(Instance.placement_group_id == group_id)
            .values(placement_group_id=None, updated_at=Instance.updated_at)
        )
        activities.record(
            actor, "placement_groups:delete", group, before={"policy": group.policy.value}
        )
        session.delete(group)


def joined(project_id: uuid.UUID, group_id: uuid.UUID, count: int) -> Members:
    """How the group stands that `count` new instances are to be in. Raises Refused where the
    project has none of this id, OverQuota where it has no room for them. Call it under the lock
    of the project."""
    group = session.get(PlacementGroup, group_id)
    if group is None or group.project_id != project_id:
        raise Refused(
            "This placement group was not found in the project. Choose another.",
            field="placement_group_id",
        )
    rows = session.execute(
        select(
            Instance.host_id,
            func.count().label("held"),
            func.sum(case((Instance.desired != Power.ABSENT, 1), else_=0)).label("staying"),
        )
        .where(Instance.placement_group_id == group_id, Instance.deleted_at.is_(None))
        .group_by(Instance.host_id)
    ).all()
    _check_room(project_id, group, sum(int(row.staying) for row in rows), count)
    return Members(
        group,
        Counter({row.host_id: row.held for row in rows if row.host_id}),
        frozenset(row.host_id for row in rows if row.host_id and row.staying),
    )


def _check_room(project_id: uuid.UUID, group: PlacementGroup, there: int, count: int) -> None:
    limit = quotas.usage(project_id)["placement_group_members"].limit
    if limit is not None and there + count > limit:
        raise OverQuota(
            "A placement group has at most {limit} instances; {group} has {there}, and {wanted} "
            "more were asked for. Choose another group, or ask an administrator for more.",
            limit=limit,
            group=group.name,
            there=there,
            wanted=count,
        )


def _policy(new: NewPlacementGroup) -> Policy:
    try:
        policy = Policy(new.policy)
    except ValueError:
        raise Refused(
            "A policy is one of {policies:list}.",
            policies=[each.value for each in Policy],
            field="policy",
        ) from None
    if not 1 <= new.most_per_host <= MOST_PER_HOST:
        raise Refused("From 1 to {most}.", most=MOST_PER_HOST, field="most_per_host")
    if new.most_per_host > 1 and policy is not Policy.APART:
        raise Refused(
            "Only a group that is strictly kept apart says how many a host may have.",
            field="most_per_host",
        )
    return policy
