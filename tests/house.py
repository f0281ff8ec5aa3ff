"""A furnished cloud for many tests: whoever has been in puts it in order again."""

import sqlite3

import pytest

from portal import config, create_app, db
from tests.cloud import Clock
from tests.conftest import install
from tests.pages.conftest import Browser
from tests.programs import Program
from tests.routes import furnish, lay_files, values

SPEAK_FOR = {  # what a program of each is for: a project, or the whole cloud
    **dict.fromkeys(("ada", "alice", "bob", "rita"), "red"),
    "charlie": "blue",
}
CAST = ("ada", "alice", "bob", "rita", "charlie")


class House:
    """One host, two projects with a running instance each, and everybody signed in. The database
    is SQLite's; `restore` makes it what it was."""

    def __init__(self, directory, redis_url: str, patch: pytest.MonkeyPatch):
        self.clock = Clock()
        patch.setattr(db, "clock", self.clock)
        patch.setattr(db, "steady_clock", self.clock.steady)
        self._path = directory / "portico.db"
        self.cloud = install(directory, redis_url, self.clock, f"sqlite:///{self._path}")
        self.cloud.add_host("kvm-1")
        furnish(self.cloud)
        self.settings = config.current()
        self.app = create_app(self.settings)
        self.red, self.blue = (
            values(self.cloud, self.cloud.project(name), self.app) for name in ("red", "blue")
        )
        self._cookies = {
            name: Browser(self.app).sign_in(name).client.get_cookie("portico").value
            for name in CAST
        }
        self._tokens = {
            (name, scope): Program(self.app).sign_in(name, scope).token
            for name, scope in [*SPEAK_FOR.items(), ("ada", "system")]
        }
        self._kept = sqlite3.connect(":memory:")
        self._copy(to_kept=True)

    def browser(self, name: str) -> Browser:
        """A browser in which this person has been signed in from the beginning."""
        browser = Browser(self.app)
        browser.client.set_cookie("portico", self._cookies[name])
        return browser

    def program(self, name: str, scope: str = "") -> Program:
        """A program of this person, signed in from the beginning for their own project, or for the
        whole cloud ("system")."""
        return Program(self.app, self._tokens[name, scope or SPEAK_FOR[name]])

    def restore(self) -> None:
        """Rows, settings, the files of images and time are as they were."""
        config.use(self.settings)
        self.clock.offset *= 0
        db.session.remove()
        self._copy(to_kept=False)
        lay_files()

    def _copy(self, *, to_kept: bool) -> None:
        there = sqlite3.connect(self._path)
        there.execute("PRAGMA synchronous = OFF")
        source, target = (there, self._kept) if to_kept else (self._kept, there)
        source.backup(target)
        there.close()
