"""How long the list of instances takes with 100 and with 10,000 of them."""

import time
import uuid
from datetime import timedelta
from pathlib import Path

import redis
from flask import Flask
from sqlalchemy import event, insert, select

from portal import config, create_app, db
from portal.db import now, session, transaction
from portal.models import FixedIp, Host, Image, Instance, Network, Port, Power, Project, User
from tests.bench.figures import Figure, milliseconds, p95
from tests.cloud import Clock, Cloud, open_database, settings
from tests.pages.conftest import Browser
from tests.servers import RedisServer

FEW, MANY = 100, 10_000
PAGES = 60  # looks at each list
GOAL_SECONDS, GOAL_STATEMENTS, GOAL_FLAT = 0.03, 8, 2.0


def measure(directory: Path) -> list[Figure]:
    """Server time of one page of 50, and what it asks of the database."""
    took = {}
    wire = RedisServer(directory)
    wire.start()
    try:
        for count in (FEW, MANY):
            place = directory / f"list-{count}"
            place.mkdir()
            app, project_id = filled(place, wire.url, count)
            took[count] = _look(app, f"/projects/{project_id}/instances")
            db.session.remove()
    finally:
        wire.stop()
    seconds = {count: p95(times) for count, (times, _) in took.items()}
    statements = took[MANY][1]
    growth = seconds[MANY] / seconds[FEW]
    return [
        Figure(
            f"instance list, 50 of {MANY:,}, server time, p95",
            milliseconds(seconds[MANY]),
            f"<= {milliseconds(GOAL_SECONDS)}",
            seconds[MANY] <= GOAL_SECONDS,
        ),
        Figure("... SQL statements", str(statements), f"<= {GOAL_STATEMENTS}", statements <= 8),
        Figure(
            f"... against {FEW} instances",
            f"{growth:.2f} x",
            f"flat (<= {GOAL_FLAT} x)",
            growth <= GOAL_FLAT,
        ),
    ]


def filled(directory: Path, redis_url: str, count: int) -> tuple[Flask, uuid.UUID]:
    """The portal of a cloud whose project red has so many running instances, and that project."""
    config.use(settings(directory, redis_url))
    open_database(f"sqlite:///{directory}/portico.db")
    Cloud(directory, redis.Redis.from_url(redis_url), Clock()).prepare()
    project = session.scalar(select(Project).where(Project.name == "red"))
    network = session.scalar(select(Network).where(Network.project_id == project.id))
    user, image = session.scalar(select(User)), session.scalar(select(Image))
    ids = [uuid.uuid4() for _ in range(count)]
    began = now() - timedelta(seconds=count)
    with transaction():
        host = Host(name="kvm-1", sealed_key="", heard_at=now())
        session.add(host)
        session.flush()
        plain = {
            "project_id": project.id,
            "user_id": user.id,
            "host_id": host.id,
            "image_id": image.id,
            "flavor_name": "small",
            "vcpus": 1,
            "memory_mib": 512,
            "disk_gib": 2,
            "observed": Power.RUNNING,
            "observed_generation": 1,
            "observed_boots": 1,
        }
        rows = [
            plain
            | {
                "id": each,
                "name": f"web-{number}",
                "hostname": f"web-{number}",
                "created_at": began + timedelta(seconds=number),
            }
            for number, each in enumerate(ids)
        ]
        session.execute(insert(Instance), rows)
        _plug(network, ids)
    return create_app(config.current()), project.id


def _plug(network: Network, instance_ids: list[uuid.UUID]) -> None:
    """Each of the instances has a port on the network, with an address."""
    numbered = list(enumerate(instance_ids))
    session.execute(
        insert(Port),
        [
            {
                "id": each,
                "network_id": network.id,
                "owner_type": Instance.__tablename__,
                "owner_id": each,
                "mac": f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}",
            }
            for number, each in numbered
        ],
    )
    session.execute(
        insert(FixedIp),
        [
            {
                "port_id": each,
                "subnet_id": network.subnets[0].id,
                "address": f"10.1.{number >> 8}.{number & 255}",
                "number": number,
            }
            for number, each in numbered
        ],
    )


def statements_of(bind) -> list[str]:
    """What is asked of this database from now on, as it is asked."""
    found: list[str] = []
    event.listen(
        bind,
        "before_cursor_execute",
        lambda *args: args[2].startswith("BEGIN") or found.append(args[2]),
    )
    return found


def _look(app, path: str) -> tuple[list[float], int]:
    browser = Browser(app).sign_in("alice")
    statements = statements_of(session.get_bind())
    browser.open(path)
    times = []
    for page in range(PAGES):
        statements.clear()
        began = time.perf_counter()
        answer = browser.open(f"{path}?page={1 + page % 2}")
        times.append(time.perf_counter() - began)
        assert answer.status_code == 200
    return times, len(statements)
