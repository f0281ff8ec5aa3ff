"""A person with a browser without scripts: opens pages, fills in their forms, tries again when
the portal was away for a moment."""

import re
import time

import requests
from lxml import html

from tests.stack import PASSWORD

PATIENCE_SECONDS = 60  # with a portal that does not answer
ANSWER_SECONDS = 40  # SQLite's writers wait 30 s for their turn


class Gone(Exception):
    """The page is not there any more."""


class Person:
    """The administrator, at work in the first project."""

    def __init__(self, url: str):
        self._url = url
        self._browser = requests.Session()
        self.tries = 0  # requests that had to be sent once more
        self.answers: dict[int, int] = {}  # how often each HTTP status was met by a POST

    def sign_in(self) -> None:
        page = self.open("/login")
        fields = {**_fields(page, "/login"), "name": "admin", "password": PASSWORD}
        self.project = self._request("POST", "/login", fields, follow=True).url.rstrip("/")
        self.project = self.project.removeprefix(self._url)
        if not self.project.startswith("/projects/"):
            raise RuntimeError(f"signing in led to {self.project}")

    def open(self, path: str) -> html.HtmlElement:
        """The page. Raises Gone for a 404."""
        answer = self._request("GET", path, None, follow=True)
        if answer.status_code == 404:
            raise Gone(path)
        answer.raise_for_status()
        return html.fromstring(answer.text)

    def send(self, page: html.HtmlElement, action: str, **filled) -> int:
        """The form of `page` that leads to `action`, or a bare one with the page's token, was
        sent as filled in; the HTTP status of the answer. Sent again, the same, if the portal
        went away before it answered."""
        fields = {**_fields(page, action), **filled}
        status = self._request("POST", action, fields, follow=False).status_code
        self.answers[status] = self.answers.get(status, 0) + 1
        return status

    def shown(self) -> dict[str, str]:
        """The word on the pill of every instance in the list, by id."""
        page = self.open(f"{self.project}/instances")
        rows = page.xpath('//tr[starts-with(@id, "instance-")]')
        return {
            row.get("id").removeprefix("instance-"): row.xpath('string(.//*[contains(@class, '
            '"pill")])').strip()
            for row in rows
        }  # fmt: skip

    def quota(self) -> dict[str, tuple[int, int]]:
        """Used and limit of each resource on the project's page, by its words."""
        meters = self.open(f"{self.project}/").xpath('//*[contains(@class, "meter")]/p')
        found = {}
        for each in meters:
            name, numbers = each.xpath("string(b)").strip(), each.xpath("string(span)")
            amounts = re.findall(r"([\d.]+)(?: (MiB|GiB))?", numbers.replace(",", ""))
            used, limit = (
                _amount(number, unit or amounts[-1][1], name) for number, unit in amounts
            )
            found[name] = used, limit
        return found

    def _request(self, method: str, path: str, fields: dict | None, *, follow: bool):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._browser.request(
                    method,
                    self._url + path,
                    data=fields,
                    allow_redirects=follow,
                    timeout=ANSWER_SECONDS,
                )
            except (requests.ConnectionError, requests.Timeout):
                if time.monotonic() > deadline:
                    raise
                self.tries += 1
                time.sleep(0.2)


def _fields(page: html.HtmlElement, action: str) -> dict:
    form = next((form for form in page.forms if form.get("action") == action), None)
    if form is None:
        return {"csrf_token": page.xpath('string(//input[@name="csrf_token"]/@value)')}
    fields: dict = {}
    for name, value in form.form_values():
        fields.setdefault(name, []).append(value)
    return fields


def _amount(number: str, unit: str, name: str) -> int:
    """Memory in MiB, whatever the page says it in; anything else as it stands."""
    return round(float(number) * (1024 if name == "Memory" and unit == "GiB" else 1))
