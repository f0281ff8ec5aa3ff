"""What is wrong with one thing costs that thing, and everybody else goes on."""

import logging

import pytest
from sqlalchemy import select, text, update

from portal.conductor import drift, outbox, tick
from portal.db import session, transaction
from portal.models import Instance, Network, Outcome, Power, ProjectStatus, Subnet
from portal.services import deletions, instances
from portal.services.instances import boot_logs
from tests.cloud import host_row


@pytest.fixture
def pinned(any_cloud):
    """The project red has a guest whose row something names that this version knows nothing of,
    so that the row cannot go."""
    any_cloud.add_host("kvm-1")
    any_cloud.running("web")
    kind = session.connection().dialect.type_compiler_instance.process(Instance.id.type)
    with transaction():
        session.execute(text(f"CREATE TABLE pins (instance_id {kind} REFERENCES instances (id))"))
        session.execute(text("INSERT INTO pins SELECT id FROM instances"))
    return any_cloud


def unpin() -> None:
    with transaction():
        session.execute(text("DROP TABLE pins"))


def test_a_project_that_cannot_go_fails_with_a_reason_and_stops_nobody(pinned, caplog):
    """Seen: one row that stood against it stopped the conductor for the whole cloud, for ever."""
    red, ada = pinned.project(), pinned.actor("ada")
    deletions.delete(ada, red.id)
    theirs = pinned.new_instance("theirs", "blue")
    [made] = instances.create(pinned.actor("charlie"), theirs)
    pinned.settle()
    assert pinned.see(made).status.word == "Running"
    [operation] = pinned.operations(red)
    assert operation.outcome is Outcome.FAILED
    assert tick.NOT_TAKEN in operation.reason
    assert pinned.see(red).status is ProjectStatus.DELETE_WAITING
    assert str(red.id) in caplog.text
    caplog.clear()
    pinned.clock.forward(hours=2)
    pinned.settle()
    assert "the mending of" in caplog.text
    caplog.clear()
    assert drift.mend() == 0
    assert caplog.text == "", "it is not tried again at once"
    unpin()
    pinned.clock.forward(hours=2)
    pinned.settle()
    assert pinned.see(red).status is ProjectStatus.DELETED
    assert str(red.id) not in drift._resting


def test_a_host_that_says_nonsense_is_alone_with_it(cloud, caplog):
    """Nothing of it is believed, and what other hosts say is."""
    cloud.add_host("kvm-2")
    guests = [cloud.running(name) for name in ("one", "two")]
    cloud.hosts["kvm-2"].put("guest", "no id at all", guest(cloud, guests[0]))
    before = host_row("kvm-2").observed_at
    cloud.hosts["kvm-1"].drop("guest", str(guests[0].id))
    with caplog.at_level(logging.ERROR):
        cloud.look()
    assert "the answer of kvm-2 to hosts.observe" in caplog.text
    assert cloud.see(host_row("kvm-2")).observed_at == before
    cloud.settle()
    assert cloud.see(guests[0]).status.word == "Running"


def test_an_answer_that_cannot_be_written_down_fails_its_change_alone(cloud):
    """A number that no database takes, as of a host that somebody else has in hand."""
    web, alice = cloud.running("web"), cloud.actor("alice")
    host = cloud.hosts["kvm-1"]
    host.put("guest", str(web.id), guest(cloud, web) | {"boots": 10**30})
    instances.stop(alice, web.project_id, web.id)
    other = cloud.create("other")
    for _ in range(60):
        cloud.turn()
        cloud.clock.forward(seconds=1)
    assert cloud.see(other).status.word == "Running"
    stop = cloud.operations(web)[1]
    assert stop.outcome is Outcome.FAILED
    assert stop.reason == f"host kvm-1 tried 5 times; the last time: {tick.NOT_TAKEN}"
    assert cloud.see(web).desired is Power.RUNNING, "what it replaced is wanted again"


def test_a_job_that_cannot_be_said_fails_its_change_alone(cloud):
    web, alice = cloud.running("web"), cloud.actor("alice")
    theirs = cloud.new_instance("theirs", "blue")
    with transaction():
        red = select(Network.id).where(Network.project_id == web.project_id)
        nonsense = update(Subnet).where(Subnet.network_id.in_(red)).values(cidr="nonsense")
        session.execute(nonsense)
    instances.stop(alice, web.project_id, web.id)
    [made] = instances.create(cloud.actor("charlie"), theirs)
    for _ in range(90):
        cloud.turn()
        cloud.clock.forward(seconds=1)
    assert cloud.see(made).status.word == "Running"
    stop = cloud.operations(web)[1]
    assert stop.outcome is Outcome.FAILED
    assert outbox.UNSAID in stop.reason


def test_a_log_that_cannot_be_written_down_is_one_that_nobody_has(cloud):
    web = cloud.running("web")
    alice, place = cloud.actor("alice"), (web.project_id, web.id)
    cloud.hosts["kvm-1"].put("guest", str(web.id), guest(cloud, web) | {"says": "\ud800"})
    boot_logs.ask(alice, *place)
    cloud.observe()
    cloud.observe()
    session.rollback()
    log = boot_logs.find(alice, *place)
    assert log.wanted_at is None
    assert "could not be written down" in log.failure


def guest(cloud, instance) -> dict:
    return cloud.hosts["kvm-1"].get("guest", str(instance.id))
