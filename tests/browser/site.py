"""A portal that browsers can reach: its real web process, and a cloud that the test settles."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.cloud import PASSWORD
from tests.house import House

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30
THREADS = 8


class Site(House):
    """A furnished cloud, served by gunicorn on the loopback address as a person would run it."""

    def __init__(self, directory: Path, redis_url: str, patch: pytest.MonkeyPatch):
        super().__init__(directory, redis_url, patch)
        self.cloud.show_screens()
        self._log = directory / "web.log"
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._process = self._start()
        self._wait()

    def cookie(self, name: str) -> dict:
        """What the browser of this person, who has signed in, holds."""
        return {"name": "portico", "value": self._cookies[name], "url": self.url}

    def sign_in(self, name: str, page: Page, password: str = PASSWORD) -> None:
        """This person has filled in the login page that is open, and sent it."""
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()

    def stop(self) -> None:
        """The web process has ended."""
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)
        self._socket.close()

    def _start(self) -> subprocess.Popen:
        """A port that is bound already cannot be taken by anybody else before it is served."""
        settings = {
            "PORTICO_DATA_DIRECTORY": str(self.settings.data_directory),
            "PORTICO_REDIS_URL": self.settings.redis,
            "PORTICO_ARGON2_MEMORY_KIB": str(self.settings.argon2_memory_kib),
            "PORTICO_ARGON2_PASSES": str(self.settings.argon2_passes),
        }
        around = {name: value for name, value in os.environ.items() if "PORTICO" not in name}
        with open(self._log, "w") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "--bind", f"fd://{self._socket.fileno()}"),
                    *("--workers", "1", "--threads", str(THREADS)),
                    *("--worker-class", "portal.server.Worker"),
                    *("--no-control-socket", "--keep-alive", "5", "portal.wsgi:app"),
                ],
                cwd=ROOT,
                env=around | settings,
                pass_fds=[self._socket.fileno()],
                stdout=log,
                stderr=log,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=PATIENCE_SECONDS):
                    return
            except urllib.error.URLError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.05)
