"""The product as processes of its own: prepared, started under its process manager, ended."""

import dataclasses
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import redis
import requests

from workers import wire

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "seven quiet storms at sea"
START_SECONDS = 120
END_SECONDS = 60


@dataclasses.dataclass
class Stack:
    """An installation in `directory`, its portal on `port` of the loopback address; its hosts
    are `fakes` fake ones, or, if that is 0, this machine."""

    directory: Path
    port: int
    fakes: int
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)  # as PORTICO_… names them
    supervisor: subprocess.Popen | None = None

    @property
    def real(self) -> bool:
        return not self.fakes

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        return self.directory / "data/portico.db"

    @property
    def hosts(self) -> list[str]:
        return [f"fake-{n}" for n in range(1, self.fakes + 1)] or ["kvm-1"]

    def state(self, host: str) -> Path:
        """The state directory of a host."""
        return self.directory / host

    @property
    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if "PORTICO" not in key}
        return inherited | {
            "PORTICO_DATA_DIRECTORY": str(self.directory / "data"),
            "PORTICO_REDIS_URL": f"unix://{self.directory}/redis.sock",
            "PORTICO_LISTEN": f"127.0.0.1:{self.port}",
            "PORTICO_ADMIN_PASSWORD": PASSWORD,
            "PORTICO_CHANGES_PER_MINUTE": "1000000",
            "FLASK_APP": "portal.wsgi",
            **{f"PORTICO_{name}": value for name, value in self.settings.items()},
        }

    def prepare(self) -> None:
        """Database and hosts are there, and an image for fake ones; nothing runs yet."""
        (self.directory / "log").mkdir()
        (self.directory / "data").mkdir(mode=0o750)
        self._flask("prepare")
        for host in self.hosts:
            driver = ["--driver", "fake"] if self.fakes else ["--option", "accelerator=qemu"]
            self._flask(
                *("add-host", host, *driver, "--state", str(self.state(host))),
                *("--output", str(self._settings(host))),
            )
        if self.fakes:
            self._flask("add-fake-image")

    def add_image(self, disk: Path, name: str) -> None:
        """Everybody's catalogue has this disk, as raw or qcow2."""
        self._flask("add-image", str(disk), "--name", name)

    def start(self) -> None:
        """Everything runs, and the portal answers."""
        described = subprocess.run(
            [
                str(Path(__file__).with_name("processes.bash")),
                *(str(self.directory), sys.prefix, f"127.0.0.1:{self.port}"),
                "libvirt" if self.real else "fake",
                *(str(self._settings(host)) for host in self.hosts),
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        settings = self.directory / "supervisor.conf"
        settings.write_text(described)
        self.supervisor = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", f"{sys.prefix}/bin/supervisord", "-c", settings],
            env=self.environment,
            start_new_session=True,  # Ctrl-C is for whoever ends the run in order
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.supervisor.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the portal did not start, see {self.directory}/log")
            time.sleep(0.1)

    def stop(self) -> None:
        """Nothing of it runs any more; guests do, until the machine ends."""
        self.supervisor.terminate()
        try:
            self.supervisor.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()

    def ask_hosts(self) -> None:
        """Every host that has been heard is asked at once what it holds, as after an event."""
        url = self.environment["PORTICO_REDIS_URL"]
        with redis.Redis.from_url(url) as connection, connection.pipeline() as pipeline:
            for host in self.hosts:
                if connection.exists(wire.beat(host)):
                    pipeline.hset(wire.beat(host), wire.BEAT_EVENTS, uuid.uuid4().hex)
            wire.ring(pipeline)
            pipeline.execute()

    def _settings(self, host: str) -> Path:
        return self.directory / f"{host}.ini"

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def _flask(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "flask", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"flask {' '.join(words)}: {done.stdout}{done.stderr}")
