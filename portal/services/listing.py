"""Lists, a page at a time: by number for people, from one thing to the next for programs."""

import dataclasses
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    true,
)

from portal.db import session
from portal.errors import Refused

MOST_TAGS = 50  # by which a list is narrowed at a time: as many as an instance bears


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """A part of a list that goes on where another ended. Rows that come and go in the meantime
    make nothing appear in it twice, and nothing that stays is passed over."""

    order: Sequence[tuple[str, bool]] = (("created_at", True),)  # by what, and whether descending
    after: uuid.UUID | None = None  # the last thing of the stretch before
    limit: int = 1000
    backwards: bool = False  # what is before `after`, in the same order
    filters: Mapping[str, Sequence] = dataclasses.field(default_factory=dict)  # any of the values


def stretch(
    query: Select,
    wanted: Stretch,
    columns: Mapping[str, ColumnElement],
    *,
    filters: Mapping[str, Callable[[Sequence], ColumnElement]] | None = None,
    options: Iterable = (),
    rows: bool = False,
) -> tuple[list, bool]:
    """The things, or the `rows`, of this part of `query`, and whether there are more behind them.
    `columns` are what may be sorted and filtered by, "id" among them, none of them ever NULL;
    `filters` make conditions of the values where that is more than to be one of them. Takes as
    long wherever in the list it is, given an index. Raises Refused for an `after` that is not in
    `query`."""
    if not wanted.limit:
        return [], False
    order = [(columns[name], descending) for name, descending in wanted.order]
    order.append((columns["id"], order[-1][1] if order else False))
    if wanted.backwards:
        order = [(column, not descending) for column, descending in order]
    part = query if wanted.after is None else query.where(_behind(query, wanted.after, order))
    for name, values in wanted.filters.items():
        meant = (filters or {}).get(name, columns[name].in_ if name in columns else None)
        part = part.where(meant(values))
    part = part.order_by(*(column.desc() if down else column.asc() for column, down in order))
    part = part.options(*options).limit(wanted.limit + 1)
    found = session.execute(part).all() if rows else list(session.scalars(part).unique())
    kept = found[: wanted.limit]
    return kept[::-1] if wanted.backwards else kept, len(found) > wanted.limit


def _behind(query: Select, after: uuid.UUID, order: list) -> ColumnElement[bool]:
    """Whether a row comes after that one."""
    columns = [column for column, _ in order]
    found = session.execute(query.with_only_columns(*columns).where(columns[-1] == after)).first()
    if found is None:
        raise Refused(
            "The marker {marker} is not in this list: begin it anew.", marker=after, field="marker"
        )
    mark = [literal(value, column.type) for value, column in zip(found, columns, strict=True)]
    return or_(
        *(
            and_(
                *(before == value for before, value in zip(columns[:number], mark, strict=False)),
                column < mark[number] if descending else column > mark[number],
            )
            for number, (column, descending) in enumerate(order)
        )
    )


def always(value: object) -> Callable[[Sequence], ColumnElement]:
    """A filter by what is the same of everything in a list."""
    return lambda values: true() if value in values else false()


def bears(tags: ColumnElement, tag: str) -> ColumnElement[bool]:
    """Whether a column of tags has this one. JSON is text, in which nothing but the tag itself is
    written so: quotes inside of texts are escaped."""
    return cast(tags, Text).like(like(json.dumps(tag)), escape="\\")


def says(properties: ColumnElement, key: str, value: str) -> ColumnElement[bool]:
    """Whether a column of properties has this value by this key."""
    pair = f"{json.dumps(key)}: {json.dumps(value)}"
    return cast(properties, Text).like(like(pair), escape="\\")


def tagged(tags: ColumnElement) -> dict[str, Callable[[Sequence], ColumnElement[bool]]]:
    """Filters by tags, each value a list of them parted by commas: that are all borne, of which
    one is, or that are not. https://specs.openstack.org/openstack/api-sig/guidelines/tags.html"""

    def parted(values: Sequence[str]) -> list[list[ColumnElement[bool]]]:
        few(",".join(values).split(","))
        return [[bears(tags, tag) for tag in text.split(",")] for text in values]

    return {
        "tags": lambda values: and_(*(and_(*each) for each in parted(values))),
        "tags_any": lambda values: and_(*(or_(*each) for each in parted(values))),
        "not_tags": lambda values: and_(*(~and_(*each) for each in parted(values))),
        "not_tags_any": lambda values: and_(*(~or_(*each) for each in parted(values))),
    }


def few(values: Sequence, *, most: int = MOST_TAGS) -> Sequence:
    """These, of which each costs a look at every row. Raises Refused for more than anybody asks
    for, and than a database reads as one condition."""
    if len(values) > most:
        raise Refused(
            "A list is narrowed by at most {most} of these at a time, and not by {count}.",
            most=most,
            count=len(values),
        )
    return values


def like(text: str) -> str:
    """A LIKE pattern (escape character \\) for everything that contains `text`."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
