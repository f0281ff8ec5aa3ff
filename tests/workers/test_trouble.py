"""A host that cannot work says why, where the portal hears it."""

import dataclasses

import pytest
import redis

from workers import trouble, wire
from workers.__main__ import DEATHS_TOLD, Parent
from workers.config import HostConfig

KILLED = 9  # as waitpid(2) says it of who ended by SIGKILL


@pytest.fixture
def config(tmp_path, redis_url):
    return HostConfig(
        name="kvm-1",
        key="",
        redis_url=redis_url,
        state_directory=tmp_path,
        runtime_directory=tmp_path,
        driver="fake",
    )


@pytest.fixture
def said(config):
    """What the host says of one of its processes."""
    connection = redis.Redis.from_url(config.redis_url)
    return lambda process: (connection.get(wire.trouble("kvm-1", process)) or b"").decode()


def test_why_a_process_cannot_begin_is_known_until_it_has_begun(config, said):
    with pytest.raises(RuntimeError), trouble.told(config, wire.AGENT):
        raise RuntimeError("nft of this release cannot read ip docker")
    assert said(wire.AGENT) == "its agent cannot begin: nft of this release cannot read ip docker"
    with trouble.told(config, wire.AGENT):
        pass
    assert said(wire.AGENT) == ""


def test_workers_that_die_one_after_the_other_are_told_of_and_a_single_one_is_not(config, said):
    parent = Parent(config)
    for _ in range(DEATHS_TOLD - 1):
        parent._count(KILLED)
    assert said(wire.WORKER) == ""
    parent._count(KILLED)
    assert said(wire.WORKER) == (
        f"its workers end again and again: {DEATHS_TOLD} within a minute, the last one by signal 9"
    )


def test_a_host_whose_redis_is_away_ends_as_it_would_have(config):
    away = dataclasses.replace(config, redis_url="redis://127.0.0.1:1/0")
    with pytest.raises(OSError, match="no room"), trouble.told(away, wire.WORKER):
        raise OSError("no room")
