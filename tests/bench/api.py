"""The API as programs use it: long lists, creates, tokens, and how long the command takes."""

import dataclasses
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from portal import config, create_app, db
from portal.db import session
from portal.policies import COMMAND_LINE
from portal.services import users
from tests.bench import accept, lists
from tests.bench.figures import Figure, median, milliseconds, p95
from tests.cloud import PASSWORD
from tests.programs import Program, by_password
from tests.servers import RedisServer
from tests.web import WebServer

FEW, THOUSAND, MANY = 100, 1_000, 10_000
LOOKS, CREATES, TOKENS, ROUNDS, AT_ONCE = 30, 60, 12, 5, 20
SERVERS = "/compute/v2.1/servers"
DETAIL = f"{SERVERS}/detail"


def measure(directory: Path) -> list[Figure]:
    """Server time, unless a figure says otherwise."""
    wire = RedisServer(directory)
    wire.start()
    try:
        return [
            figure
            for part in (_lists, _creates, _tokens)
            for figure in part(_place(directory, part.__name__), wire.url)
        ]
    finally:
        db.session.remove()
        wire.stop()


def _place(directory: Path, name: str) -> Path:
    place = directory / name.strip("_")
    place.mkdir()
    return place


def _lists(directory: Path, redis_url: str) -> list[Figure]:
    pages, statements = {}, {}
    for count in (FEW, MANY):
        app, _ = lists.filled(_place(directory, str(count)), redis_url, count)
        alice = Program(app).sign_in("alice", "red")
        asked = lists.statements_of(session.get_bind())
        pages[count] = median(_times(alice, f"{DETAIL}?limit=50"))
        statements[count] = len(asked) // LOOKS
        if count == MANY:
            whole = median(_times(alice, f"{DETAIL}?limit={THOUSAND}"))
            alone, beside, command = _from_outside(directory)
        db.session.remove()
    growth = pages[MANY] / pages[FEW]
    return [
        _figure(f"API: {THOUSAND:,} servers in detail, median", whole, 0.3),
        _figure(f"API: 50 servers in detail of {MANY:,}, median", pages[MANY], 0.04),
        Figure(f"... against {FEW}", f"{growth:.2f} x", "flat (<= 2.0 x)", growth <= 2.0),
        Figure(
            "... SQL statements",
            str(statements[MANY]),
            "as many as of 100",
            statements[MANY] == statements[FEW],
        ),
        _figure(
            f"API: a small request beside lists of {THOUSAND:,}, on top, p95",
            beside - alone,
            0.05,
        ),
        _figure("`openstack server list`, on top of its own start, median", command, 0.05),
    ]


def _times(program: Program, path: str) -> list[float]:
    """How long each of LOOKS requests took, after a first one."""
    return _timed(lambda: program.get(path), LOOKS)


def _timed(
    ask: Callable, count: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    ask()
    times = []
    for _ in range(count):
        began = clock()
        answer = ask()
        times.append(clock() - began)
        assert answer.status_code < 300, answer.text
    return times


def _from_outside(directory: Path) -> tuple[float, float, float]:
    """How long a small request takes alone, and while somebody asks for long lists all the time
    (p95 each, over HTTP); and what the command takes on top of its start."""
    web = WebServer(directory)
    try:
        web.wait()
        token = _token(web)
        alone = p95(_small(web, token))
        ended = threading.Event()

        def lister() -> None:
            while not ended.is_set():
                _get(web, f"{DETAIL}?limit={THOUSAND}", token)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(lister)
            try:
                beside = p95(_small(web, token))
            finally:
                ended.set()
        return alone, beside, _command(web)
    finally:
        web.stop()


def _small(web: WebServer, token: str) -> list[float]:
    return _timed(lambda: _get(web, "/compute/v2.1", token), 10 * LOOKS)


def _get(web: WebServer, path: str, token: str) -> requests.Response:
    return requests.get(f"{web.url}{path}", headers={"X-Auth-Token": token}, timeout=60)


def _token(web: WebServer) -> str:
    answer = requests.post(
        f"{web.url}/identity/v3/auth/tokens", json=by_password("alice", "red"), timeout=60
    )
    return answer.headers["X-Subject-Token"]


def _command(web: WebServer) -> float:
    """Seconds that `openstack server list` waits for the cloud: the rest is its own start."""
    environment = os.environ | {
        "OS_AUTH_URL": f"{web.url}/identity/v3",
        "OS_USERNAME": "alice",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "red",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
    }
    command = [f"{sys.prefix}/bin/openstack", "--timing", "server", "list", "--limit", "50"]

    def run() -> float:
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return float(re.search(r"Total\W+([0-9.]+)", done.stdout)[1])

    return median(run() for _ in range(ROUNDS))


def _creates(directory: Path, redis_url: str) -> list[Figure]:
    _, wish = accept.fleet_of(directory, redis_url, f"sqlite:///{directory}/api.db")
    alice = Program(create_app(config.current())).sign_in("alice", "red")

    def create():
        accept.hear()
        return alice.post(SERVERS, _server(wish))

    times = _timed(create, CREATES)
    plenty = {f"quota_{each}": accept.PLENTY for each in accept.QUOTAS}
    web = WebServer(directory, threads=32, **plenty)
    try:
        web.wait()
        at_once = median(_at_once(web, wish) for _ in range(ROUNDS))
    finally:
        web.stop()
    return [
        _figure("API: POST server accepted, 50 hosts, median", median(times), 0.02),
        _figure(f"API: {AT_ONCE} at once, over HTTP, until all are accepted", at_once, 0.4),
    ]


def _server(wish: dict) -> dict:
    server = {
        "name": f"api-{uuid.uuid4().hex[:8]}",
        "imageRef": str(wish["image_id"]),
        "flavorRef": str(wish["flavor_id"]),
        "networks": [{"uuid": str(wish["network_id"])}],
    }
    return {"server": server}


def _at_once(web: WebServer, wish: dict) -> float:
    """Seconds until the last of AT_ONCE programs is answered that ask in the same moment."""
    accept.hear()
    token, gate = _token(web), threading.Barrier(AT_ONCE + 1)

    def one(_: int) -> int:
        http = requests.Session()
        http.headers["X-Auth-Token"] = token
        http.get(f"{web.url}/compute/v2.1", timeout=60)
        gate.wait()
        return http.post(f"{web.url}{SERVERS}", json=_server(wish), timeout=60).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = pool.map(one, range(AT_ONCE))
        gate.wait()
        began = time.perf_counter()
        assert (found := set(asked)) == {202}, found
        return time.perf_counter() - began


def _tokens(directory: Path, redis_url: str) -> list[Figure]:
    """With what a password costs by default, which tests make cheap."""
    app, _ = lists.filled(directory, redis_url, FEW)
    plain = config.Settings()
    strong = {
        "argon2_memory_kib": plain.argon2_memory_kib,
        "argon2_passes": plain.argon2_passes,
        "login_attempts_per_minute": accept.PLENTY,
    }
    config.use(dataclasses.replace(config.current(), **strong))
    users.create(COMMAND_LINE, "erin", PASSWORD, must_change=False)
    nobody = Program(create_app(config.current()))
    body = by_password("erin")
    by_cpu = _timed(
        lambda: nobody.post("/identity/v3/auth/tokens", body), TOKENS, time.process_time
    )
    alice = Program(app).sign_in("alice", "red")
    subject = {"X-Subject-Token": alice.token}
    path = "/identity/v3/auth/tokens?nocatalog"
    validated = median(_timed(lambda: alice.get(path, headers=subject), 10 * LOOKS))
    return [
        _figure("API: token by password, processor time, median", median(by_cpu), 0.3),
        _figure("API: validation of a token, median", validated, 0.001, places=1),
    ]


def _figure(what: str, seconds: float, goal: float, *, places: int = 0) -> Figure:
    said = f"{seconds * 1000:.{places}f} ms" if places else milliseconds(seconds)
    return Figure(what, said, f"<= {milliseconds(goal)}", seconds <= goal)
