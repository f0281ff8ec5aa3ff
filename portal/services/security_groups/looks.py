"""What may pass to and from instances."""

import uuid

from sqlalchemy import Select, select

from portal.db import session
from portal.errors import NotFound, Refused
from portal.models import Project, SecurityGroup, SecurityGroupRule
from portal.policies import Actor, authorize
from portal.services.listing import Stretch, always, stretch
from workers.specs import RuleSpec

DEFAULT, SSH = "default", "ssh"
COLUMNS = {
    name: getattr(SecurityGroup, name)
    for name in ("id", "name", "project_id", "description", "created_at", "updated_at")
}
RULE_COLUMNS = {
    name: getattr(SecurityGroupRule, name)
    for name in (
        *("id", "group_id", "direction", "protocol", "port_min", "port_max", "remote_cidr"),
        *("remote_group_id", "description", "created_at", "updated_at"),
    )
} | {"project_id": SecurityGroup.project_id}


def add_first(project: Project) -> None:
    """The groups that every project is born with: `default` (everything out, in only from the
    same group) and `ssh`. For use inside a change."""
    default = SecurityGroup(
        project_id=project.id,
        name=DEFAULT,
        description="Everything out; in only from instances of this group.",
    )
    ssh = SecurityGroup(project_id=project.id, name=SSH, description="SSH and ping from anywhere.")
    session.add_all([default, ssh])
    session.flush()
    for rule in (
        SecurityGroupRule(group_id=default.id, direction="egress"),
        SecurityGroupRule(group_id=default.id, direction="ingress", remote_group_id=default.id),
        SecurityGroupRule(
            group_id=ssh.id, direction="ingress", protocol="tcp", port_min=22, port_max=22
        ),
        SecurityGroupRule(group_id=ssh.id, direction="ingress", protocol="icmp"),
    ):
        check_rule(rule)
        session.add(rule)
    session.flush()


def check_rule(rule: SecurityGroupRule) -> None:
    """Return when every host can filter by the rule. Raises Refused. For use before it is
    written."""
    if problem := rule_spec(rule).problem:
        raise Refused(
            "No host can filter by this rule: {problem}. Correct it and try again.", problem=problem
        )


def rule_spec(rule: SecurityGroupRule) -> RuleSpec:
    """The rule as hosts are told of it."""
    return RuleSpec(
        direction=rule.direction,
        protocol=rule.protocol or "",
        port_min=rule.port_min,
        port_max=rule.port_max,
        remote_cidr=rule.remote_cidr or "",
        remote_group=str(rule.remote_group_id) if rule.remote_group_id else "",
    )


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


def listed(actor: Actor, wanted: Stretch) -> tuple[list[SecurityGroup], bool]:
    """A stretch of the groups that the actor looks at, and whether there are more."""
    filters = {"shared": always(False)}
    return stretch(_there(actor, select(SecurityGroup)), wanted, COLUMNS, filters=filters)


def find(actor: Actor, group_id: uuid.UUID) -> SecurityGroup:
    """The group. Raises NotFound."""
    query = _there(actor, select(SecurityGroup))
    found = session.scalar(query.where(SecurityGroup.id == group_id))
    if found is None:
        raise NotFound("There is no such security group in this project.")
    return found


def listed_rules(
    actor: Actor, wanted: Stretch
) -> tuple[list[tuple[SecurityGroupRule, uuid.UUID]], bool]:
    """A stretch of the rules that the actor looks at, each with the project of its group, and
    whether there are more."""
    filters = {"version": always(4)}
    found, more = stretch(_rules(actor), wanted, RULE_COLUMNS, filters=filters)
    return _with_projects(found), more


def find_rule(actor: Actor, rule_id: uuid.UUID) -> tuple[SecurityGroupRule, uuid.UUID]:
    """The rule, with the project of its group. Raises NotFound."""
    found = session.scalar(_rules(actor).where(SecurityGroupRule.id == rule_id))
    if found is None:
        raise NotFound("There is no such rule of a security group in this project.")
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
