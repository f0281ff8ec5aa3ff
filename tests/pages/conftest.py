"""A browser without scripts, signed in as whoever a test names."""

import html.parser
import re

import pytest
from sqlalchemy import select

from portal import config, create_app
from portal.db import session, transaction
from portal.models import Role, RoleAssignment, User
from portal.services import passwords
from tests.cloud import PASSWORD


class Browser:
    """What a person with a browser does: open pages, fill in and send their forms."""

    def __init__(self, app):
        self.client = app.test_client()

    def open(self, path: str, **headers):
        return self.client.get(path, headers=headers)

    def send(self, path: str, fields: dict | None = None, *, page: str | None = None, **headers):
        """POST `fields` with the token of the form on `page`, by default of the same path."""
        token = self.token(page or path)
        return self.client.post(path, data={**(fields or {}), "csrf_token": token}, headers=headers)

    def token(self, page: str) -> str:
        """The form token on a page."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.client.get(page).text)
        assert found, f"no form on {page}"
        return found[1]

    def sign_in(self, name: str, password: str = PASSWORD):
        answer = self.send("/login", {"name": name, "password": password})
        assert answer.status_code == 303, answer.text
        return self

    def fields(self, page: str) -> dict[str, list[str]]:
        """What the first large form of a page would send as it stands."""
        parser = _Fields()
        parser.feed(self.client.get(page).text)
        return parser.fields


class _Fields(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self._select = self._area = None

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        match tag:
            case "input" if given.get("name"):
                ticked = given.get("type") not in ("checkbox", "radio") or "checked" in given
                if ticked:
                    self.fields.setdefault(given["name"], []).append(given.get("value", ""))
            case "select":
                self._select = given.get("name")
            case "option" if self._select:
                first = self._select not in self.fields
                if first or "selected" in given:
                    self.fields[self._select] = [given.get("value", "")]
            case "textarea":
                self._area = given.get("name")
                self.fields[self._area] = [""]

    def handle_endtag(self, tag):
        if tag == "select":
            self._select = None
        if tag == "textarea":
            self._area = None

    def handle_data(self, text):
        if self._area:
            self.fields[self._area][0] += text.removeprefix("\r\n")


@pytest.fixture
def app(cloud):
    return create_app(config.current())


@pytest.fixture
def visitor(app):
    """Nobody in particular."""
    return Browser(app)


@pytest.fixture
def sign_in(app):
    """Makes browsers: `sign_in("bob")`."""
    return lambda name: Browser(app).sign_in(name)


@pytest.fixture
def alice(sign_in):
    return sign_in("alice")


@pytest.fixture
def ada(cloud, sign_in):
    """The administrator of the cloud, who has chosen a password of her own."""
    with transaction():
        session.scalar(select(User).where(User.name == "ada")).must_change_password = False
    return sign_in("ada")


@pytest.fixture
def auditor(cloud, sign_in):
    """Olga, who may look at the whole cloud and change nothing."""
    with transaction():
        olga = User(
            domain_id=cloud.project().domain_id,
            name="olga",
            password_hash=passwords.hashed(PASSWORD),
        )
        olga.assignments.append(RoleAssignment(role=Role.READER))
        session.add(olga)
    return sign_in("olga")


@pytest.fixture
def red(cloud):
    """The path of Alice's project."""
    return f"/projects/{cloud.project('red').id}"
