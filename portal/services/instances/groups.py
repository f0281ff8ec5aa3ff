"""The security groups of instances, which come and go while guests run."""

import uuid

from sqlalchemy import delete, select

from portal.db import session, transaction, write
from portal.errors import Conflict, NotFound
from portal.models import Instance, Port, Power, SecurityGroup
from portal.models.port import port_groups
from portal.policies import Actor, authorize
from portal.services import activities, quotas, security_groups
from portal.services.instances.changes import locked_row
from portal.services.instances.looks import find
from portal.services.instances.named import matching
from portal.services.security_groups import filters


def groups_of(
    actor: Actor, project_id: uuid.UUID | None, instance_id: uuid.UUID
) -> list[SecurityGroup]:
    """The groups that any port of the instance bears, by name. Raises NotFound."""
    instance = find(actor, project_id, instance_id)
    authorize(actor, "networks:read", instance.project_id)
    return security_groups.of_ids(_borne(instance))


def add_group(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID, name: str) -> None:
    """All ports of the instance bear the group of this name or id too, and its host filters by
    it. Raises NotFound, and Conflict where several groups have the name."""
    with transaction():
        instance, group_id = _locked(actor, project_id, instance_id, name)
        before = _names(instance)
        bear = select(port_groups.c.port_id).where(port_groups.c.group_id == group_id)
        theirs = select(Port.id).where(Port.owner_id == instance.id, Port.id.not_in(bear))
        lacking = session.scalars(theirs).all()
        if not lacking:
            return
        write(port_groups, [{"port_id": each, "group_id": group_id} for each in lacking])
        _tell(actor, instance, group_id, before)


def remove_group(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID, name: str) -> None:
    """No port of the instance bears the group of this name or id any longer, and its host filters
    without it. Raises NotFound, also where none bears it, and Conflict where several groups have
    the name."""
    with transaction():
        instance, group_id = _locked(actor, project_id, instance_id, name)
        before = _names(instance)
        theirs = select(Port.id).where(Port.owner_id == instance.id)
        gone = session.execute(
            delete(port_groups).where(
                port_groups.c.group_id == group_id, port_groups.c.port_id.in_(theirs)
            )
        )
        if not gone.rowcount:
            raise NotFound(
                "Security group {name} is not associated with the instance {instance}",
                name=name,
                instance=instance.id,
            )
        _tell(actor, instance, group_id, before)


def _locked(
    actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID, name: str
) -> tuple[Instance, uuid.UUID]:
    """The instance and the id of the group, neither of them anybody else's to change."""
    quotas.lock(project_id)
    instance = locked_row(actor, "change_groups", project_id, instance_id)
    if instance.desired is Power.ABSENT:
        raise Conflict("{instance} is being deleted.", instance=instance.name)
    found = matching(security_groups.of_project(actor, project_id), name)
    if not found:
        raise NotFound("Security group {name} not found.", name=name)
    if len(found) > 1:
        raise Conflict(
            "Multiple security groups found matching '{name}'. Use an ID to be more specific.",
            name=name,
        )
    return instance, found[0]


def _tell(actor: Actor, instance: Instance, group_id: uuid.UUID, before: list[str]) -> None:
    """The hosts concerned hear of it, and the record."""
    own = [instance.host_id] if instance.host_id else []
    filters.bring_up_to_date(filters.that_refer_to([group_id]), also=own)
    activities.record(
        actor,
        "instances:change_groups",
        instance,
        before={"groups": before},
        after={"groups": _names(instance)},
    )


def _names(instance: Instance) -> list[str]:
    return [each.name for each in security_groups.of_ids(_borne(instance))]


def _borne(instance: Instance) -> list[uuid.UUID]:
    ports = select(Port.id).where(Port.owner_id == instance.id)
    borne = select(port_groups.c.group_id).where(port_groups.c.port_id.in_(ports))
    return list(session.scalars(borne.distinct()))
