"""What guests wrote to their serial ports: asked for here, answered by their hosts."""

import re
import uuid
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import delete, select

from portal import bell, throttle
from portal.db import after_commit, now, session, transaction, upsert
from portal.models import BootLog, Instance, Power
from portal.policies import Actor
from portal.services.instances.looks import find as find_instance

ASKED_PER_MINUTE = 30  # by one person
FOLLOWED = timedelta(minutes=5)  # from the moment in which a guest was first seen to run
BOOTED = timedelta(seconds=30)  # from the end of a creation until a guest has said something

# ECMA-48: control sequences, strings up to their terminator, other escapes
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]", re.MULTILINE
)
OVERWRITTEN = re.compile(r"^.*\r(?!$)", re.MULTILINE)
# all other controls, and what turns the direction of text
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def find(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> BootLog | None:
    """The log as it was taken last, or None if nobody has asked yet. Raises NotFound."""
    find_instance(actor, project_id, instance_id)
    return session.scalar(select(BootLog).where(BootLog.instance_id == instance_id))


def ask(actor: Actor, project_id: uuid.UUID, instance_id: uuid.UUID) -> None:
    """The host is being asked for a newer log. Whoever may look at the instance may ask."""
    throttle.check_pace("boot logs", str(actor.user_id), per_minute=ASKED_PER_MINUTE)
    with transaction():
        instance = find_instance(actor, project_id, instance_id)
        session.refresh(instance, with_for_update={"key_share": True, "of": Instance})
        find_instance(actor, project_id, instance_id)  # it may have been buried until then
        want([instance_id])
        after_commit(bell.ring)


def follows(instance: Instance) -> bool:
    """Whether its guest began to run so lately that it may have more to say every few seconds."""
    began = instance.observed is Power.RUNNING and instance.observed_at
    return bool(began) and now() - began < FOLLOWED


def want(instance_ids: Collection[uuid.UUID], *, after: timedelta = timedelta()) -> None:
    """The hosts shall be asked for newer logs of these, `after` so long. For use inside a
    change."""
    wish = {"wanted_at": now() + after, "failure": ""}
    upsert(BootLog, [{"instance_id": each} for each in sorted(instance_ids)], wish)


def keep(log: BootLog, text: str) -> None:
    """The text is the log now, and nobody waits for another. Called by the conductor."""
    log.text, log.taken_at, log.wanted_at, log.failure = readable(text), now(), None, ""


def give_up(log: BootLog, reason: str) -> None:
    """The older log stays, with the reason why there is no newer. Called by the conductor."""
    log.wanted_at, log.failure = None, reason


def forget(instance_id: uuid.UUID) -> None:
    """The log has gone with its instance. For use inside a change."""
    session.execute(delete(BootLog).where(BootLog.instance_id == instance_id))


def readable(text: str) -> str:
    """`text` as a terminal would have left it, line by line: no colours, no cursor, no control
    characters but tab and new line, and of a line that was overwritten the last version."""
    plain = ESCAPES.sub("", text).replace("\r\n", "\n")
    return CONTROLS.sub("", OVERWRITTEN.sub("", plain))
