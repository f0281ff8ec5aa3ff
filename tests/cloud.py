"""A whole cloud in one process: the real database, the real queue, hosts that are fake.

A test arranges by doing what a person does and asserts what a person or a host would see. Nothing
waits: `settle` runs conductor and workers by turns, and moves the clock when all that is left is
to wait.
"""

import contextlib
import dataclasses
import functools
import sqlite3
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import StaticPool, create_engine, select

from portal import config, db, keys
from portal.conductor import drift, tick
from portal.conductor.ear import Ear
from portal.conductor.questions import Questions
from portal.conductor.wire import Wire
from portal.db import session, transaction
from portal.models import (
    Flavor,
    Host,
    Image,
    Instance,
    Network,
    Operation,
    Project,
    Role,
    RoleAssignment,
    SecurityGroup,
    Task,
    User,
    Visibility,
)
from portal.policies import COMMAND_LINE, Actor
from portal.services import hosts, instances, passwords, projects, security_groups, users
from workers import consoles, wire
from workers.__main__ import Rings
from workers.agent import Agent
from workers.boundary import HostJob, TakesNoCommands
from workers.config import HostConfig
from workers.drivers.fake import FakeHost, drivers_of

PASSWORD = "tomato bicycle 93 quill"
LONGEST_SETTLING = 200  # turns


class Worker(Rings, TakesNoCommands, SimpleWorker):
    """Does its jobs in this process."""


class Clock:
    """Time that a test can move."""

    def __init__(self):
        self.offset, self.passed = timedelta(), timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def steady(self) -> float:
        return time.monotonic() + self.passed.total_seconds()

    def forward(self, **amount) -> None:
        """So much time passes."""
        self.offset += timedelta(**amount)
        self.passed += timedelta(**amount)

    def set_forward(self, **amount) -> None:
        """Somebody sets the clock, and no time passes."""
        self.offset += timedelta(**amount)


class Cloud:
    """One installation, with a project `red` of Alice (admin), Bob (member) and Rita (reader),
    a project `blue` of Charlie, and Ada, who administers the cloud."""

    def __init__(self, directory: Path, connection: redis.Redis, clock: Clock):
        self.directory, self.redis, self.clock = directory, connection, clock
        self.wire = Wire(connection)
        self.ear = Ear(self.wire)
        self.questions = Questions(self.wire)
        self.hosts: dict[str, FakeHost] = {}
        self.silent: set[str] = set()
        self._jobs: dict[str, type[HostJob]] = {}
        self._agents: dict[str, Agent] = {}

    # arranging

    def prepare(self) -> None:
        """Everything that a fresh installation has, and the cast."""
        with transaction():
            users.make_administrator("ada", PASSWORD, must_change=False)
            for name, size in (("small", (1, 512, 2)), ("large", (4, 8192, 40))):
                vcpus, memory_mib, disk_gib = size
                session.add(
                    Flavor(name=name, vcpus=vcpus, memory_mib=memory_mib, disk_gib=disk_gib)
                )
            session.add(
                Image(
                    name="Demo Linux",
                    visibility=Visibility.PUBLIC,
                    format="qcow2",
                    sha256="d" * 64,
                    size_bytes=16 * 2**20,
                    virtual_size_bytes=48 * 2**20,
                    min_memory_mib=96,
                )
            )
            red, blue = projects.add("red"), projects.add("blue")
            for name, project, role in (
                ("alice", red, Role.ADMIN),
                ("bob", red, Role.MEMBER),
                ("rita", red, Role.READER),
                ("charlie", blue, Role.ADMIN),
            ):
                user = User(
                    domain_id=red.domain_id,
                    name=name,
                    password_hash=passwords.hashed(PASSWORD),
                )
                user.assignments.append(RoleAssignment(project_id=project.id, role=role))
                session.add(user)

    def add_host(self, name: str = "kvm-1") -> FakeHost:
        """A fake host of this name is there, and has been heard and seen."""
        self.connect(name, hosts.add(COMMAND_LINE, name, driver="fake"))
        self.settle()
        return self.hosts[name]

    def connect(self, name: str, key: str) -> None:
        """A fake host of this name and key works and beats."""
        state = self.directory / name
        host_config = HostConfig(
            name=name,
            key=key,
            redis_url=config.current().redis,
            state_directory=state,
            runtime_directory=state,
            driver="fake",
        )
        self.hosts[name] = FakeHost(state, wait_seconds=0.2)
        drivers = dataclasses.replace(
            drivers_of(self.hosts[name]), console_address=host_config.consoles
        )
        self._jobs[name] = type("HostJob", (HostJob,), {"host": drivers, "config": host_config})
        self._agents[name] = Agent(host_config)

    def show_screens(self, name: str = "kvm-1") -> Path:
        """The agent of this host shows the screens of its guests, at the socket that is returned,
        for as long as this process lives."""
        consoles.serve(self.host_config(name))
        return self.host_config(name).runtime_directory / "agent.sock"

    # acting

    def host_config(self, name: str) -> HostConfig:
        """What the host of this name knows of itself."""
        return self._jobs[name].config

    def actor(self, name: str) -> Actor:
        query = select(User).where(User.name == name).execution_options(populate_existing=True)
        return users.actor_of(session.scalar(query))

    def project(self, name: str = "red") -> Project:
        return session.scalar(select(Project).where(Project.name == name))

    def default_group(self) -> uuid.UUID:
        """The group that the form offers in project `red`."""
        return session.scalar(
            select(SecurityGroup.id).where(
                SecurityGroup.project_id == self.project().id,
                SecurityGroup.name == security_groups.DEFAULT,
            )
        )

    def new_instance(self, name: str = "web", project: str = "red", **changes):
        """What `project` asks for when it asks for an ordinary instance."""
        project_id = self.project(project).id
        plain = instances.NewInstance(
            project_id=project_id,
            name=name,
            flavor_id=session.scalar(select(Flavor.id).where(Flavor.name == "small")),
            image_id=session.scalar(select(Image.id).where(Image.name == "Demo Linux")),
            network_id=session.scalar(
                select(Network.id).where(Network.project_id == project_id).limit(1)
            ),
        )
        return dataclasses.replace(plain, **changes)

    def create(self, name: str = "web", by: str = "alice", **changes) -> Instance:
        """An instance has been asked for, and nothing more."""
        return instances.create(self.actor(by), self.new_instance(name, **changes))[0]

    def running(self, name: str = "web", **changes) -> Instance:
        """An instance runs."""
        instance = self.create(name, **changes)
        self.settle()
        return self.see(instance)

    def see(self, thing):
        """The row as it is now."""
        session.rollback()
        return session.get(type(thing), thing.id)

    def operations(self, thing) -> list[Operation]:
        """All changes of a thing, oldest first."""
        session.rollback()
        return list(
            session.scalars(
                select(Operation)
                .where(Operation.target_id == thing.id)
                .order_by(Operation.created_at)
            )
        )

    # running

    def beat(self) -> None:
        for name, agent in self._agents.items():
            if name not in self.silent:
                agent._boot_id = self.hosts[name].get("host", "boot")["id"]
                agent.beat()

    def work(self) -> int:
        """Every host has done what lay in its queues."""
        done = 0
        for name, job_class in self._jobs.items():
            if name not in self.silent:
                done += sum(
                    self._work_on(name, queue, job_class) for queue in (wire.SHORT, wire.LONG)
                )
        return done

    def turn(self) -> int:
        """One turn of the conductor and of every worker. Returns how much was done."""
        self.beat()
        moved = tick.tick(self.wire)
        moved += self.work()
        return moved + tick.tick(self.wire)

    def settle(self) -> None:
        """No change is under way, and what the hosts hold is known."""
        for _ in range(LONGEST_SETTLING):
            moved = self.turn() + self.observe() + drift.mend()
            open_ = session.scalar(select(Task.id).where(Task.finished_at.is_(None)).limit(1))
            open_ = open_ or session.scalar(
                select(Operation.id).where(Operation.finished_at.is_(None)).limit(1)
            )
            session.rollback()
            if not open_ and not moved:
                return
            if not moved:
                self.clock.forward(seconds=1)
        raise AssertionError("the cloud did not settle")

    def observe(self) -> int:
        """Whoever was due was asked what it holds or what a guest wrote, and has answered."""
        self.beat()
        taken = self.questions.listen(self.ear.listen())
        self.work()
        return taken + self.questions.listen(self.ear.listen())

    def look(self) -> None:
        """Every host is asked at once what it holds, as after an event."""
        for agent in self._agents.values():
            agent._events += 1
        self.observe()

    def _work_on(self, name: str, queue: str, job_class: type[HostJob]) -> int:
        listed = Queue(
            wire.queue(name, queue),
            connection=self.redis,
            serializer=JSONSerializer,
            job_class=job_class,
        )
        if not (waiting := len(listed)):
            return 0
        Worker(
            [listed], connection=self.redis, serializer=JSONSerializer, job_class=job_class
        ).work(burst=True, logging_level="CRITICAL")
        return waiting


def settings(directory: Path, redis_url: str, **changes) -> config.Settings:
    """Settings of a cloud under test: real, but with cheap password hashes."""
    keys.make_secret(directory / "secret.key")
    return config.Settings(
        data_directory=directory,
        redis_url=redis_url,
        argon2_memory_kib=64,
        argon2_passes=1,
        **{"changes_per_minute": 10**6, "requests_per_minute": 10**6, **changes},
    )


def open_database(url: str) -> None:
    """An empty database of the newest shape. SQLite's is a copy of one that is made once, since
    thousands of tests begin with it."""
    engine = db.connect(url)
    file = Path(engine.url.database or "")
    if engine.dialect.name != "sqlite" or file.exists():
        db.Base.metadata.create_all(engine)
        return
    with contextlib.closing(sqlite3.connect(file)) as there:
        there.execute("PRAGMA synchronous = OFF")
        _empty().backup(there)


@functools.cache
def _empty() -> sqlite3.Connection:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    db.Base.metadata.create_all(engine)
    return engine.raw_connection().driver_connection


def host_row(name: str = "kvm-1") -> Host:
    return session.scalar(select(Host).where(Host.name == name))
