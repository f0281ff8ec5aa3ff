"""What every test may ask for."""

import os
import sys
import uuid
from pathlib import Path

import pytest
import redis

sys.path.insert(0, str(Path(__file__).parent.parent))

from portal import config, db
from tests.cloud import Clock, Cloud, open_database, settings
from tests.servers import PostgresServer, RedisServer


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """A Redis of our own on a unix socket; its URL."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL of our own."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def new_postgresql(postgresql):
    """Makes empty PostgreSQL databases: the URL of each."""
    yield postgresql.new_database
    db.session.remove()
    postgresql.take_back()


@pytest.fixture
def postgresql_url(new_postgresql):
    """The URL of an empty PostgreSQL database."""
    return new_postgresql()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def new_database(request, tmp_path):
    """Makes empty databases of either kind: the URL of each."""
    if request.param == "postgresql":
        return request.getfixturevalue("new_postgresql")
    return lambda: f"sqlite:///{tmp_path}/{uuid.uuid4().hex}.db"


@pytest.fixture
def redis_url(redis_server):
    """An empty Redis."""
    redis.Redis.from_url(redis_server).flushall()
    return redis_server


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(db, "clock", clock)
    monkeypatch.setattr(db, "steady_clock", clock.steady)
    return clock


def install(directory: Path, redis_url: str, clock: Clock, database_url: str) -> Cloud:
    """An installation without a host, its database new."""
    config.use(settings(directory, redis_url))
    open_database(database_url)
    cloud = Cloud(directory, redis.Redis.from_url(redis_url), clock)
    cloud.prepare()
    return cloud


@pytest.fixture
def bare_cloud(tmp_path, redis_url, clock):
    """An installation without a host."""
    url = os.environ.get("PORTICO_TEST_DATABASE") or f"sqlite:///{tmp_path}/portico.db"
    yield install(tmp_path, redis_url, clock, url)
    db.session.remove()


@pytest.fixture
def cloud(bare_cloud):
    """An installation with one host, kvm-1."""
    bare_cloud.add_host("kvm-1")
    return bare_cloud


@pytest.fixture
def any_cloud(tmp_path, redis_url, clock, new_database):
    """An installation without a host, on either kind of database."""
    yield install(tmp_path, redis_url, clock, new_database())
    db.session.remove()


@pytest.fixture(scope="module")
def lasting_house(tmp_path_factory, redis_server):
    from tests.house import House

    redis.Redis.from_url(redis_server).flushall()  # wrong passwords of others count by address
    with pytest.MonkeyPatch.context() as patch:
        yield House(tmp_path_factory.mktemp("house"), redis_server, patch)
    db.session.remove()


@pytest.fixture
def house(lasting_house):
    """A furnished cloud that the tests of a module share; each finds it as if it were new."""
    yield lasting_house
    lasting_house.restore()
