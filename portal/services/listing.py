"""What may be asked of a list."""

import dataclasses

from sqlalchemy import Select


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """A part of a list: which rows, in which order, how many, after how many."""

    query: str = ""
    state: str = ""
    sort: str = "-created_at"  # a column's name, "-" before it for descending
    offset: int = 0
    limit: int = 50


def ordered(query: Select, asked: Asked, columns: dict) -> Select:
    """`query` in the order that was asked for, made total by the id, and cut to the page."""
    column = columns[asked.sort.removeprefix("-")]
    descending = asked.sort.startswith("-")
    model_id = columns["id"]
    order = (column.desc(), model_id.desc()) if descending else (column.asc(), model_id.asc())
    return query.order_by(*order).offset(asked.offset).limit(asked.limit)


def like(text: str) -> str:
    """A LIKE pattern (escape character \\) for everything that contains `text`."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
