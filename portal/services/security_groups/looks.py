"""Security groups and their rules as they are: one, a stretch of many, or all of a project."""

import uuid
from collections.abc import Collection

from sqlalchemy import Select, select

from portal.db import session
from portal.errors import NotFound
from portal.models import SecurityGroup, SecurityGroupRule
from portal.policies import Actor, authorize
from portal.services.listing import Stretch, always, stretch

DEFAULT, SSH = "default", "ssh"
COLUMNS = {
    name: getattr(SecurityGroup, name)
    for name in ("id", "name", "project_id", "description", "created_at", "updated_at")
}
RULE_COLUMNS = {
    name: getattr(SecurityGroupRule, name)
    for name in (
        *("id", "group_id", "direction", "protocol", "port_min", "port_max", "remote_cidr"),
        *("remote_group_id", "version", "description", "created_at", "updated_at"),
    )
} | {"project_id": SecurityGroup.project_id}


def of_project(actor: Actor, project_id: uuid.UUID) -> list[SecurityGroup]:
    """The project's groups, oldest first."""
    authorize(actor, "networks:read", project_id)
    return list(
        session.scalars(
            select(SecurityGroup)
            .where(SecurityGroup.project_id == project_id)
            .order_by(SecurityGroup.created_at, SecurityGroup.id)
        )
    )


def of_ids(group_ids: Collection[uuid.UUID]) -> list[SecurityGroup]:
    """The groups of these ids, by name. For whoever has found what bears them."""
    query = select(SecurityGroup).where(SecurityGroup.id.in_(group_ids))
    return list(session.scalars(query.order_by(SecurityGroup.name, SecurityGroup.id)))


def listed(actor: Actor, wanted: Stretch) -> tuple[list[SecurityGroup], bool]:
    """A stretch of the groups that the actor looks at, and whether there are more."""
    filters = {"shared": always(False)}
    return stretch(_there(actor, select(SecurityGroup)), wanted, COLUMNS, filters=filters)


def find(actor: Actor, group_id: uuid.UUID) -> SecurityGroup:
    """The group. Raises NotFound."""
    query = _there(actor, select(SecurityGroup))
    found = session.scalar(query.where(SecurityGroup.id == group_id))
    if found is None:
        raise NotFound("Security group {id} does not exist", id=group_id)
    return found


def listed_rules(
    actor: Actor, wanted: Stretch
) -> tuple[list[tuple[SecurityGroupRule, uuid.UUID]], bool]:
    """A stretch of the rules that the actor looks at, each with the project of its group, and
    whether there are more."""
    found, more = stretch(_rules(actor), wanted, RULE_COLUMNS)
    return _with_projects(found), more


def find_rule(actor: Actor, rule_id: uuid.UUID) -> tuple[SecurityGroupRule, uuid.UUID]:
    """The rule, with the project of its group. Raises NotFound."""
    found = session.scalar(_rules(actor).where(SecurityGroupRule.id == rule_id))
    if found is None:
        raise NotFound("Security group rule {id} does not exist", id=rule_id)
    return _with_projects([found])[0]


def _rules(actor: Actor) -> Select:
    on = SecurityGroup.id == SecurityGroupRule.group_id
    return _there(actor, select(SecurityGroupRule).join(SecurityGroup, on))


def _there(actor: Actor, query: Select) -> Select:
    """`query` where the actor looks: in one project, or in the whole cloud."""
    authorize(actor, "networks:read", actor.project_id)
    if actor.project_id is None:
        return query
    return query.where(SecurityGroup.project_id == actor.project_id)


def _with_projects(rules: list[SecurityGroupRule]) -> list[tuple[SecurityGroupRule, uuid.UUID]]:
    of_groups = select(SecurityGroup.id, SecurityGroup.project_id)
    rows = session.execute(of_groups.where(SecurityGroup.id.in_({each.group_id for each in rules})))
    projects = dict(map(tuple, rows))
    return [(each, projects[each.group_id]) for each in rules]
