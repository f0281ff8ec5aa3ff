"""Fifty fake hosts under the real web and conductor: creates by eight clients, then a thousand."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import redis
from sqlalchemy import func, select

from portal import config, db
from portal.db import session
from portal.models import Flavor, Host, Image, Operation, Outcome
from portal.policies import COMMAND_LINE
from portal.services import hosts, networks
from tests.bench.figures import Figure, milliseconds, p95
from tests.bench.portal import refusal
from tests.cloud import Clock, Cloud, open_database, settings
from tests.servers import PostgresServer, RedisServer
from tests.web import ROOT, SignedIn, WebServer

HOSTS, FARMS = 50, 2
CLIENTS, CREATES_EACH = 8, 25
CREATES, AT_ONCE = 1000, 20
GOAL_ANSWER_SECONDS, GOAL_PER_SECOND = 0.2, 30
LONGEST_SECONDS = 300
PLENTY = 10**6


def measure(directory: Path) -> list[Figure]:
    """Both, with SQLite and with PostgreSQL."""
    found = {}
    server = PostgresServer(durable=True)
    server.start()
    try:
        for kind, url in (
            ("PostgreSQL", server.new_database()),
            ("SQLite", f"sqlite:///{directory}/fleet.db"),
        ):
            place = directory / kind
            place.mkdir()
            with _fleet(place, url) as fleet:
                found[kind] = fleet.answers(), fleet.rate()
    finally:
        db.session.remove()
        server.stop()
    answers = {kind: p95(times) for kind, (times, _) in found.items()}
    rates = {kind: rate for kind, (_, rate) in found.items()}
    return [
        Figure(
            f"accepted create (HTTP), {CLIENTS} clients, {HOSTS} fake hosts, p95",
            ", ".join(f"{kind} {milliseconds(each)}" for kind, each in answers.items()),
            f"<= {milliseconds(GOAL_ANSWER_SECONDS)}",
            max(answers.values()) <= GOAL_ANSWER_SECONDS,
        ),
        Figure(
            f"{CREATES:,} creates on {HOSTS} fake hosts until all are final",
            ", ".join(f"{kind} {each:.0f} a second" for kind, each in rates.items()),
            f">= {GOAL_PER_SECOND} a second on PostgreSQL",
            rates["PostgreSQL"] >= GOAL_PER_SECOND,
        ),
    ]


class Fleet:
    """A cloud of fake hosts that runs, and eight browsers of Alice's."""

    def __init__(self, web: WebServer, project_id, wish: dict):
        self._place = f"/projects/{project_id}/instances"
        self._wish = wish
        self._clients = [SignedIn(web, "alice") for _ in range(CLIENTS)]

    def answers(self) -> list[float]:
        """How long each create took to be accepted, in seconds, eight being sent at a time."""
        self._create("warm", 1)
        gate = threading.Barrier(CLIENTS)

        def person(number: int) -> list[float]:
            forms = [self._form(number, f"answer-{number}-{n}", 1) for n in range(CREATES_EACH)]
            gate.wait()
            return [_timed(form) for form in forms]

        with ThreadPoolExecutor(CLIENTS) as pool:
            times = [each for times in pool.map(person, range(CLIENTS)) for each in times]
        self._wait(1 + CLIENTS * CREATES_EACH)
        return times

    def rate(self) -> float:
        """Creates a second, from the first click until the last instance is final."""
        before = _final()
        began = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(
                pool.map(
                    lambda n: self._create(f"rate-{n}", AT_ONCE, n % CLIENTS),
                    range(CREATES // AT_ONCE),
                )
            )
        self._wait(before + CREATES)
        return CREATES / (time.perf_counter() - began)

    def _create(self, name: str, count: int, client: int = 0) -> None:
        _timed(self._form(client, name, count))

    def _form(self, client: int, name: str, count: int):
        return self._clients[client].prepared(
            self._place, page=f"{self._place}/new", name=name, count=count, **self._wish
        )

    def _wait(self, count: int) -> None:
        deadline = time.perf_counter() + LONGEST_SECONDS
        while (final := _final()) < count:
            if time.perf_counter() > deadline:
                raise SystemExit(f"bench: {final} of {count} creates ended in {LONGEST_SECONDS} s")
            time.sleep(0.1)
        failed = session.scalars(
            select(Operation.reason).where(Operation.outcome == Outcome.FAILED).limit(1)
        ).first()
        if failed:
            raise SystemExit(f"bench: a create failed: {failed}")


def _timed(send) -> float:
    began = time.perf_counter()
    answer = send()
    took = time.perf_counter() - began
    if answer.status_code != 303:
        said = refusal(answer.text)
        raise SystemExit(f"bench: a create was answered by {answer.status_code}: {said}")
    return took


def _final() -> int:
    session.rollback()
    query = select(func.count()).select_from(Operation).where(Operation.finished_at.is_not(None))
    count = session.scalar(query.where(Operation.action == "create"))
    session.rollback()
    return count


@contextlib.contextmanager
def _fleet(directory: Path, database_url: str) -> Iterator[Fleet]:
    quotas = {f"quota_{name}": PLENTY for name in ("instances", "vcpus", "memory_mib", "disk_gib")}
    wire = RedisServer(directory)
    with contextlib.ExitStack() as ends:
        wire.start()
        ends.callback(wire.stop)
        config.use(settings(directory, wire.url, database_url=database_url, **quotas))
        open_database(database_url)
        cloud = Cloud(directory, redis.Redis.from_url(wire.url), Clock())
        cloud.prepare()
        project = cloud.project()
        network = networks.create(
            cloud.actor("alice"), project.id, "wide", "10.64.0.0/16", nat=True
        )
        wish = {
            "network_id": network.id,
            "image_id": session.scalar(select(Image.id)),
            "flavor_id": session.scalar(select(Flavor.id).where(Flavor.name == "small")),
            "group_ids": cloud.default_group(),
        }
        files = [_host(directory, f"fake-{n}", wire.url) for n in range(1, HOSTS + 1)]
        web = WebServer(directory, **quotas)
        ends.callback(web.stop)
        commands = [["portal.conductor"]]
        commands += [["tests.bench.farm", *files[n::FARMS]] for n in range(FARMS)]
        for command in commands:
            ends.callback(_stop, _start(directory, database_url, wire.url, command))
        web.wait()
        _hear_all()
        yield Fleet(web, project.id, wish)


def _host(directory: Path, name: str, redis_url: str) -> str:
    state = directory / name
    lines = {
        "name": name,
        "key": hosts.add(COMMAND_LINE, name, driver="fake"),
        "redis_url": redis_url,
        "state_directory": state,
        "runtime_directory": state,
        "driver": "fake",
    }
    file = directory / f"{name}.ini"
    file.write_text("[host]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items()))
    return str(file)


def _start(directory: Path, database_url: str, redis_url: str, words: list[str]):
    with open(directory / f"{words[0]}.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            env=os.environ
            | {
                "PORTICO_DATA_DIRECTORY": str(directory),
                "PORTICO_DATABASE_URL": database_url,
                "PORTICO_REDIS_URL": redis_url,
                "PORTICO_CHANGES_PER_MINUTE": "1000000",
            },
        )


def _stop(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def _hear_all() -> None:
    deadline = time.perf_counter() + LONGEST_SECONDS
    silent = select(func.count()).select_from(Host).where(Host.observed_at.is_(None))
    while session.scalar(silent):
        if time.perf_counter() > deadline:
            raise SystemExit("bench: not all fake hosts were heard")
        session.rollback()
        time.sleep(0.1)
    session.rollback()
