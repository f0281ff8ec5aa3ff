"""Screens of instances: who may open one, and for how long it may stay open."""

import uuid
from datetime import timedelta

from sqlalchemy import select

from portal import throttle, tickets
from portal.db import now, session, transaction
from portal.errors import Conflict, Forbidden
from portal.models import Activity, Instance, Power
from portal.policies import Actor, authorize
from portal.services import activities, instances, sessions, users

TICKETS_PER_MINUTE = 30  # for one person
OPENED = "instances:console"  # as the record has it
SAID_AGAIN_AFTER = timedelta(minutes=10)


def ticket(
    actor: Actor,
    project_id: uuid.UUID,
    instance_id: uuid.UUID,
    *,
    session_id: uuid.UUID,
    origin: str,
) -> str:
    """A ticket for the screen of this instance. It is good once, within half a minute, from this
    session and from a page of `origin`."""
    _openable(actor, project_id, instance_id)
    throttle.check("consoles", str(actor.user_id), per_minute=TICKETS_PER_MINUTE)
    return tickets.mint(_grant(actor, instance_id, session_id, origin))


def admit(
    actor: Actor,
    project_id: uuid.UUID,
    instance_id: uuid.UUID,
    presented: str,
    *,
    session_id: uuid.UUID,
    origin: str,
) -> Instance:
    """The instance, with its host, whose screen this ticket opens. The ticket is used up, also
    where it was the wrong one: then Forbidden is raised."""
    grant = tickets.redeem(presented)
    if grant is None or grant != _grant(actor, instance_id, session_id, origin):
        raise Forbidden("This ticket opens no console: it was used, is too old, or is for another.")
    return _openable(actor, project_id, instance_id)


def opened(actor: Actor, instance: Instance) -> None:
    """The record says that the actor opened the screen of the instance: once in ten minutes, since
    a page that has lost a screen opens it again by itself."""
    known = select(Activity.id).where(
        Activity.target_id == instance.id,
        Activity.created_at >= now() - SAID_AGAIN_AFTER,
        Activity.action == OPENED,
        Activity.user_id == actor.user_id,
        Activity.address == actor.address,
    )
    with transaction():
        if not session.scalar(known.limit(1)):
            activities.record(actor, OPENED, instance)


def reason_to_close(session_id: uuid.UUID, project_id: uuid.UUID, instance_id: uuid.UUID) -> str:
    """Why a screen may no longer be shown to this session; empty while it may."""
    session.rollback()
    session.expire_all()
    signed_in = sessions.alive(session_id)
    if signed_in is None:
        return "Your session has ended."
    if not users.actor_of(signed_in.user).may("instances:console", project_id):
        return "Your role no longer allows it."
    instance = session.get(Instance, instance_id)
    if instance is None or instance.deleted_at or instance.desired is Power.ABSENT:
        return "The instance was deleted."
    if instance.observed is not Power.RUNNING:
        return "The instance is off."
    return ""


def _openable(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> Instance:
    instance = instances.find_whole(actor, project_id, instance_id)
    authorize(actor, "instances:console", project_id)
    if not instance.may("console"):
        raise Conflict(
            "{instance} is {status:state}: it has no screen now.",
            instance=instance.name,
            status=instance.status,
        )
    if instance.host is None:
        raise Conflict("{instance} is on no host: it has no screen now.", instance=instance.name)
    return instance


def _grant(
    actor: Actor, instance_id: uuid.UUID, session_id: uuid.UUID, origin: str
) -> dict[str, str]:
    return {
        "user": str(actor.user_id),
        "session": str(session_id),
        "instance": str(instance_id),
        "origin": origin,
    }
