"""Lists, a page at a time."""

import dataclasses
from collections.abc import Iterable

from sqlalchemy import Select, func, select

from portal.db import session


@dataclasses.dataclass(frozen=True, kw_only=True)
class Query:
    """A part of a list: which rows, in which order, how many, after how many."""

    text: str = ""  # a part of what the rows bear
    state: str = ""
    sort: str = "-created_at"  # a column's name, "-" before it for descending
    offset: int = 0
    limit: int = 50


def page(query: Select, wanted: Query, columns: dict, options: Iterable = ()) -> tuple[list, int]:
    """The things of this page of `query`, loaded with these options, and how many there are on
    all pages."""
    total = session.scalar(select(func.count()).select_from(query.subquery()))
    return list(session.scalars(ordered(query, wanted, columns).options(*options))), total


def ordered(query: Select, wanted: Query, columns: dict) -> Select:
    """`query` in the order that is wanted, made total by the id, and cut to the page."""
    column = columns[wanted.sort.removeprefix("-")]
    descending = wanted.sort.startswith("-")
    model_id = columns["id"]
    order = (column.desc(), model_id.desc()) if descending else (column.asc(), model_id.asc())
    return query.order_by(*order).offset(wanted.offset).limit(wanted.limit)


def like(text: str) -> str:
    """A LIKE pattern (escape character \\) for everything that contains `text`."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
