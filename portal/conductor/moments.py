"""Moments in the database, moved together."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update

from portal.db import Base, session


def move(
    model: type[Base], columns: tuple[str, ...], which: ColumnElement[bool], *, by: timedelta
) -> None:
    """These moments of these rows are so much later. Inside a transaction."""
    rows = session.execute(
        select(model.id, *(getattr(model, each) for each in columns)).where(which)
    )
    moved = [
        {"id": row.id, **{each: _later(getattr(row, each), by) for each in columns}} for row in rows
    ]
    if moved:
        session.execute(update(model), moved)


def _later(moment: datetime | None, by: timedelta) -> datetime | None:
    return moment and moment + by
