"""A day of use in a minute: people come, look around and go."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select

from portal.db import session
from portal.models import Operation
from tests.bench.portal import Portal

PEOPLE, PEOPLE_AT_ONCE = 40, 4
LOOKS_EACH = 12
REST_SECONDS = 120


def live(portal: Portal, name: str, password: str) -> None:
    """Everybody has signed in and looked at pages, as many as one menu leads to."""
    links = re.findall(r'href="(/[a-z][^"?#]*)"', portal.get(f"{portal.project}/instances"))
    paths = sorted(path for path in set(links) if not path.startswith("/static"))

    def person(number: int) -> None:
        visitor = Portal(portal.url, name, password)
        for look in range(LOOKS_EACH):
            visitor.get(paths[(number + look) % len(paths)])

    with ThreadPoolExecutor(PEOPLE_AT_ONCE) as pool:
        list(pool.map(person, range(PEOPLE)))


def end() -> None:
    """Return when no change is under way any more."""
    deadline = time.monotonic() + REST_SECONDS
    while session.scalar(select(Operation.id).where(Operation.finished_at.is_(None)).limit(1)):
        session.rollback()
        if time.monotonic() > deadline:
            raise SystemExit("bench: changes are still under way, so nothing is idle")
        time.sleep(1)
    session.rollback()
