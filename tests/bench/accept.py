"""What an accepted create asks of the database, and how long it takes, while nobody else works."""

import time
import uuid
from pathlib import Path

import redis
from sqlalchemy import insert, select, update

from portal import config, create_app, db
from portal.db import now, session, transaction
from portal.models import Flavor, Host, Image
from portal.services import networks
from tests.bench.figures import Figure, median, milliseconds
from tests.bench.lists import statements_of
from tests.cloud import Clock, Cloud, open_database, settings
from tests.pages.conftest import Browser
from tests.servers import PostgresServer, RedisServer

HOSTS, BEFORE, CREATES = 50, 50, 40
GOAL_STATEMENTS, GOAL_SECONDS = 15, 0.015
PLENTY = 10**6
QUOTAS = ("instances", "vcpus", "memory_mib", "disk_gib")


def measure(directory: Path) -> list[Figure]:
    """Server time of the POST, and its statements, with SQLite and with PostgreSQL."""
    found = {}
    wire, server = RedisServer(directory), PostgresServer(durable=True)
    wire.start()
    server.start()
    try:
        for kind, url in (
            ("PostgreSQL", server.new_database()),
            ("SQLite", f"sqlite:///{directory}/accept.db"),
        ):
            place = directory / kind
            place.mkdir()
            found[kind] = creates(place, wire.url, url)
            db.session.remove()
    finally:
        db.session.remove()
        server.stop()
        wire.stop()
    seconds = {kind: median(times) for kind, (times, _) in found.items()}
    statements = {kind: count for kind, (_, count) in found.items()}
    return [
        Figure(
            f"accepted create, nobody else working, {HOSTS} hosts, server time, median",
            _both(seconds, milliseconds),
            f"<= {milliseconds(GOAL_SECONDS)}",
            max(seconds.values()) <= GOAL_SECONDS,
        ),
        Figure(
            "... SQL statements",
            _both(statements, str),
            f"<= {GOAL_STATEMENTS}",
            max(statements.values()) <= GOAL_STATEMENTS,
        ),
    ]


def creates(
    directory: Path, redis_url: str, database_url: str, *, count: int = CREATES
) -> tuple[list[float], int]:
    """How long each create took, and the most statements that one needed. Every host carries a
    guest, so that every create changes what the filters of all of them say."""
    project_id, wish = fleet_of(directory, redis_url, database_url)
    browser = Browser(create_app(config.current())).sign_in("alice")
    place = f"/projects/{project_id}/instances"
    token = browser.token(f"{place}/new")
    asked = statements_of(session.get_bind())
    times, most = [], 0
    for number in range(BEFORE + count):
        form = {**wish, "csrf_token": token, "key": uuid.uuid4().hex, "name": f"web-{number}"}
        hear()
        asked.clear()
        began = time.perf_counter()
        answer = browser.client.post(place, data=form)
        took = time.perf_counter() - began
        assert answer.status_code == 303, answer.text
        if number >= BEFORE:
            times.append(took)
            most = max(most, len(asked))
    return times, most


def fleet_of(directory: Path, redis_url: str, database_url: str) -> tuple[uuid.UUID, dict]:
    """A cloud with HOSTS hosts that are heard is in force: the project in which alice may create
    as much as she likes, and what an instance of hers is to be."""
    quotas = {f"quota_{name}": PLENTY for name in QUOTAS}
    config.use(settings(directory, redis_url, database_url=database_url, **quotas))
    open_database(database_url)
    cloud = Cloud(directory, redis.Redis.from_url(redis_url), Clock())
    cloud.prepare()
    project_id, group_id = cloud.project().id, cloud.default_group()
    network = networks.create(cloud.actor("alice"), project_id, "wide", "10.64.0.0/16", nat=True)
    wish = {
        "network_id": network.id,
        "image_id": session.scalar(select(Image.id)),
        "flavor_id": session.scalar(select(Flavor.id).where(Flavor.name == "small")),
        "group_ids": group_id,
        "count": 1,
    }
    _add_hosts()
    session.remove()
    return project_id, wish


def hear() -> None:
    """Every host has just been heard."""
    with transaction():
        session.execute(update(Host).values(heard_at=now()))


def _add_hosts() -> None:
    moment = now()
    with transaction():
        session.execute(
            insert(Host),
            [
                {
                    "name": f"fake-{number}",
                    "sealed_key": "",
                    "heard_at": moment,
                    "observed_at": moment,
                    "vcpus": 64,
                    "memory_mib": 256 * 1024,
                    "disk_gib": 10_000,
                    "disk_free_gib": 10_000,
                    "images": ["d" * 64],
                }
                for number in range(HOSTS)
            ],
        )


def _both(values: dict, words) -> str:
    return ", ".join(f"{kind} {words(value)}" for kind, value in values.items())
