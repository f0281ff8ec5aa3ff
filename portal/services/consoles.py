"""Screens of instances: who may open one, and for how long it may stay open."""

import uuid
from datetime import timedelta

from sqlalchemy import select

from portal import db, throttle, tickets
from portal.db import now, session, transaction
from portal.errors import Conflict, Forbidden
from portal.models import Activity, Instance, Power
from portal.policies import Actor, authorize
from portal.services import activities, instances, sessions, tokens, users

TICKETS_PER_MINUTE = 30  # for one person
URL_LASTS_SECONDS = 120  # since a person carries it from a program into a browser
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


def bearer_ticket(
    actor: Actor,
    project_id: uuid.UUID,
    instance_id: uuid.UUID,
    *,
    token_id: uuid.UUID,
    origin: str,
) -> str:
    """A ticket for the screen of this instance that is good by itself, for who speaks through a
    program: once, within two minutes, in any browser, from a page of `origin`, and for as long as
    the token is good."""
    _openable(actor, project_id, instance_id)
    throttle.check("consoles", str(actor.user_id), per_minute=TICKETS_PER_MINUTE)
    grant = {
        "token": str(token_id),
        "project": str(project_id),
        "instance": str(instance_id),
        "origin": origin,
    }
    return tickets.mint(grant, lasts_seconds=URL_LASTS_SECONDS)


def admit_bearer(
    presented: str, *, origin: str, address: str = "", request_id: str = ""
) -> tuple[Actor, Instance, uuid.UUID]:
    """Who asked for this ticket, the instance, with its host, whose screen it opens, and the id of
    the token by which it was asked for. The ticket is used up. Raises Forbidden for one that is no
    good, and where the token is none any more."""
    grant = tickets.redeem(presented)
    if grant is None or "token" not in grant or grant["origin"] != origin:
        raise Forbidden(
            "This address opens no console: it was used, or is too old. Ask for a new one."
        )
    token_id = uuid.UUID(grant["token"])
    held = tokens.still(token_id)
    if held is None:
        raise Forbidden("The token by which this screen was asked for has ended.")
    actor = held.actor(address=address, request_id=request_id)
    project_id, instance_id = uuid.UUID(grant["project"]), uuid.UUID(grant["instance"])
    return actor, _openable(actor, project_id, instance_id), token_id


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
    db.forget()
    signed_in = sessions.alive(session_id)
    if signed_in is None:
        return "Your session has ended."
    return _reason(users.actor_of(signed_in.user), project_id, instance_id)


def reason_to_close_to_bearer(
    token_id: uuid.UUID, project_id: uuid.UUID, instance_id: uuid.UUID
) -> str:
    """Why a screen may no longer be shown that was asked for by this token; empty while it may."""
    db.forget()
    held = tokens.still(token_id)
    if held is None:
        return "The token by which this screen was asked for has ended."
    return _reason(held.actor(), project_id, instance_id)


def _reason(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> str:
    if not actor.may("instances:console", project_id):
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
