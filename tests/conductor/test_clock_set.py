"""Somebody sets the clock by an hour, either way: nothing gets stuck, and nothing ends early."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import throttle, tickets
from portal.conductor.__main__ import Conductor
from portal.db import now, session, transaction
from portal.errors import TooMany
from portal.models import BootLog, Host, Operation, Outcome, Scope, Session, Task, User
from portal.services import instances, sessions
from tests.cloud import host_row

BOTH_WAYS = pytest.mark.parametrize("hours", [1, -1])
SLACK = timedelta(minutes=1)  # of an hour; what a busy machine takes is not what is looked for


@pytest.fixture
def conductor(cloud):
    conductor = Conductor(cloud.redis, "only")
    conductor.turn()
    return conductor


def turn(cloud, conductor) -> None:
    """A turn of everybody, in which the conductor does all that it does now and then."""
    conductor._heard_at = conductor._mended_at = -1e9
    cloud.beat()
    conductor.turn()
    cloud.work()
    conductor.turn()


def turns(cloud, conductor, *, seconds: int) -> None:
    for _ in range(seconds):
        cloud.clock.forward(seconds=1)
        turn(cloud, conductor)


@BOTH_WAYS
def test_a_change_under_way_ends_as_late_as_it_would_have(cloud, conductor, hours):
    """Seen: an hour forward, every change under way failed at once; an hour back, it took an hour
    longer."""
    cloud.silent.add("kvm-1")
    instance = cloud.create()
    turn(cloud, conductor)
    [operation] = cloud.operations(instance)
    left = operation.deadline - now()
    cloud.clock.set_forward(hours=hours)
    turn(cloud, conductor)
    [operation] = cloud.operations(instance)
    assert operation.busy
    assert abs(operation.deadline - now() - left) < SLACK
    cloud.clock.forward(seconds=left.total_seconds() / 2)
    turn(cloud, conductor)
    assert cloud.operations(instance)[0].busy
    cloud.clock.forward(seconds=left.total_seconds())
    turn(cloud, conductor)
    assert cloud.operations(instance)[0].outcome is Outcome.FAILED


@BOTH_WAYS
def test_what_pauses_goes_on_as_soon_as_it_would_have(cloud, conductor, monkeypatch, hours):
    cloud.hosts["kvm-1"].fail("ensure_domain", "libvirt went away", times=2)
    instance = cloud.create()
    for _ in range(5):
        turn(cloud, conductor)
    session.rollback()
    paused = select(Task).where(Task.finished_at.is_(None), Task.due_at > now())
    assert session.scalars(paused).all(), "or nothing is tried"
    cloud.clock.set_forward(hours=hours)
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + hours * 3600)  # the host's is the same
    turns(cloud, conductor, seconds=20)
    instance = cloud.see(instance)
    assert instance.settled
    assert cloud.operations(instance)[0].outcome is Outcome.DONE


@BOTH_WAYS
def test_a_host_that_lives_is_not_called_dark_and_one_that_died_is_in_time(cloud, conductor, hours):
    cloud.clock.set_forward(hours=hours)
    turn(cloud, conductor)
    assert not host_row().dark
    assert host_row().placeable
    cloud.silent.add("kvm-1")
    turns(cloud, conductor, seconds=40)
    session.rollback()
    assert not host_row().dark
    turns(cloud, conductor, seconds=60)
    session.rollback()
    assert host_row().dark


def test_a_host_that_was_heard_by_a_wrong_clock_has_yet_to_be_heard(cloud):
    with transaction():
        session.scalar(select(Host)).heard_at = now() + timedelta(hours=1)
    assert host_row().dark
    assert not host_row().placeable
    cloud.observe()
    session.rollback()
    assert not host_row().dark


@BOTH_WAYS
def test_what_a_host_promised_is_as_far_away_as_before(cloud, conductor, hours):
    """Seen: an hour forward, a stop was an hour overdue until its host looked again."""
    instance = cloud.running()
    host, guest_id = cloud.hosts["kvm-1"], str(instance.id)
    host.put("guest", guest_id, host.get("guest", guest_id) | {"deaf": True})
    instances.stop(cloud.actor("alice"), instance.project_id, instance.id)
    for _ in range(3):
        turn(cloud, conductor)
    cloud.silent.add("kvm-1")
    promised = select(Task.promised_at).where(Task.promised_at.is_not(None))
    left = session.scalar(promised) - now()
    session.rollback()
    cloud.clock.set_forward(hours=hours)
    conductor.turn()
    session.rollback()
    assert abs(session.scalar(promised) - now() - left) < SLACK


@BOTH_WAYS
def test_a_conductor_that_waits_moves_nothing_a_second_time(cloud, conductor, hours):
    second = Conductor(cloud.redis, "second")
    second.turn()
    cloud.silent.add("kvm-1")
    instance = cloud.create()
    turn(cloud, conductor)
    left = cloud.operations(instance)[0].deadline - now()
    cloud.clock.set_forward(hours=hours)
    for each in (second, conductor, second, conductor):
        each.turn()
    assert abs(cloud.operations(instance)[0].deadline - now() - left) < SLACK


@BOTH_WAYS
def test_all_that_is_waited_for_moves_with_the_clock(cloud, conductor, hours):
    instance = cloud.running()
    soon = now() + timedelta(minutes=2)
    with transaction():
        session.scalar(select(BootLog)).wanted_at = soon
        session.scalar(select(Scope)).repair_at = soon
        session.get_one(type(instance), instance.id).repair_at = soon
    cloud.clock.set_forward(hours=hours)
    conductor.turn()
    session.rollback()
    moved = (
        session.scalar(select(BootLog.wanted_at)),
        session.scalar(select(Scope.repair_at).where(Scope.repair_at.is_not(None))),
        cloud.see(instance).repair_at,
    )
    for each in moved:
        assert abs(each - soon - timedelta(hours=hours)) < SLACK


def test_a_clock_that_strays_a_little_moves_nothing(cloud, conductor):
    cloud.silent.add("kvm-1")
    instance = cloud.create()
    turn(cloud, conductor)
    deadline = cloud.operations(instance)[0].deadline
    cloud.clock.set_forward(seconds=1)
    turn(cloud, conductor)
    assert cloud.operations(instance)[0].deadline == deadline
    assert session.scalar(select(Operation.id)) is not None


@BOTH_WAYS
def test_a_ticket_is_good_for_half_a_minute_whatever_is_done_to_the_clock(cloud, hours):
    first, second = tickets.mint({"for": "one"}), tickets.mint({"for": "two"})
    cloud.clock.set_forward(hours=hours)
    cloud.clock.forward(seconds=15)
    assert tickets.redeem(first) == {"for": "one"}
    cloud.clock.forward(seconds=20)
    assert tickets.redeem(second) is None


@BOTH_WAYS
def test_who_is_signed_in_stays_so(cloud, hours):
    user = session.scalar(select(User).where(User.name == "alice"))
    secret = sessions.open_session(user, address="", user_agent="")
    cloud.clock.set_forward(hours=hours)
    found = sessions.find(secret)
    assert found
    sessions.touch(found)
    assert abs(session.scalar(select(Session.last_seen)) - now()) < SLACK


def test_a_session_of_a_clock_that_was_years_ahead_has_ended(cloud):
    user = session.scalar(select(User).where(User.name == "alice"))
    cloud.clock.set_forward(days=700)
    secret = sessions.open_session(user, address="", user_agent="")
    assert sessions.find(secret)
    cloud.clock.set_forward(days=-700)
    assert sessions.find(secret) is None


@BOTH_WAYS
def test_a_limit_that_was_reached_is_free_again_within_two_minutes(cloud, monkeypatch, hours):
    """Seen: an hour back, wrong passwords of just before counted for an hour."""
    for _ in range(5):
        throttle.Try("alice", "192.0.2.1")
    with pytest.raises(TooMany):
        throttle.Try("alice", "192.0.2.1")
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + hours * 3600)
    throttle.Try("alice", "192.0.2.1")
    for _ in range(4):
        throttle.Try("alice", "192.0.2.1")
    with pytest.raises(TooMany, match=r"Wait [0-9]{1,2} seconds"):
        throttle.Try("alice", "192.0.2.1")
