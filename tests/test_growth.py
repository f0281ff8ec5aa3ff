"""What a cloud keeps of instances that are gone: their history, and nothing else."""

import functools
import gc
import os
import time
import uuid
from collections import Counter

import pytest
from rq.registry import FinishedJobRegistry
from sqlalchemy import func, select, text

from portal import db
from portal.conductor import housekeeping, wire
from portal.conductor.wire import Receipt
from portal.db import session
from portal.models import Instance, Operation
from portal.services import instances, quotas
from tests.cloud import Cloud
from workers import host
from workers.drivers.locks import KEPT_SECONDS
from workers.wire import LONG, SHORT
from workers.wire import queue as queue_name

AT_ONCE = 10
HISTORY = {
    "instances",
    "operations",
    "tasks",
    "task_lines",
    "activities",
    "seals",
    "usage_intervals",
    "events",  # for a week
}  # kept on purpose
BY_CLASS = "workers.specs.letters."  # caches with an entry a class, of which there are so many


def live(cloud: Cloud, lives: int) -> None:
    """So many instances were created and deleted, every fifth while it was being made."""
    alice, project = cloud.actor("alice"), cloud.project().id
    for first in range(0, lives, AT_ONCE):
        wish = cloud.new_instance(count=min(AT_ONCE, lives - first))
        made = [each.id for each in instances.create(alice, wish)]
        cloud.turn()
        for instance_id in made[::5]:
            instances.delete(alice, project, instance_id)
        cloud.settle()
        for instance_id in set(made) - set(made[::5]):
            instances.delete(alice, project, instance_id)
        cloud.settle()
    session.rollback()
    assert not session.scalars(select(Instance).where(Instance.deleted_at.is_(None))).all()


def let_a_day_pass(cloud: Cloud) -> None:
    """Everybody has tidied up as it is done every hour and every ten minutes."""
    settings = cloud.host_config("kvm-1")
    for path in (settings.state_directory / "locks").iterdir():
        moment = time.time() - KEPT_SECONDS - 60
        os.utime(path, (moment, moment))
    host.tidy(settings)
    for queue in (SHORT, LONG):  # RQ's workers do it every ten minutes
        registry = FinishedJobRegistry(queue_name("kvm-1", queue), connection=cloud.redis)
        registry.cleanup(timestamp=time.time() + KEPT_SECONDS)
    cloud.clock.forward(hours=25)
    cloud.look()
    cloud.settle()
    housekeeping.tidy()


def sizes(cloud: Cloud) -> dict[str, int]:
    """How much there is of everything that should not grow."""
    return {
        **{f"{kind} of the host": n for kind, n in of_host(cloud).items()},
        **{f"{key} in Redis": n for key, n in of_redis(cloud).items()},
        **{f"rows of {table}": n for table, n in of_database().items()},
        **{f"{name} in memory": n for name, n in of_process(cloud).items()},
    }


def of_host(cloud: Cloud) -> dict[str, int]:
    state = cloud.hosts["kvm-1"]
    kinds = Counter(kind for kind, _ in state.state)
    return {**kinds, "locks": len(list((state.directory / "locks").iterdir()))}


def of_redis(cloud: Cloud) -> dict[str, int]:
    """How much lies under keys that do not run out by themselves."""
    size = {"zset": cloud.redis.zcard, "set": cloud.redis.scard, "list": cloud.redis.llen}
    lasting = [key for key in cloud.redis.scan_iter() if cloud.redis.ttl(key) == -1]
    return {
        key.decode(): size[cloud.redis.type(key).decode()](key)
        for key in lasting
        if cloud.redis.type(key).decode() in size or pytest.fail(f"{key} is kept for ever")
    }


def of_database() -> dict[str, int]:
    session.rollback()
    counts = {
        table.name: session.scalar(select(func.count()).select_from(table))
        for table in db.Base.metadata.sorted_tables
        if table.name not in HISTORY
    }
    alone = "SELECT count(*) FROM tasks WHERE operation_id IS NULL"
    counts["tasks without a change"] = session.scalar(text(alone))
    return counts


def of_process(cloud: Cloud) -> dict[str, int]:
    """The registries of the conductor, and every cache of a function of ours."""
    found = Counter()
    for each in (cloud.wire, cloud.ear, cloud.questions):
        for name, value in vars(each).items():
            if isinstance(value, dict | set | list):
                found[f"{type(each).__name__}.{name}"] = len(value)
    for each in gc.get_objects():
        if isinstance(each, functools._lru_cache_wrapper):
            name = f"{getattr(each, '__module__', '')}.{getattr(each, '__qualname__', '')}"
            if name.startswith(("portal.", "workers.")) and not name.startswith(BY_CLASS):
                found[name] += each.cache_info().currsize
    return found


@pytest.mark.parametrize(
    "lives",
    [20, pytest.param(2000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])],
)
def test_of_what_is_gone_only_its_history_is_kept(cloud, lives):
    quotas.change(cloud.actor("ada"), cloud.project().id, {"instances": AT_ONCE, "vcpus": 100})
    live(cloud, AT_ONCE)
    let_a_day_pass(cloud)
    before = sizes(cloud)
    live(cloud, lives)
    let_a_day_pass(cloud)
    after = sizes(cloud)
    assert {what: n for what, n in after.items() if n > before.get(what, 0)} == {}
    assert session.scalar(select(func.count()).select_from(Operation)) >= 2 * lives


def test_a_job_that_nobody_asks_for_again_is_not_remembered(cloud, monkeypatch):
    job = Receipt(f"kvm-1-{uuid.uuid4()}-1", "kvm-1", "", SHORT)
    cloud.redis.hset(f"rq:job:{job.id}", mapping={"status": "started", "last_heartbeat": "now"})
    cloud.wire.look([job])
    assert job.id in cloud.wire._touched
    monkeypatch.setattr(wire, "KEPT_SECONDS", 0)
    cloud.wire.look([])
    assert not cloud.wire._touched
