"""The portal as a client with a stopwatch sees it, over HTTP and from beside its database."""

import dataclasses
import re
import time
import uuid

import requests
from sqlalchemy import Row, Select, func, select

from portal.db import session
from portal.models import Instance

LOOK_SECONDS = 0.01
LOOK_SECONDS_AT_MANY = 0.1  # whoever looks takes time from those that are looked at


@dataclasses.dataclass(frozen=True)
class Ground:
    """What instances are made on, and from: a path, and ids as a form sends them."""

    project: str  # /projects/<id>
    image_id: str
    flavor_id: str
    network_id: str


class Portal:
    """An administrator of the cloud who is signed in, and quick. Instances are made on `ground`
    (`tests.bench.ground`)."""

    ground: Ground

    def __init__(self, url: str, name: str, password: str):
        self.url, self.http = url.rstrip("/"), requests.Session()
        self.send("/login", {"name": name, "password": password})
        if not self.http.get(f"{self.url}/admin/projects").url.endswith("/admin/projects"):
            raise SystemExit(
                f"bench: {name} cannot sign in, has to change the password first, or does not "
                "administer the cloud"
            )

    @property
    def project(self) -> str:
        return self.ground.project

    def send(self, path: str, fields: dict, *, page: str | None = None) -> requests.Response:
        """POST a form with the token of its page."""
        token = _first(r'name="csrf_token" value="([^"]+)"', self.get(page or path))
        return self._post(path, {**fields, "csrf_token": token})

    def get(self, path: str) -> str:
        answer = self.http.get(f"{self.url}{path}")
        if answer.status_code == 429:
            raise SystemExit("bench: the portal limits forms and searches: see --help")
        return answer.text

    def form(self, name: str, count: int = 1) -> dict:
        """What the form for a new instance sends when its own ground has been chosen."""
        page = self.get(f"{self.project}/instances/new")
        return {
            "csrf_token": _first(r'name="csrf_token" value="([^"]+)"', page),
            "key": _first(r'name="key"[^>]*value="(\w+)"', page),
            "name": name,
            "count": count,
            "image_id": self.ground.image_id,
            "flavor_id": self.ground.flavor_id,
            "network_id": self.ground.network_id,
            "group_ids": re.findall(r'name="group_ids"[^>]*value="([^"]+)"[^>]*checked', page),
        }

    def create(self, form: dict) -> None:
        """Send what `form` gave."""
        _accept(self._post(f"{self.project}/instances", form))

    def change(self, path: str, fields: dict, *, page: str | None = None) -> None:
        """POST a form with the token of its page, and have it accepted."""
        _accept(self.send(path, fields, page=page))

    def instances(self, name: str) -> dict[str, str]:
        """Path of each instance whose name contains `name`, and the word on its pill."""
        page = self.get(f"{self.project}/instances?q={name}")
        rows = re.findall(r'<tr id="instance-.*?</tr>', page, flags=re.DOTALL)
        return {_first(r'<a href="([^"]+)"', row): _word(row) for row in rows}

    def newest_id(self, name: str) -> uuid.UUID:
        """Of the instance of this name that was made last."""
        named = self._named(select(Instance.id), name)
        return session.scalar(named.order_by(Instance.created_at.desc()).limit(1))

    def wait_until_running(self, name: str, count: int, *, seconds: float) -> float:
        """Return when so many instances of this name had been observed to run, which their list
        says afterwards, by `time.perf_counter`. The database is asked: to fetch a page every few
        milliseconds would take a quarter of a small machine from what is measured."""
        deadline = time.perf_counter() + seconds
        pause = LOOK_SECONDS if count == 1 else LOOK_SECONDS_AT_MANY
        look = self._named(select(func.count(Instance.launched_at), func.max(Instance.fault)), name)
        while (found := _look(look))[0] < count:
            if found[1]:
                raise SystemExit(f"bench: {name} could not be built: {found[1]}")
            if time.perf_counter() > deadline:
                raise SystemExit(f"bench: {name} did not run within {seconds} s")
            time.sleep(pause)
        moment = time.perf_counter()
        words = list(self.instances(name).values())
        if words != ["Running"] * count:
            raise SystemExit(f"bench: of {count} {name} the list says {words}")
        return moment

    def switch_off(self, path: str) -> None:
        """Return when the list says that the instance of this page is stopped."""
        deadline = time.perf_counter() + 60
        self.change(f"{path}/actions/force_stop", {}, page=path)
        while self.instances("").get(path) != "Stopped":
            if time.perf_counter() > deadline:
                raise SystemExit(f"bench: {path} did not stop")
            time.sleep(0.2)

    def delete(self, name: str = "") -> None:
        """Delete every instance whose name contains `name`, and wait until they are gone."""
        deadline = time.perf_counter() + 120
        while (found := self.instances(name)) and time.perf_counter() < deadline:
            for path, word in found.items():  # a page of them
                if word != "Deleting":
                    known = _first(r"<title>(?:Delete )?([^ ?]+)", self.get(f"{path}/delete"))
                    self.send(f"{path}/delete", {"confirm": known})
            time.sleep(0.2)

    def _named(self, query: Select, name: str) -> Select:
        """Of what is in the project and begins with `name`."""
        return query.where(
            Instance.name.startswith(name),
            Instance.project_id == uuid.UUID(self.project.rpartition("/")[2]),
            Instance.deleted_at.is_(None),
        )

    def _post(self, path: str, form: dict) -> requests.Response:
        return self.http.post(f"{self.url}{path}", data=form, allow_redirects=False)


def _accept(answer: requests.Response) -> None:
    """Return when it was not refused."""
    if answer.status_code != 303:
        said = refusal(answer.text) or answer.status_code
        raise SystemExit(f"bench: the portal refused {answer.request.path_url}: {said}")


def _word(row: str) -> str:
    """What the pill of a row says."""
    return _first(r"</svg>\s*([A-Z][a-z ]+)", row)


def _look(query: Select) -> Row:
    session.rollback()
    return session.execute(query).one()


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, flags=re.DOTALL)
    return found[1] if found else ""


def refusal(page: str) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", _first(r"data-errors>(.*?)</div>", page)).strip()
