"""What every test may ask for."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

sys.path.insert(0, str(Path(__file__).parent.parent))

from portal import config, db
from tests.cloud import Clock, Cloud, open_database, settings


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """A Redis of our own on a unix socket; its URL."""
    directory = tmp_path_factory.mktemp("redis")
    socket = directory / "redis.sock"
    server = subprocess.Popen(
        [
            shutil.which("redis-server"),
            *("--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"),
            *("--databases", "64", "--dir", str(directory), "--loglevel", "warning"),
        ],
        stdout=subprocess.DEVNULL,
    )
    connection = redis.Redis(unix_socket_path=str(socket))
    deadline = time.monotonic() + 10
    while True:
        try:
            connection.ping()
            break
        except redis.ConnectionError:
            assert time.monotonic() < deadline, "Redis did not start"
            time.sleep(0.02)
    yield f"unix://{socket}"
    server.terminate()
    server.wait(10)


@pytest.fixture
def redis_url(redis_server):
    """An empty Redis."""
    redis.Redis.from_url(redis_server).flushall()
    return redis_server


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(db, "clock", clock)
    return clock


@pytest.fixture
def bare_cloud(tmp_path, redis_url, clock):
    """An installation without a host."""
    config.use(settings(tmp_path, redis_url))
    open_database(os.environ.get("PORTICO_TEST_DATABASE") or f"sqlite:///{tmp_path}/portico.db")
    cloud = Cloud(tmp_path, redis.Redis.from_url(redis_url), clock)
    cloud.prepare()
    yield cloud
    db.session.remove()


@pytest.fixture
def cloud(bare_cloud):
    """An installation with one host, kvm-1."""
    bare_cloud.add_host("kvm-1")
    return bare_cloud
