"""What may become of security groups. Hosts hear at once of what concerns their guests."""

import dataclasses
import ipaddress
import uuid
from collections.abc import Sequence

from sqlalchemy import delete as delete_rows
from sqlalchemy import select

from portal.db import session, transaction
from portal.errors import Conflict, NotFound, Refused
from portal.models import Project, SecurityGroup, SecurityGroupRule
from portal.models.port import port_groups
from portal.policies import Actor, authorize
from portal.services import activities, idempotency, names, quotas
from portal.services.details import Details, checked
from portal.services.security_groups import filters
from portal.services.security_groups.looks import DEFAULT, SSH, find, find_rule
from portal.services.security_groups.rules import check_rule, network_of, plain_protocol

FIRST_RULES = (4, 6)  # a new group lets everything out, by these versions of IP


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewRule:
    """Something that a group shall let pass; what is empty is any."""

    group_id: uuid.UUID
    direction: str
    version: int = 4  # of IP; guests speak 4 alone, so what says 6 is kept, and lets nothing pass
    protocol: str = ""
    port_min: int | None = None  # of ICMP the type
    port_max: int | None = None  # of ICMP the code
    remote_cidr: str = ""
    remote_group_id: uuid.UUID | None = None
    description: str = ""


def add_first(project: Project) -> None:
    """The groups that every project is born with: `default` (everything out, in only from the
    same group) and `ssh`. For use inside a change."""
    _add_default(project.id)
    ssh = SecurityGroup(project_id=project.id, name=SSH, description="SSH and ping from anywhere.")
    session.add(ssh)
    session.flush()
    _add_rules(
        SecurityGroupRule(
            group_id=ssh.id, direction="ingress", protocol="tcp", port_min=22, port_max=22
        ),
        SecurityGroupRule(group_id=ssh.id, direction="ingress", protocol="icmp"),
    )


def create(
    actor: Actor, project_id: uuid.UUID, name: str, description: str = "", *, key: str = ""
) -> SecurityGroup:
    """The project has a group of this name, which lets everything out and nothing in. The same
    `key` again answers with the one that it made the first time. Raises Refused, Conflict for a
    second `default`, OverQuota."""
    authorize(actor, "security_groups:create", project_id)
    idempotency.check(key)
    body = idempotency.body_hash((name, description))
    known = (project_id, key, "security_groups:create", body)
    label = names.as_given(name)
    details = checked(Details(description=description))
    with transaction():
        quotas.lock(project_id)
        if made := idempotency.earlier(*known):
            return find(actor, made[0])
        quotas.check(project_id, security_groups=1, security_group_rules=len(FIRST_RULES))
        if label == DEFAULT:
            raise Conflict("Default security group already exists.", field="name")
        group = SecurityGroup(project_id=project_id, name=label, **details)
        session.add(group)
        session.flush()
        session.add_all(
            SecurityGroupRule(group_id=group.id, direction="egress", version=version)
            for version in FIRST_RULES
        )
        activities.record(actor, "security_groups:create", group, after={"name": label, **details})
        idempotency.remember(*known, [group.id])
    return group


def describe(
    actor: Actor,
    group_id: uuid.UUID,
    *,
    name: str | None = None,
    description: str | None = None,
) -> SecurityGroup:
    """The group has this name and description; what is None stays as it is. Raises NotFound,
    Refused, and Conflict where `default` would get another name, or another one this."""
    values = checked(Details(description=description))
    if name is not None:
        values["name"] = names.as_given(name)
    with transaction():
        group = _locked(actor, "security_groups:change", group_id)
        label = values.get("name", group.name)
        if group.name == DEFAULT != label:
            raise Conflict("Updating default security group not allowed.", field="name")
        if label == DEFAULT != group.name:
            raise Conflict("Default security group already exists.", field="name")
        activities.alter(actor, "security_groups:describe", group, values)
    return group


def delete(actor: Actor, group_id: uuid.UUID) -> None:
    """The group is gone, and with it the rules of others that name it. An administrator of the
    cloud may delete `default`: the project has another then, as on its first day. Raises NotFound,
    and Conflict for the `default` of others, and while a port bears the group."""
    with transaction():
        group = _locked(actor, "security_groups:delete", group_id)
        if group.name == DEFAULT and not actor.may("projects:change"):
            raise Conflict("Insufficient rights for removing default security group.")
        bears = select(port_groups.c.port_id).where(port_groups.c.group_id == group.id)
        if session.scalar(bears.limit(1)):
            raise Conflict("Security Group {id} in use.", id=group.id)
        filters.bring_up_to_date(filters.that_refer_to([group.id]))
        activities.record(actor, "security_groups:delete", group, before={"name": group.name})
        theirs = (SecurityGroupRule.group_id == group.id) | (
            SecurityGroupRule.remote_group_id == group.id
        )
        session.execute(delete_rows(SecurityGroupRule).where(theirs))
        session.delete(group)
        if group.name == DEFAULT:
            _add_default(group.project_id)


def add_rules(
    actor: Actor, several: Sequence[NewRule], *, key: str = ""
) -> list[SecurityGroupRule]:
    """The group lets all this pass too, on every host with a guest that bears it, or none of it.
    The same `key` again answers with the rules that it made the first time. Raises NotFound for a
    group that is not there, Refused, Conflict where a rule says it already, OverQuota."""
    idempotency.check(key)
    body = idempotency.body_hash(several)
    wanted = [_values(each) for each in several]
    group_ids = {each["group_id"] for each in wanted}
    if len(group_ids) != 1:
        raise Refused("Rules that are made at once are of one security group.")
    with transaction():
        group = _locked(actor, "security_groups:change", group_ids.pop())
        known = (group.project_id, key, "security_groups:add_rule", body)
        if earlier := idempotency.earlier(*known):
            return [find_rule(actor, each)[0] for each in earlier]
        quotas.check(group.project_id, security_group_rules=len(wanted))
        rules = list(
            session.scalars(select(SecurityGroupRule).where(SecurityGroupRule.group_id == group.id))
        )
        made = [_added(actor, group, rules, each) for each in wanted]
        filters.bring_up_to_date(filters.that_bear([group.id]))
        idempotency.remember(*known, [each.id for each in made])
    return made


def _values(new: NewRule) -> dict:
    values = dataclasses.asdict(new)
    values["remote_cidr"] = network_of(new.remote_cidr) if new.remote_cidr else ""
    return values | checked(Details(description=new.description))


def _added(
    actor: Actor, group: SecurityGroup, known: list[SecurityGroupRule], values: dict
) -> SecurityGroupRule:
    """One more of the group's rules, which are `known`."""
    rule, remote_id = SecurityGroupRule(**values), values["remote_group_id"]
    check_rule(rule)
    if remote_id and find(actor, remote_id).project_id != group.project_id:
        raise NotFound("Security group {id} does not exist", id=remote_id)
    for each in known:
        if _meaning(each) == _meaning(rule):
            raise Conflict("Security group rule already exists. Rule id is {id}.", id=each.id)
    known.append(rule)
    session.add(rule)
    session.flush()
    activities.record(actor, "security_groups:add_rule", group, after={"rule": _told(rule)})
    return rule


def remove_rule(actor: Actor, rule_id: uuid.UUID) -> None:
    """The group lets this pass no longer, on any host. Raises NotFound."""
    group_id = find_rule(actor, rule_id)[0].group_id
    with transaction():
        group = _locked(actor, "security_groups:change", group_id)
        rule, _ = find_rule(actor, rule_id)
        filters.bring_up_to_date(filters.that_bear([group.id]))
        activities.record(actor, "security_groups:remove_rule", group, before={"rule": _told(rule)})
        session.delete(rule)


def _add_default(project_id: uuid.UUID) -> None:
    default = SecurityGroup(
        project_id=project_id,
        name=DEFAULT,
        description="Everything out; in only from instances of this group.",
    )
    session.add(default)
    session.flush()
    _add_rules(
        SecurityGroupRule(group_id=default.id, direction="egress"),
        SecurityGroupRule(group_id=default.id, direction="ingress", remote_group_id=default.id),
    )


def _add_rules(*rules: SecurityGroupRule) -> None:
    for rule in rules:
        check_rule(rule)
    session.add_all(rules)
    session.flush()


def _locked(actor: Actor, permission: str, group_id: uuid.UUID) -> SecurityGroup:
    """The group, nobody else's to change while its project is locked."""
    group = find(actor, group_id)
    authorize(actor, permission, group.project_id)
    quotas.lock(group.project_id)
    quotas.check(group.project_id)
    return find(actor, group_id)


def _meaning(rule: SecurityGroupRule) -> tuple:
    """What two rules that say the same have in common."""
    remote = rule.remote_cidr and str(ipaddress.ip_network(rule.remote_cidr, strict=False))
    if remote in ("0.0.0.0/0", "::/0"):
        remote = ""
    return (
        rule.direction,
        rule.version,
        plain_protocol(rule.protocol),
        rule.port_min,
        rule.port_max,
        remote,
        rule.remote_group_id,
    )


def _told(rule: SecurityGroupRule) -> str:
    """What the record says of a rule: "ingress IPv4 tcp 22-22 10.0.0.0/8"."""
    ports = [str(each) for each in (rule.port_min, rule.port_max) if each is not None]
    remote = rule.remote_cidr or (rule.remote_group_id and f"group {rule.remote_group_id}") or ""
    parts = (rule.direction, f"IPv{rule.version}", rule.protocol, "-".join(ports), remote)
    return " ".join(filter(None, parts))
