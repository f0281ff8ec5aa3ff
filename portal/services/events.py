"""A project's events in order: what is in its record, and changes that begin and end.

Whoever changes something waits for no place in the order: entries and operations are committed as
they come, and numbered a moment later by the conductor that leads, in one transaction at a time. So
a place, once seen, has all places before it filled, and a reader that goes on after the last one
it has seen misses nothing and sees nothing twice.
"""

import dataclasses
import re
import uuid
from datetime import timedelta

from sqlalchemy import Select, delete, exists, func, literal, select, union_all

from portal.db import now, session, transaction, write
from portal.errors import Refused
from portal.models import Activity, Event, EventKind, Operation
from portal.policies import Actor, authorize
from portal.services import activities

KEPT = timedelta(days=7)
LATE = timedelta(minutes=2)  # the longest from the time of what happened to its commit
MOST_AT_A_TIME = 500
MOST_FORGOTTEN = 5000
MARK = re.compile(r"([1-9][0-9]{0,17})-([0-9a-f]{8})")


class Forgotten(Refused):
    """Where a reader would go on is not known any more, or never was."""

    status = 410


@dataclasses.dataclass(frozen=True)
class Told:
    """An event, with what it is about."""

    event: Event
    activity: Activity | None = None
    operation: Operation | None = None


def number(*, everything: bool = False) -> set[uuid.UUID]:
    """What has happened lately, or, with `everything`, within KEPT, has its place, some at a time.
    Returns of which projects there is something new."""
    since = now() - (KEPT if everything else LATE)
    found = session.execute(_unnumbered(since)).all()
    if not found:
        return set()
    with transaction():
        last = session.scalar(select(func.max(Event.position))) or 0
        rows = [
            {"position": place, "kind": each.kind, "about_id": each.id, "project_id": each.project}
            for place, each in enumerate(found, last + 1)
        ]
        write(Event, rows)
    return {each.project for each in found} - {None}


def forget() -> None:
    """Events are gone after KEPT, some at a time and the oldest first, but for the newest of all,
    from which places go on. For use inside a change."""
    oldest = select(Event.position, Event.created_at).order_by(Event.position)
    moment = now() - KEPT
    old = [each for each in session.execute(oldest.limit(MOST_FORGOTTEN)) if each[1] < moment]
    if old:
        newest = session.scalar(select(func.max(Event.position)))
        last = min(old[-1].position, newest - 1)
        session.execute(delete(Event).where(Event.position <= last))


def after(
    actor: Actor, project_id: uuid.UUID, mark: str | None, *, most: int
) -> tuple[list[Told], str]:
    """At most so many events of the project after this mark, oldest first, and the mark to go on
    after. Without a mark there are none, and the mark says from where on there will be. Raises
    Forgotten for one that is too old, or that names nothing here."""
    authorize(actor, "activities:read", project_id)
    authorize(actor, "operations:read", project_id)
    newest = session.scalar(select(Event).order_by(Event.position.desc()).limit(1))
    here = newest.mark if newest else "0"
    if mark is None or mark == here:
        return [], here
    place = _place(mark) if newest else None
    if place is None:
        raise Forgotten(
            "Nothing is known of this place any more: events are kept for {days} days. Look at "
            "your things themselves, and begin anew without `after`.",
            days=KEPT.days,
        )
    found = session.scalars(
        select(Event)
        .where(
            Event.project_id == project_id,
            Event.position > place,
            Event.position <= newest.position,
        )
        .order_by(Event.position)
        .limit(most)
    ).all()
    told = _told(actor, project_id, found)
    return told, found[-1].mark if len(found) == most else here


def _place(mark: str) -> int | None:
    """The place of the event that bears this mark; None if none does. "0" is before the first one
    of all, for as long as that is kept."""
    if mark == "0":
        return 0 if session.scalar(select(func.min(Event.position))) == 1 else None
    match = MARK.fullmatch(mark)
    event = match and session.scalar(select(Event).where(Event.position == int(match[1])))
    return event.position if event and event.mark == mark else None


def _told(actor: Actor, project_id: uuid.UUID, events: list[Event]) -> list[Told]:
    """These events, without what concerns nobody else, and with what each is about."""
    ids = {kind: [each.about_id for each in events if each.kind is kind] for kind in EventKind}
    entries = activities.of_ids(actor, project_id, ids[EventKind.ACTIVITY])
    changes = {
        each.id: each
        for each in session.scalars(
            select(Operation).where(
                Operation.id.in_(ids[EventKind.BEGAN] + ids[EventKind.ENDED]),
                Operation.project_id == project_id,
            )
        )
    }
    told = (Told(each, entries.get(each.about_id), changes.get(each.about_id)) for each in events)
    return [each for each in told if each.activity or each.operation]


def _unnumbered(since) -> Select:
    """What has happened since then and has no place yet, oldest first."""
    parts = [
        select(
            literal(kind.value).label("kind"),
            model.id.label("id"),
            model.project_id.label("project"),
            moment.label("moment"),
        ).where(
            moment >= since,
            ~exists().where(Event.kind == kind, Event.about_id == model.id),
        )
        for kind, model, moment in (
            (EventKind.ACTIVITY, Activity, Activity.created_at),
            (EventKind.BEGAN, Operation, Operation.created_at),
            (EventKind.ENDED, Operation, Operation.finished_at),
        )
    ]
    every = union_all(*parts).subquery()
    return select(every).order_by(every.c.moment, every.c.kind, every.c.id).limit(MOST_AT_A_TIME)
