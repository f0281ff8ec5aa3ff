"""What may pass to and from instances."""

import uuid

from sqlalchemy import select

from portal.db import session
from portal.errors import Refused
from portal.models import Project, SecurityGroup, SecurityGroupRule
from portal.policies import Actor, authorize
from workers.specs import RuleSpec

DEFAULT, SSH = "default", "ssh"


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
