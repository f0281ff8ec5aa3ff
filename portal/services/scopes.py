"""Tables of hosts: which shall be there, at which revision.

A table (a network on a host, the filter of a host) is never changed by a step: whoever alters
what it shall say raises its `wanted` revision in the same transaction, and the host is sent the
whole of it. It is never busy. What concerns a noun's tables stands in that noun's own room.
"""

import dataclasses
import uuid
from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, Update, bindparam, or_, select, tuple_, update

from portal import bell
from portal.db import after_commit, session, write
from portal.models import Scope

Place = tuple[uuid.UUID, str, uuid.UUID]  # host, kind, target


@dataclasses.dataclass(frozen=True)
class Raised:
    """A table that a change concerns, as it is wanted after the change."""

    id: uuid.UUID
    host_id: uuid.UUID
    kind: str
    target_id: uuid.UUID
    wanted: int
    held: int
    needed: bool = True

    @property
    def settled(self) -> bool:
        """Whether the host holds the table already."""
        return self.held >= self.wanted if self.needed else self.held == 0

    @property
    def job(self) -> str:
        """What brings the host there."""
        return job_of(self.kind, needed=self.needed)


def at(places: Collection[Place], *others: ColumnElement[bool]) -> list[Raised]:
    """The tables at these places, and those that `others` find, locked; those that no host was
    told of yet are made."""
    found = {}
    condition = _PLACE.in_(places)
    for other in others:
        condition |= other
    for row in session.execute(_in_order(select(*_COLUMNS).where(condition))):
        found[row.host_id, row.kind, row.target_id] = Raised(*row)
    return [*found.values(), *_make(set(places) - found.keys(), wanted=0)]


def want(tables: Collection[Raised], *, needed: bool = True) -> list[Raised]:
    """Hosts shall hold newer revisions of these tables than any before, or, unless the tables are
    `needed` any more, nothing of them; and hear of it soon. Call it with what is locked."""
    if not tables:
        return []
    session.execute(
        update(Scope)
        .where(Scope.id.in_([each.id for each in tables]))
        .values(wanted=Scope.wanted + 1, needed=needed, repairs=0, repair_at=None)
        .execution_options(synchronize_session=False)
    )
    after_commit(bell.ring)
    return [dataclasses.replace(each, wanted=each.wanted + 1, needed=needed) for each in tables]


def raising(*others: ColumnElement[bool]) -> Update:
    """The statement for `want_at`: of the tables at the places, and of those that `others` find,
    a newer revision is wanted. To be made once, since every create needs it."""
    condition = or_(_PLACE.in_(bindparam("places", expanding=True)), *others)
    return (
        update(Scope.__table__)
        .where(Scope.id.in_(_in_order(select(Scope.id).where(condition))))
        .values(wanted=Scope.wanted + 1, needed=True, repairs=0, repair_at=None)
        .returning(*_COLUMNS)
    )


def want_at(raising: Update, places: Collection[Place], **named: Collection) -> list[Raised]:
    """The hosts of the tables at these places, and of those that the statement finds besides by
    what it is told (`named`), shall hold newer revisions of them than any before, and hear of it
    soon; those that no host was told of yet are made. All are locked from now on: call it late.
    What is at the places is of hosts that nobody else makes tables of meanwhile."""
    raised = session.connection().execute(raising, {"places": list(places), **named})
    found = {(row.host_id, row.kind, row.target_id): Raised(*row) for row in raised}
    after_commit(bell.ring)
    return [*found.values(), *_make(set(places) - found.keys(), wanted=1)]


def job_of(kind, *, needed: bool):
    """The job that makes a host hold a table of this kind, or nothing of it: a name for a name, an
    expression for a column."""
    return kind + (".apply" if needed else ".remove")


def lock(
    scope_ids: Collection[uuid.UUID] = (),
    *,
    host_ids: Collection[uuid.UUID],
    target_ids: Collection[uuid.UUID] | None,
) -> list[Scope]:
    """These tables, and those that these hosts have of these things, or all that they have:
    until the transaction ends nobody else's to change. Call it once, with all that is needed."""
    conditions = [Scope.id.in_(scope_ids)] if scope_ids else []
    if target_ids is None:
        conditions.append(Scope.host_id.in_(host_ids))
    elif target_ids:
        conditions.append(Scope.host_id.in_(host_ids) & Scope.target_id.in_(target_ids))
    if not conditions:
        return []
    query = select(Scope).where(or_(*conditions)).execution_options(populate_existing=True)
    return list(session.scalars(_in_order(query)))


_PLACE = tuple_(Scope.host_id, Scope.kind, Scope.target_id)
_COLUMNS = (
    Scope.id,
    Scope.host_id,
    Scope.kind,
    Scope.target_id,
    Scope.wanted,
    Scope.held,
    Scope.needed,
)


def _make(places: Collection[Place], *, wanted: int) -> list[Raised]:
    new = [Raised(uuid.uuid4(), *place, wanted=wanted, held=0) for place in sorted(places, key=str)]
    columns = ("id", "host_id", "kind", "target_id", "wanted")
    write(Scope, [{name: getattr(each, name) for name in columns} for each in new])
    return new


def _in_order(query: Select) -> Select:
    """Locks what it finds in the order of the ids, as everybody does, so that nobody waits in a
    circle."""
    return query.order_by(Scope.id).with_for_update(of=Scope, key_share=True)
