"""The portal as a client with a stopwatch sees it, over HTTP and from beside its database."""

import re
import time

import requests
from sqlalchemy import Select, func, select

from portal.db import session
from portal.models import Instance

LOOK_SECONDS = 0.01


class Portal:
    """A person who is signed in, and quick."""

    def __init__(self, url: str, name: str, password: str):
        self.url, self.http = url.rstrip("/"), requests.Session()
        self.send("/login", {"name": name, "password": password})
        start = self.http.get(f"{self.url}/").url
        if "/projects/" not in start:
            raise SystemExit(f"bench: {name} cannot sign in, or has to change the password first")
        self.project = start.removeprefix(self.url).rstrip("/")

    def send(self, path: str, fields: dict, *, page: str | None = None) -> requests.Response:
        """POST a form with the token of its page."""
        token = _first(r'name="csrf_token" value="([^"]+)"', self.get(page or path))
        form = {**fields, "csrf_token": token}
        return self.http.post(f"{self.url}{path}", data=form, allow_redirects=False)

    def get(self, path: str) -> str:
        return self.http.get(f"{self.url}{path}").text

    def form(self, name: str, count: int = 1) -> dict:
        """What the form for a new instance would send as it stands."""
        page = self.get(f"{self.project}/instances/new")
        chosen = {
            field: _first(rf'name="{field}"[^>]*value="([^"]+)"[^>]*checked', page)
            for field in ("image_id", "flavor_id")
        }
        network = _first(r'name="network_id".*?<option[^>]*value="([0-9a-f-]{36})"', page)
        key = _first(r'name="key"[^>]*value="(\w+)"', page)
        groups = re.findall(r'name="group_ids"[^>]*value="([^"]+)"[^>]*checked', page)
        token = _first(r'name="csrf_token" value="([^"]+)"', page)
        asked = {"csrf_token": token, "key": key, "name": name, "count": count}
        return chosen | asked | {"network_id": network, "group_ids": groups}

    def create(self, form: dict) -> None:
        """Send what `form` gave."""
        place = f"{self.url}{self.project}/instances"
        answer = self.http.post(place, data=form, allow_redirects=False)
        if answer.status_code != 303:
            raise SystemExit(f"bench: the portal refused: {refusal(answer.text)}")

    def instances(self, name: str) -> dict[str, str]:
        """Path of each instance whose name contains `name`, and the word on its pill."""
        page = self.get(f"{self.project}/instances?q={name}")
        rows = re.findall(r'<tr id="instance-.*?</tr>', page, flags=re.DOTALL)
        return {_first(r'<a href="([^"]+)"', row): _word(row) for row in rows}

    def wait_until_running(self, name: str, count: int, *, seconds: float) -> float:
        """Return when so many instances of this name had been observed to run, which their list
        says afterwards, by `time.perf_counter`. The database is asked: to fetch a page every few
        milliseconds would take a quarter of a small machine from what is measured."""
        deadline = time.perf_counter() + seconds
        named = select(func.count()).where(Instance.name.startswith(name))
        while _count(named.where(Instance.launched_at.is_not(None))) < count:
            if _count(named.where(Instance.fault != "")):
                raise SystemExit(f"bench: {name} could not be built")
            if time.perf_counter() > deadline:
                raise SystemExit(f"bench: {name} did not run within {seconds} s")
            time.sleep(LOOK_SECONDS)
        moment = time.perf_counter()
        words = list(self.instances(name).values())
        if words != ["Running"] * count:
            raise SystemExit(f"bench: of {count} {name} the list says {words}")
        return moment

    def delete(self, name: str) -> None:
        """Delete every instance whose name contains `name`, and wait until they are gone."""
        for path in self.instances(name):
            known = _first(r"<title>(?:Delete )?([^ ?]+)", self.get(f"{path}/delete"))
            self.send(f"{path}/delete", {"confirm": known})
        deadline = time.perf_counter() + 120
        while self.instances(name) and time.perf_counter() < deadline:
            time.sleep(0.2)


def _word(row: str) -> str:
    """What the pill of a row says."""
    return _first(r"</svg>\s*([A-Z][a-z ]+)", row)


def _count(query: Select) -> int:
    session.rollback()
    return session.scalar(query.where(Instance.deleted_at.is_(None)))


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, flags=re.DOTALL)
    return found[1] if found else ""


def refusal(page: str) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", _first(r"data-errors>(.*?)</div>", page)).strip()
