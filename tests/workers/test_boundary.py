"""Whoever can write to Redis can make a host do nothing."""

import dataclasses
import json
import time

import pytest
import redis
from cryptography.fernet import Fernet
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from tests.cloud import Worker
from workers import specs, wire
from workers.boundary import HostJob, Rejected, perform
from workers.config import HostConfig
from workers.drivers.fake import FakeHost, drivers_of
from workers.errors import Failed

KEY, FOREIGN = Fernet.generate_key(), Fernet.generate_key()
JOB = "hosts.observe"


@pytest.fixture
def config(tmp_path, redis_url):
    return HostConfig(
        name="kvm-1",
        key=KEY.decode(),
        redis_url=redis_url,
        state_directory=tmp_path,
        driver="fake",
    )


@pytest.fixture
def host(tmp_path):
    return drivers_of(FakeHost(tmp_path))


def sealed(key: bytes = KEY, **changes) -> str:
    letter = {
        "version": specs.VERSION,
        "job": JOB,
        "host": "kvm-1",
        "id": "kvm-1-t-1",
        "not_after": time.time() + 60,
        "spec": {"id": "h", "generation": 1},
    }
    return Fernet(key).encrypt(specs.pack(letter | changes)).decode()


def test_a_letter_meant_for_this_host_is_acted_upon(host, config):
    answer = perform(host, config, JOB, "kvm-1-t-1", sealed())
    assert "observation" in specs.unpack(Fernet(KEY).decrypt(answer.encode()))


@pytest.mark.parametrize(
    "letter",
    [
        sealed(FOREIGN),
        sealed(host="kvm-2"),
        sealed(id="kvm-1-t-2"),
        sealed(job="instances.remove"),
        sealed(not_after=time.time() - 1),
        sealed(version=specs.VERSION + 1),
        sealed()[:-8] + "AAAAAAAA",
        "gASVKAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOU",
        "",
        None,
    ],
    ids=[
        "foreign key",
        "another host",
        "another sending",
        "another job",
        "run out",
        "another version",
        "altered",
        "no letter",
        "empty",
        "nothing",
    ],
)
def test_any_other_letter_is_rejected(letter, host, config):
    with pytest.raises(Rejected):
        perform(host, config, JOB, "kvm-1-t-1", letter)


def test_a_job_that_is_not_listed_is_rejected(host, config):
    with pytest.raises(Rejected, match="no job of this host"):
        perform(host, config, "os.system", "kvm-1-t-1", sealed(job="os.system"))


def test_what_may_work_next_time_travels_as_the_sentence_that_it_is(tmp_path, config):
    class Unlucky:
        def observe_guests(self):
            raise Failed("the publisher does not answer")

        observe_host = observe_guests

    unlucky = dataclasses.replace(drivers_of(FakeHost(tmp_path)), hypervisor=Unlucky())
    answer = perform(unlucky, config, JOB, "kvm-1-t-1", sealed())
    letter = specs.unpack(Fernet(KEY).decrypt(answer.encode()))
    assert letter["failed"] == "the publisher does not answer"


def test_a_spec_is_understood_whole_or_not_at_all(host, config):
    for spec in ({"id": "h"}, {"id": "h", "generation": "1"}, {"id": "h", "generation": 1, "x": 1}):
        with pytest.raises(ValueError):
            perform(host, config, JOB, "kvm-1-t-1", sealed(spec=spec))


def test_a_bomb_is_not_unpacked():
    import zlib

    with pytest.raises(ValueError, match="too long"):
        specs.unpack(zlib.compress(b"0" * (specs.MAX_BYTES + 1)))


@pytest.mark.parametrize("name", ["os.mkdir", "subprocess.run", "workers.jobs.hosts.observe"])
def test_a_function_named_in_redis_is_not_run(name, tmp_path, redis_url, host, config):
    connection = redis.Redis.from_url(redis_url)
    target = tmp_path / "made-by-an-attacker"
    queue = Queue("host-kvm-1", connection=connection, serializer=JSONSerializer)
    job = queue.enqueue(name, str(target), job_id="kvm-1-x-1")
    _work(connection, host, config)
    assert not target.exists()
    assert Job.fetch(job.id, connection, serializer=JSONSerializer).get_status() is JobStatus.FAILED


def test_callbacks_and_webhooks_named_in_redis_are_not_run(tmp_path, redis_url, host, config):
    connection = redis.Redis.from_url(redis_url)
    target = tmp_path / "made-by-an-attacker"
    queue = Queue("host-kvm-1", connection=connection, serializer=JSONSerializer)
    queue.enqueue(JOB, sealed(), job_id="kvm-1-t-1")
    connection.hset(
        "rq:job:kvm-1-t-1",
        mapping={
            "success_callback_name": "os.mkdir",
            "failure_callback_name": "os.mkdir",
            "webhooks": json.dumps([{"url": f"file://{target}"}]),
        },
    )
    _work(connection, host, config)
    assert not target.exists()


@pytest.mark.parametrize("name", [JOB, "os.mkdir"], ids=["done", "failed"])
def test_the_conductor_is_rung_for_with_the_outcome(name, redis_url, host, config):
    connection = redis.Redis.from_url(redis_url)
    queue = Queue("host-kvm-1", connection=connection, serializer=JSONSerializer)
    queue.enqueue(name, sealed(), job_id="kvm-1-t-1")
    assert not connection.exists(wire.BELL)
    _work(connection, host, config)
    assert connection.llen(wire.BELL) == 1


def _work(connection, host, config) -> None:
    job_class = type("HostJob", (HostJob,), {"host": host, "config": config})
    queue = Queue(
        "host-kvm-1", connection=connection, serializer=JSONSerializer, job_class=job_class
    )
    Worker([queue], connection=connection, serializer=JSONSerializer, job_class=job_class).work(
        burst=True, logging_level="CRITICAL"
    )
