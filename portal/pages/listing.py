"""Lists: paged, filtered and sorted by the server, each view of one with a URL of its own."""

import dataclasses
from collections.abc import Callable

from flask import request, url_for
from flask_login import current_user

from portal.services.listing import Query

SIZE = 50  # rows of a page


@dataclasses.dataclass
class Listing:
    """A view of a list as the URL has it, and the links to other views of it."""

    sorts: tuple[str, ...]
    sort: str  # a column's name, "-" before it for descending
    query: str
    number: int  # of the page, from 1
    total: int = 0
    filters: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def of_request(cls, *, sorts: tuple[str, ...], default: str) -> "Listing":
        """From the arguments q, sort and page; what makes no sense is left out."""
        sort = request.args.get("sort", default)
        page = request.args.get("page", "1")
        return cls(
            sorts=tuple(sorts),
            sort=sort if sort.removeprefix("-") in sorts else default,
            query=request.args.get("q", "").replace("\0", "").strip()[:255],
            number=max(1, min(10**6, int(page))) if page.isdecimal() else 1,
        )

    def wanted(self, **filters) -> Query:
        """What a service needs to know."""
        self.filters = {key: value for key, value in filters.items() if value}
        return Query(
            text=self.query,
            sort=self.sort,
            offset=(self.number - 1) * SIZE,
            limit=SIZE,
            **filters,
        )

    @classmethod
    def newest(cls, listed: Callable, **where) -> tuple[list, "Listing"]:
        """A page of what was made last, filtered by the arguments q and state, and the view that
        it is. `listed` is a service's: it takes the actor, what is wanted, and `where`."""
        listing = cls.of_request(sorts=("created_at",), default="-created_at")
        state = request.args.get("state", "")
        rows, listing.total = listed(current_user.actor, listing.wanted(state=state), **where)
        return rows, listing

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // SIZE))

    @property
    def prev_url(self) -> str | None:
        return self._url(page=self.number - 1) if self.number > 1 else None

    @property
    def next_url(self) -> str | None:
        return self._url(page=self.number + 1) if self.number < self.pages else None

    def by(self, column: str) -> dict:
        """What components/table.html's `header` wants to know of a column."""
        orders = {column: "ascending", f"-{column}": "descending"}
        turned = f"-{column}" if self.sort == column else column
        return {"url": self._url(sort=turned, page=1), "order": orders.get(self.sort)}

    @property
    def words(self) -> str:
        """How much of the list is shown."""
        first = (self.number - 1) * SIZE + 1
        last = min(self.total, first + SIZE - 1)
        return f"{first} to {last} of {self.total}" if self.pages > 1 else f"{self.total} in all"

    def _url(self, **changes) -> str:
        plain = {"q": self.query or None, "sort": self.sort, "page": self.number, **self.filters}
        arguments = {**(request.view_args or {}), **plain, **changes}
        if arguments["page"] == 1:
            arguments["page"] = None
        return url_for(request.endpoint, **arguments)
