"""Two conductors at once, or one that dies at any moment: nothing happens twice, all ends."""

import contextlib
import threading
import time
from collections import Counter

import pytest
from sqlalchemy import select

from portal.conductor import tick
from portal.conductor.__main__ import Conductor
from portal.conductor.lead import Leader
from portal.conductor.wire import Wire
from portal.db import session, transaction
from portal.errors import Conflict
from portal.models import Instance, Operation, Outcome, Power, Task
from portal.models.lease import LASTS
from portal.services import instances, quotas
from tests.conftest import install
from tests.crowd import at_once
from workers.drivers.fake import FakeHost

PATIENCE_SECONDS = 60


class Killed(BaseException):
    """The conductor's process is gone."""


class Watched(Wire):
    """A wire that keeps what was sent, and does something before one of its calls."""

    def __init__(self, connection, *, before: str = "", number: int = 0, happens=None):
        super().__init__(connection)
        self.sent: list[str] = []
        self._before, self._number, self._happens = before, number, happens

    def look(self, sent):
        self._pass("look")
        return super().look(sent)

    def send(self, messages):
        listed = list(messages)
        self._pass("send")
        self.sent += [message.receipt.id for message in listed if message.job != "hosts.observe"]
        super().send(listed)

    def forget(self, ids):
        self._pass("forget")
        super().forget(ids)

    @property
    def happened(self) -> bool:
        return self._number < 0

    def _pass(self, call: str) -> None:
        if call != self._before or self.happened:
            return
        self._number -= 1
        if self.happened:
            self._happens()


def kill() -> None:
    raise Killed


@pytest.fixture
def boots(monkeypatch) -> Counter:
    """How often each guest came up."""
    counted, put = Counter(), FakeHost.put

    def watched(host, kind, thing_id, value):
        if kind == "guest" and value.get("power") == "running":
            before = host.get(kind, thing_id) or {}
            was = (before.get("power"), before.get("boots"))
            counted[thing_id] += was != (value["power"], value["boots"])
        put(host, kind, thing_id, value)

    monkeypatch.setattr(FakeHost, "put", watched)
    return counted


def tasks() -> list[Task]:
    session.rollback()
    return list(session.scalars(select(Task)))


@pytest.mark.parametrize("call", ["look", "send", "forget"])
@pytest.mark.parametrize("number", range(3))
def test_a_conductor_killed_at_any_call_is_followed_by_one_that_ends_the_work(
    cloud, boots, call, number
):
    cloud.wire = Watched(cloud.redis, before=call, number=number, happens=kill)
    instance = cloud.create("web")
    with contextlib.suppress(Killed):
        cloud.settle()
    if not cloud.wire.happened:
        instances.reboot(cloud.actor("alice"), instance.project_id, instance.id)
        with contextlib.suppress(Killed):
            cloud.settle()
    assert cloud.wire.happened
    cloud.wire = Wire(cloud.redis)
    cloud.settle()
    instance = cloud.see(instance)
    assert instance.observed is Power.RUNNING
    assert instance.settled
    assert {each.outcome for each in cloud.operations(instance)} == {Outcome.DONE}
    assert boots[str(instance.id)] == instance.boots


@pytest.mark.parametrize("call", ["look", "send", "forget"])
@pytest.mark.parametrize("number", range(2))
def test_what_two_conductors_judged_alike_is_done_by_one(any_cloud, boots, call, number):
    """The second one does a whole tick while the first is between two of its steps."""
    any_cloud.add_host("kvm-1")
    second = Watched(any_cloud.redis)
    first = Watched(any_cloud.redis, before=call, number=number, happens=lambda: tick.tick(second))
    any_cloud.wire = first
    instance = any_cloud.running("web")
    assert first.happened
    assert instance.settled
    assert max(Counter(first.sent + second.sent).values()) == 1
    assert {task.sends for task in tasks()} == {1}
    assert boots[str(instance.id)] == 1


def test_two_conductors_that_race_send_nothing_twice_and_end_everything(any_cloud, boots):
    any_cloud.add_host("kvm-1")
    wires = [Watched(any_cloud.redis) for _ in range(2)]
    ended, errors = threading.Event(), []

    def conduct(wire: Wire) -> None:
        try:
            while not ended.is_set():
                tick.tick(wire) or wire.wait_for_bell(0.02)
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            session.remove()

    threads = [threading.Thread(target=conduct, args=(wire,)) for wire in wires]
    for thread in threads:
        thread.start()
    alice, made = any_cloud.actor("alice"), []
    try:
        for new in (any_cloud.new_instance("a", count=5), any_cloud.new_instance("b", count=5)):
            made += instances.create(alice, new)
            work_until_idle(any_cloud)
        for each in made[:5]:
            instances.delete(alice, each.project_id, each.id)
        for each in made[5:]:
            instances.reboot(alice, each.project_id, each.id)
        work_until_idle(any_cloud)
    finally:
        ended.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
    assert not errors
    assert max(Counter(wires[0].sent + wires[1].sent).values()) == 1
    session.rollback()
    assert set(session.scalars(select(Operation.outcome))) == {Outcome.DONE}
    gone = [each for each in session.scalars(select(Instance)) if each.deleted_at]
    assert {each.id for each in gone} == {each.id for each in made[:5]}
    assert [boots[str(each.id)] for each in made] == [1] * 5 + [2] * 5


def work_until_idle(cloud) -> None:
    """The hosts have worked until no change is under way."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        cloud.work()
        session.rollback()
        if not session.scalar(select(Operation.id).where(Operation.finished_at.is_(None)).limit(1)):
            return
        assert time.monotonic() < deadline, "a change did not end"
        time.sleep(0.01)


def test_one_leads_and_the_other_waits_until_the_lease_has_run_out(bare_cloud):
    first, second, passes = Leader("first"), Leader("second"), bare_cloud.clock.forward
    assert first.leads()
    assert not second.leads()
    passes(seconds=LASTS.total_seconds() - 4)
    assert first.leads()  # renewed
    assert not second.leads()
    passes(seconds=LASTS.total_seconds() - 4)
    assert not second.leads()
    passes(seconds=5)
    assert second.leads()
    assert not first.leads()


def test_who_has_just_come_watches_the_lease_before_it_is_taken(bare_cloud):
    """It may be renewed by a clock that is far behind: only watching tells."""
    assert Leader("first").leads()
    bare_cloud.clock.forward(hours=1)
    second = Leader("second")
    assert not second.leads()
    bare_cloud.clock.forward(seconds=LASTS.total_seconds() + 1)
    assert second.leads()


def test_who_resigns_is_followed_at_once_and_nobody_resigns_for_another(bare_cloud):
    first, second = Leader("first"), Leader("second")
    assert first.leads()
    second.resign()
    assert not second.leads()
    first.resign()
    assert second.leads()


@pytest.mark.parametrize("hours", [1, -1])
def test_whoever_sets_the_clock_nobody_follows_a_leader_that_lives(bare_cloud, hours):
    """Seen: the lease was of the clock, so it had run out an hour early, or lasted one longer."""
    first, second = Leader("first"), Leader("second")
    assert first.leads()
    assert not second.leads()
    bare_cloud.clock.set_forward(hours=hours)
    for _ in range(10):
        assert not second.leads()
        assert first.leads()
        bare_cloud.clock.forward(seconds=5)
    bare_cloud.clock.forward(seconds=LASTS.total_seconds())
    assert second.leads(), "and one that is dead is followed, as if the clock were right"


@pytest.mark.parametrize("run_out", [False, True])
def test_of_many_who_ask_at_once_one_leads(any_cloud, run_out):
    leaders = [Leader(f"conductor-{number}") for number in range(10)]
    if run_out:
        assert Leader("before").leads()
        assert not any(each.leads() for each in leaders)
        any_cloud.clock.forward(minutes=1)

    def ask(number: int) -> None:
        if not leaders[number].leads():
            raise Conflict("another one leads")

    assert at_once(10, ask) == {"done": 1, "Conflict": 9}


def test_who_does_not_lead_does_nothing(cloud):
    first, second = (Conductor(cloud.redis, name) for name in ("first", "second"))
    assert first.turn() == 0
    instance = cloud.create("web")
    assert second.turn() == 0
    assert {task.sends for task in tasks()} == {0}
    assert first.turn() > 0
    cloud.clock.forward(minutes=1)
    cloud.work()
    assert second.turn() > 0
    cloud.settle()
    assert cloud.see(instance).settled


@pytest.mark.postgresql
def test_the_conductor_does_not_wait_for_whoever_counts_a_project(
    tmp_path, redis_url, clock, postgresql_url
):
    """A create holds its project and waits for hosts, the conductor the other way round."""
    impatient = f"{postgresql_url}&options=-c%20lock_timeout%3D2000"
    cloud = install(tmp_path, redis_url, clock, impatient)
    cloud.add_host("kvm-1")
    instance, project_id = cloud.create("web"), cloud.project().id
    held, seen = threading.Event(), threading.Event()

    def count() -> None:
        with transaction():
            quotas.lock(project_id)
            held.set()
            seen.wait(PATIENCE_SECONDS)
        session.remove()

    somebody = threading.Thread(target=count)
    somebody.start()
    try:
        assert held.wait(PATIENCE_SECONDS)
        cloud.settle()
    finally:
        seen.set()
        somebody.join(PATIENCE_SECONDS)
    assert cloud.see(instance).settled


def test_a_conductor_hears_an_answer_to_what_it_asked_before_a_turn_went_wrong(cloud):
    conductor = Conductor(cloud.redis, "only")
    cloud.beat()
    conductor.turn()
    session.rollback()  # as after an error of the database
    session.remove()
    conductor._heard_at = 0.0
    cloud.work()
    assert conductor.turn() > 0
