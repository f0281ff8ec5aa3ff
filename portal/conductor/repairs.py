"""When something that has drifted is mended: its host answers, nobody changes it, and the tries
before did not fail too lately."""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, or_

from portal.db import Base, now, session
from portal.models import Host, Operation
from portal.models.host import PLACED_UNTIL

BACKOFF = [timedelta(minutes=minutes) for minutes in (0.5, 2, 8, 32, 60)]
CALM = timedelta(hours=1)  # after so long without a repair the back-off begins anew
MOST_AT_A_TIME = 100

# Statements that look for drift are built once: they run every few seconds, for ever, and what
# they cost is mostly to be built. What changes is given by `at_present`.
MOMENT, HEARD_SINCE = bindparam("moment"), bindparam("heard_since")
ANSWERS = and_(Host.heard_at > HEARD_SINCE, Host.observed_at.is_not(None))  # it has said all


def backoff(repairs: int) -> timedelta:
    """How long to wait after repair number `repairs` before the next one."""
    return BACKOFF[min(repairs, len(BACKOFF)) - 1]


def count_repair(thing, *, longest: timedelta = BACKOFF[-1]) -> None:
    """One more repair of `thing` begins; the next may not before its back-off has passed, of which
    `longest` is the most."""
    moment = now()
    if thing.repair_at and moment - thing.repair_at > CALM:
        thing.repairs = 0
    thing.repairs += 1
    thing.repair_at = moment + min(backoff(thing.repairs), longest)


def at_present() -> dict[str, datetime]:
    """MOMENT and HEARD_SINCE, as they are now."""
    moment = now()
    return {MOMENT.key: moment, HEARD_SINCE.key: moment - PLACED_UNTIL}


def may_be_mended(model: type[Base]) -> ColumnElement[bool]:
    """Whether the tries before did not fail too lately, at MOMENT."""
    return or_(model.repair_at.is_(None), model.repair_at <= MOMENT)


def changing(target_id) -> ColumnElement[bool]:
    """Whether a change of this thing is under way."""
    return exists().where(Operation.target_id == target_id, Operation.finished_at.is_(None))


def still_due(due: Select, model: type[Base], thing_id: uuid.UUID):
    """The thing, its row locked. None when it is no longer due, or somebody is changing it: they
    come first."""
    return session.scalar(
        due.where(model.id == thing_id).with_for_update(of=model, key_share=True, skip_locked=True),
        at_present(),
    )
