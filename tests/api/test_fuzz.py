"""Whatever programs send, nothing breaks: requests by dice, over every route there is.

Each begins as one that is understood, and is spoiled in its path, query, headers or body. The
dice are seeded, so that what was found once is found again: `python -m pytest -m long
tests/api/test_fuzz.py` throws twenty thousand.
"""

import copy
import json
import random
import uuid

import pytest

from tests.api.bodies import BODIES
from tests.routes import routes

FRESH = 25  # requests until everything is as it was again
NASTY = [
    *(None, True, False, 0, -1, 1.5, 2**31, 2**63, 10**30, "", " ", "x", "x" * 256, "x" * 70_000),
    *("\0", "\U0001f600", "\u202ename", "..", "../../etc/passwd", "%00", "%s", "{}", "{name}"),
    *("' OR 1=1 --", "<script>", "null", "None", "-1", "1e9", "banana", "1.2.3", "2001:db8::1"),
    *("10.0.0.0/8", "fe80::/10", "aA==", "2026-11-27T00:00:00Z", "9999-99-99", "admin", "default"),
    *([], {}, [[]], [None], {"": {}}, {"id": None}, [{"uuid": "x"}], ["a"] * 60, {"a": {"a": {}}}),
]
HALF = "\ud800"  # of a character, which JSON can name and no text can hold
QUERIES = [
    *("limit", "marker", "sort", "sort_key", "sort_dir", "fields", "page_reverse", "all_tenants"),
    *("name", "status", "id", "tags", "tags-any", "not-tags", "changes-since", "deleted", "ip"),
    *("reserved", "is_public", "minRam", "minDisk", "image", "flavor", "host", "visibility"),
    *("size_min", "owner", "member_status", "tag", "project_id", "tenant_id", "fixed_ips"),
    *("created_at", "updated_at", "include_names", "effective", "scope.project.id", "user.id"),
    *("detailed", "start", "end", "after", "nocatalog", "enabled", "parent_id", "with_servers"),
]
HEADERS = {
    "OpenStack-API-Version": ["compute 2.1", "compute 2.60", "compute latest", "compute 9.9", "x"],
    "X-OpenStack-Nova-API-Version": ["2.26", "latest", "\xe9"],
    "Idempotency-Key": ["a", "", "x" * 300, "\xe9"],
    "If-Match": ['"x"', "*", "", 'W/"1"', "x" * 5000],
    "Content-Type": ["application/json", "text/plain", "", "application/json; charset=utf-16"],
    "X-Subject-Token": ["", "x", "x" * 9000],
    "Accept": ["", "text/html", "*/*;q=x"],
    "Range": ["bytes=0-0", "bytes=-1", "bytes=9-1", "lines=1"],
}
VISITORS = [("ada", ""), ("ada", "system"), ("alice", ""), ("bob", ""), ("rita", "")]
ALLOWED = {501, 503}  # what is not there, and what waits for a host


class Dice:
    """Requests, one after the other, from one seed."""

    def __init__(self, seed: int, house):
        self._random, self._house = random.Random(seed), house
        self._routes = routes(house.app, of_api=True)

    def request(self) -> tuple:
        """Who asks what: a visitor, a method, a path, and what goes with it."""
        random_ = self._random
        route = random_.choice(self._routes)
        visitor, method = random_.choice(VISITORS), route.method
        more = {"headers": self._headers(), "query_string": self._query()}
        body = BODIES.get(route.endpoint)
        if body is not None:
            more |= self._body(body() if callable(body) else body)
        return visitor, method, self._path(route), more

    def _path(self, route) -> str:
        values = dict(self._random.choice([self._house.red, self._house.red, self._house.blue]))
        path = route.path(self._house.app, values)
        if self._random.random() < 0.2:
            parts = path.split("/")
            spoiled = self._random.choice([str(uuid.uuid4()), "x", "%00", "%ff", "..", "0" * 300])
            parts[self._random.randrange(2, len(parts)) if len(parts) > 2 else -1] = spoiled
            path = "/".join(parts)
        return path

    def _query(self) -> list[tuple[str, str]]:
        count = self._random.choice([0, 0, 1, 1, 2, 4])
        return [(self._random.choice(QUERIES), self._word()) for _ in range(count)]

    def _headers(self) -> dict[str, str]:
        names = [name for name in HEADERS if self._random.random() < 0.15]
        return {name: self._random.choice(HEADERS[name]) for name in names}

    def _body(self, body: dict) -> dict:
        spoiled = copy.deepcopy(body)
        for _ in range(self._random.choice([0, 1, 1, 2, 5])):
            self._spoil(spoiled)
        text = json.dumps(spoiled, ensure_ascii=self._random.random() < 0.5)
        data = text.encode("utf-8", "surrogatepass")
        if self._random.random() < 0.05:
            cut = self._random.randrange(len(data) + 1)
            data = data[:cut] + self._random.randbytes(4)
        return {"data": data, "content_type": "application/json"}

    def _spoil(self, value) -> None:
        """One thing in it, however deep, is another, is gone, or is new."""
        while True:
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            key = self._random.choice(keys) if keys else None
            inner = value[key] if keys else None
            if isinstance(inner, dict | list) and inner and self._random.random() < 0.7:
                value = inner
                continue
            break
        way = self._random.randrange(4)
        if isinstance(value, list):
            value.append(self._nasty(HALF))
        elif way == 0 and keys:
            del value[key]
        elif way == 1 or not keys:
            value[self._random.choice([*QUERIES, "x", "", "description"])] = self._nasty()
        else:
            value[key] = self._nasty(HALF)

    def _nasty(self, *more):
        return copy.deepcopy(self._random.choice([*NASTY, *more]))

    def _word(self) -> str:
        nasty = self._nasty()
        return nasty if isinstance(nasty, str) else json.dumps(nasty)


def throw(house, seed: int, count: int) -> tuple[list[str], int]:
    """Send so many. Returns what broke, in words that find it again, and how many were carried
    out."""
    dice, broken, carried_out = Dice(seed, house), [], 0
    for number in range(count):
        if number % FRESH == 0:
            house.restore()
        (name, scope), method, path, more = dice.request()
        answer = house.program(name, scope).ask(method, path, **more)
        carried_out += answer.status_code < 400
        if answer.status_code >= 500 and answer.status_code not in ALLOWED:
            said = {key: str(value)[:500] for key, value in more.items()}
            broken.append(f"{answer.status_code} {name} {method} {path} {said}")
    return broken, carried_out


def test_nothing_that_is_sent_breaks_anything(house):
    broken, carried_out = throw(house, 1, 1_500)
    assert broken == []
    assert carried_out > 300  # so they are not all refused at the door


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_nothing_that_is_sent_breaks_anything_however_long(house):
    assert throw(house, 2, 20_000)[0] == []
