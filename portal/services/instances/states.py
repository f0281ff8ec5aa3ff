"""The states that instances are in, as conditions of a query: what `portal.models.status` says of
one, asked of all."""

import itertools

from sqlalchemy import ColumnElement, and_, exists, false, or_

from portal.models import Instance, Operation, Power
from portal.models.status import AT_REST, STANDSTILLS, UNDER_WAY, WIRE, Status

_UNDER_WAY = exists().where(Operation.target_id == Instance.id, Operation.finished_at.is_(None))
_WANTED = Instance.desired != Power.ABSENT
_FAULTY = and_(Instance.fault != "", _WANTED)
_STILL = and_(
    Instance.observed == Power.RUNNING, Instance.observed_reason.in_(STANDSTILLS), _WANTED
)


def in_status(word: str) -> ColumnElement[bool]:
    """Whether an instance is in the status that OpenStack calls so; nothing is in one that there
    is not."""
    if word.upper() == WIRE[Status.DELETED].status:
        return Instance.deleted_at.is_not(None)
    meant = [status for status, wire in WIRE.items() if wire.status == word.upper()]
    found = or_(false(), *itertools.chain.from_iterable(map(_conditions, meant)))
    return and_(Instance.deleted_at.is_(None), found)


def _conditions(status: Status) -> list[ColumnElement[bool]]:
    actions = [action for action, each in UNDER_WAY.items() if each is status]
    at_rest = [pair for pair, each in AT_REST.items() if each is status]
    found = [
        exists().where(
            Operation.target_id == Instance.id,
            Operation.finished_at.is_(None),
            Operation.action.in_(actions),
        )
    ] * bool(actions)
    if status is Status.ERROR:
        found.append(and_(~_UNDER_WAY, _FAULTY))
    if status is Status.PAUSED:
        found.append(and_(~_UNDER_WAY, ~_FAULTY, _STILL))
    for wanted, seen in at_rest:
        pair = and_(Instance.desired == wanted, Instance.observed == seen)
        found.append(and_(~_UNDER_WAY, ~_FAULTY, ~_STILL, pair))
    return found
