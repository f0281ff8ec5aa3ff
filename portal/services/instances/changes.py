"""What may become of an instance."""

import uuid
from collections.abc import Collection, Mapping

from portal import bell
from portal.db import after_commit, session, transaction
from portal.errors import Conflict, Forbidden, NotFound
from portal.models import Instance, Operation, Power
from portal.policies import Actor, authorize
from portal.sentences import Sentence
from portal.services import activities, names, quotas
from portal.services.details import Details, checked
from portal.services.instances import ends
from portal.services.instances.looks import find
from portal.services.instances.parts import cached, parts
from portal.services.instances.tables import of as tables_of
from portal.services.instances.tables import raise_for_gone
from portal.services.operations import open_operation, supersede
from portal.services.scopes import Raised

GRACE_SECONDS = 60
NEED_A_HOST = {"start", "stop", "force_stop", "reboot", "resume", "retry"}


def rename(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID, name: str) -> Instance:
    """The instance bears this name. The guest's own hostname stays what it was at its creation."""
    label = names.label(name)
    with transaction():
        instance = _change(actor, "rename", project_id, instance_id)
        activities.alter(actor, "instances:rename", instance, {"name": label})
    return instance


def describe(
    actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID, details: Details
) -> Instance:
    """The instance has these details. Raises Refused."""
    with transaction():
        instance = locked_row(actor, "describe", project_id, instance_id)
        activities.alter(actor, "instances:describe", instance, checked(details))
    return instance


def note(
    actor: Actor,
    project_id: uuid.UUID,
    instance_id: uuid.UUID,
    properties: Mapping[str, str],
    *,
    without: Collection[str] = (),
) -> Instance:
    """The instance has these properties beside those that it had, but for those `without`.
    Raises NotFound for one of these that it has not, Refused."""
    with transaction():
        instance = locked_row(actor, "describe", project_id, instance_id)
        for name in without:
            if name not in instance.properties:
                raise NotFound(
                    "{instance} has no property {name}.", instance=instance.name, name=name
                )
        kept = {name: each for name, each in instance.properties.items() if name not in without}
        details = Details(properties={**kept, **properties})
        activities.alter(actor, "instances:describe", instance, checked(details))
    return instance


def tag(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID, name: str) -> bool:
    """The instance bears this tag beside those that it has. Returns whether it is new. Raises
    Refused."""
    with transaction():
        instance = locked_row(actor, "describe", project_id, instance_id)
        new = name not in instance.tags
        if new:
            details = Details(tags=[*instance.tags, name])
            activities.alter(actor, "instances:describe", instance, checked(details))
    return new


def untag(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID, name: str) -> None:
    """The instance bears this tag no longer. Raises NotFound."""
    with transaction():
        instance = locked_row(actor, "describe", project_id, instance_id)
        if name not in instance.tags:
            raise NotFound("{instance} has no tag {tag}.", instance=instance.name, tag=name)
        details = Details(tags=[each for each in instance.tags if each != name])
        activities.alter(actor, "instances:describe", instance, checked(details))


def revise(
    actor: Actor,
    project_id: uuid.UUID,
    instance_id: uuid.UUID,
    *,
    name: str | None = None,
    details: Details | None = None,
    ipv4: str | None = None,
    ipv6: str | None = None,
) -> Instance:
    """The instance bears this name and has these details, and programs are told to reach it at
    these addresses: all of it or nothing, and what is None stays as it was. Raises Refused."""
    label = names.label(name) if name is not None else None
    told = {"access_ipv4": ipv4, "access_ipv6": ipv6} | checked(details or Details())
    told = {column: value for column, value in told.items() if value is not None}
    with transaction():
        instance = locked_row(actor, "describe", project_id, instance_id)
        if label is not None:
            instance = _change(actor, "rename", project_id, instance_id)
            activities.alter(actor, "instances:rename", instance, {"name": label})
        if told:
            activities.alter(actor, "instances:describe", instance, told)
    return instance


def lock(
    actor: Actor,
    project_id: uuid.UUID,
    instance_id: uuid.UUID,
    *,
    locked: bool = True,
    reason: str = "",
) -> Instance:
    """Only administrators of its project change the instance, for this `reason`, or, unless it
    shall be `locked` any longer, members too. What an administrator has locked, none but an
    administrator locks anew or unlocks. Raises Forbidden for that."""
    with transaction():
        instance = _row(actor, "lock", project_id, instance_id)
        over_all = actor.may("instances:change_locked", project_id)
        if instance.locked_by_admins and not over_all:
            raise Forbidden.saying(_locked_by_admins(instance))
        instance.locked_by_admins = locked and over_all
        verb = "lock" if locked else "unlock"
        activities.alter(
            actor, f"instances:{verb}", instance, {"locked": locked, "locked_reason": reason}
        )
    return instance


def start(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> Operation:
    """The instance shall run."""
    return _ask(actor, "start", project_id, instance_id, desired=Power.RUNNING)


def stop(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> Operation:
    """The instance shall be off: by the power button, and by the plug 60 s later."""
    return _ask(
        actor, "stop", project_id, instance_id, desired=Power.STOPPED, grace_seconds=GRACE_SECONDS
    )


def force_stop(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> Operation:
    """The instance shall be off at once, as if the plug were pulled."""
    return _ask(
        actor, "force_stop", project_id, instance_id, desired=Power.STOPPED, grace_seconds=0
    )


def reboot(
    actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID, *, hard: bool = False
) -> Operation:
    """The instance shall be booted once more: down by the power button, or, if it shall be
    `hard`, by the plug, and up again."""
    return _ask(
        actor,
        "reboot",
        project_id,
        instance_id,
        desired=Power.RUNNING,
        grace_seconds=0 if hard else GRACE_SECONDS,
        boots_more=1,
    )


def resume(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> Operation:
    """The guest, which stands still, shall go on where it stood. What is wanted of it stays."""
    with transaction():
        instance = _change(actor, "resume", project_id, instance_id)
        operation = _open(actor, instance, "resume")
        activities.record(actor, "instances:resume", instance, operation=operation)
    return operation


def retry(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> Operation:
    """What failed is tried once more, with its deadline anew."""
    with transaction():
        instance = _change(actor, "retry", project_id, instance_id)
        instance.generation += 1
        instance.fault = ""
        action = "repair" if instance.launched_at else "create"
        operation = _open(actor, instance, action)
        activities.record(actor, "instances:retry", instance, operation=operation)
    return operation


def cancel(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> Operation:
    """The start, stop or reboot that was under way has ended, and what it replaced is wanted
    again: the conductor sees to it as soon as the host answers."""
    with transaction():
        instance = _change(actor, "cancel", project_id, instance_id)
        before, operation = instance.intent, instance.open_operation
        ends.take_back(instance, operation)
        supersede(operation, f"{actor.user_name} cancelled it")
        session.expire(instance, ["open_operation"])
        activities.record(
            actor,
            "instances:cancel",
            instance,
            before=before,
            after=instance.intent,
            operation=operation,
        )
        after_commit(bell.ring)
    return operation


def delete(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> Operation | None:
    """The instance shall be gone. Possible in every state; ends whatever else is under way. Its
    name and its share of the quota are free at once, its address when the host has reported it
    gone; of one that no host has, nothing is left at once."""
    with transaction():
        quotas.lock(project_id)  # who is being created meanwhile may share a group with it
        instance = _change(actor, "delete", project_id, instance_id)
        if instance.open_operation and instance.open_operation.action == "delete":
            return instance.open_operation
        before = instance.intent
        instance.desired = Power.ABSENT
        instance.generation += 1
        if instance.host_id is None:
            ends.bury(instance)
            activities.record(actor, "instances:delete", instance, before=before)
            return None
        operation = _open(actor, instance, "delete", tables=raise_for_gone(instance))
        activities.record(actor, "instances:delete", instance, before=before, operation=operation)
    return operation


def repair(instance: Instance) -> Operation:
    """What the instance's host lost, or has not done yet, is being done. Called by the conductor,
    inside its transaction."""
    action = "delete" if instance.desired is Power.ABSENT else "repair"
    return _open(None, instance, action)


def _ask(
    actor: Actor,
    action: str,
    project_id: uuid.UUID,
    instance_id: uuid.UUID,
    *,
    desired: Power,
    grace_seconds: int | None = None,
    boots_more: int = 0,
) -> Operation:
    with transaction():
        instance = _change(actor, action, project_id, instance_id)
        before = instance.intent
        instance.desired = desired
        if boots_more:  # a host may have done what was taken back, and counted it
            instance.boots = max(instance.boots, instance.observed_boots) + boots_more
        instance.generation += 1
        if grace_seconds is not None:
            instance.grace_seconds = grace_seconds
        operation = _open(actor, instance, action, before=before)
        activities.record(
            actor,
            f"instances:{action}",
            instance,
            before=before,
            after=instance.intent,
            operation=operation,
        )
    return operation


def _open(
    actor: Actor | None,
    instance: Instance,
    action: str,
    *,
    before: dict | None = None,
    tables: list[Raised] | None = None,
) -> Operation:
    """The change is under way. `tables` are those that it altered, if it did."""
    concerned = tables_of(instance) if tables is None else tables
    own = parts(instance, concerned, cached=cached(instance))
    return open_operation(actor, instance, action, own, before=before, tables=tables or ())


def _change(actor: Actor, action: str, project_id: uuid.UUID, instance_id: uuid.UUID) -> Instance:
    """The instance, its row locked, when `actor` may do `action` to it as it is now."""
    instance = locked_row(actor, action, project_id, instance_id)
    if not instance.may(action):
        raise Conflict(
            "{instance} is {status:state}: it cannot {action:verb} now."
            if instance.open_operation is None
            else "{instance} is {status:state}: it cannot {action:verb} now. Wait for it, or "
            "delete it.",
            instance=instance.name,
            status=instance.status,
            action=action,
        )
    if instance.host_id is None and action in NEED_A_HOST:
        raise Conflict(
            "{instance} is on no host yet: it cannot {action:verb} now. Delete it, or wait "
            "until it has one.",
            instance=instance.name,
            action=action,
        )
    return instance


def locked_row(
    actor: Actor, action: str, project_id: uuid.UUID, instance_id: uuid.UUID
) -> Instance:
    """The instance, its row locked, when `actor` may do `action` to such things, and to this one
    if its project has locked it."""
    instance = _row(actor, action, project_id, instance_id)
    if instance.locked:
        _refuse_locked(actor, instance)
    return instance


def _row(actor: Actor, action: str, project_id: uuid.UUID, instance_id: uuid.UUID) -> Instance:
    instance = find(actor, project_id, instance_id)
    authorize(actor, f"instances:{action}", project_id)
    session.refresh(instance, with_for_update={"of": Instance})
    return instance


def _refuse_locked(actor: Actor, instance: Instance) -> None:
    """Raises Conflict, unless `actor` changes also what is locked."""
    if actor.may("instances:change_locked", instance.project_id):
        return
    if instance.locked_by_admins:
        raise Conflict.saying(_locked_by_admins(instance))
    raise Conflict(
        "{instance} is locked. Unlock it first, in its settings.", instance=instance.name
    )


def _locked_by_admins(instance: Instance) -> Sentence:
    return Sentence(
        "{instance} is locked: only administrators of the project change it. Ask one of them to "
        "unlock it.",
        instance=instance.name,
    )
