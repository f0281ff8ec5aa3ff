"""The web process as it is run, and a browser's end of a WebSocket, byte by byte."""

import base64
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from portal import config
from tests.cloud import PASSWORD

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 20


class WebServer:
    """gunicorn with the settings in force, on a port of its own, and everything it logs."""

    def __init__(
        self, directory: Path, *, threads: int = 16, certificate: Path | None = None, **settings
    ):
        given = config.current()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        scheme, by_tls = ("https", ["--certfile", certificate]) if certificate else ("http", [])
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.authority = certificate and certificate.with_name("authority.pem")
        self._log = directory / "web.log"
        environment = {
            "data_directory": given.data_directory,
            "database_url": given.database_url,
            "redis_url": given.redis_url,
            "argon2_memory_kib": given.argon2_memory_kib,
            "argon2_passes": given.argon2_passes,
            **settings,
        }
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}"),
                    *("--workers", "1", "--threads", str(threads)),
                    *("--worker-class", "portal.server.Worker"),
                    *("--keep-alive", "5", *by_tls),
                    *("--no-control-socket", "--access-logfile", "-", "portal.wsgi:app"),
                ],
                cwd=ROOT,
                env=os.environ
                | {f"PORTICO_{name.upper()}": str(value) for name, value in environment.items()},
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait(self) -> None:
        """It answers."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = requests.get(f"{self.url}/healthz", timeout=5, verify=self.authority)
                answer.raise_for_status()
                return
            except requests.RequestException:
                assert self.process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_SECONDS)

    def sign_in(self, name: str) -> "SignedIn":
        return SignedIn(self, name)


class SignedIn:
    """Somebody's browser, over real HTTP."""

    def __init__(self, web: WebServer, name: str):
        self._web, self._session = web, requests.Session()
        # as browsers do: the server may close a connection while the next request is on its way
        again = Retry(1, allowed_methods={"GET"}, raise_on_status=False)
        self._session.mount(web.url, HTTPAdapter(max_retries=again))
        answer = self.post("/login", page="/login", name=name, password=PASSWORD)
        assert answer.status_code == 303, answer.text

    @property
    def cookies(self) -> str:
        return "; ".join(f"{each.name}={each.value}" for each in self._session.cookies)

    def get(self, path: str) -> requests.Response:
        return self._session.get(
            self._web.url + path, timeout=PATIENCE_SECONDS, verify=self._web.authority
        )

    def token(self, page: str) -> str:
        """The form token that `page` holds."""
        return re.search(r'name="csrf_token" value="([^"]+)"', self.get(page).text)[1]

    def post(self, path: str, *, page: str, **fields) -> requests.Response:
        """POST with the token that `page` holds."""
        return self.prepared(path, page=page, **fields)()

    def prepared(self, path: str, *, page: str, **fields) -> Callable[[], requests.Response]:
        """Sends that POST when it is called: the page has been fetched by then."""
        token = self.token(page)
        return lambda: self._session.post(
            self._web.url + path,
            data=fields,
            headers={"X-CSRFToken": token},
            allow_redirects=False,
            timeout=PATIENCE_SECONDS,
            verify=self._web.authority,
        )

    def web_socket(
        self, path: str, protocols: list[str], *, origin: str | None = None, **handshake
    ) -> "WebSocket":
        headers = {"Cookie": self.cookies, "Sec-WebSocket-Protocol": ", ".join(protocols)}
        headers["Origin"] = self._web.url if origin is None else origin
        return WebSocket(self._web.port, path, headers, authority=self._web.authority, **handshake)


class WebSocket:
    """A client of RFC 6455 that sees what a browser's script does not."""

    def __init__(
        self,
        port: int,
        path: str,
        headers: dict[str, str],
        *,
        version: str = "13",
        key: str = "",
        authority: Path | None = None,
    ):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        if authority:
            context = ssl.create_default_context(cafile=authority)
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self._incoming = self.socket.makefile("rb")
        key = key or base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket"]
        lines += [
            "Connection: Upgrade",
            f"Sec-WebSocket-Version: {version}",
            f"Sec-WebSocket-Key: {key}",
        ]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.status = int(self._incoming.readline().split()[1])
        self.headers = {}
        while line := self._incoming.readline().strip().decode():
            name, _, value = line.partition(": ")
            self.headers[name] = value

    def send(self, payload: bytes, *, opcode: int = 2, declared: int | None = None) -> None:
        """One masked frame, which may lie about its length."""
        length = len(payload) if declared is None else declared
        mask = b"mask"
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.socket.sendall(struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, length) + mask + masked)

    def receive(self) -> bytes | tuple[int, str] | None:
        """The next message, or (code, reason) of a close, or None when the stream has ended."""
        while head := self._incoming.read(2):
            opcode, length = head[0] & 0x0F, head[1]
            if length == 126:
                [length] = struct.unpack(">H", self._incoming.read(2))
            elif length == 127:
                [length] = struct.unpack(">Q", self._incoming.read(8))
            payload = self._incoming.read(length)
            if opcode == 8 and not payload:
                return 1005, ""  # RFC 6455, 7.1.5
            if opcode == 8:
                return struct.unpack(">H", payload[:2])[0], payload[2:].decode()
            if opcode == 2:
                return payload
        return None

    def close(self) -> None:
        self._incoming.close()
        self.socket.close()
