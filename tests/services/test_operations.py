"""Two changes of a thing that are opened at the same moment: one stands, nobody sees an error."""

import dataclasses
import threading
import time
import uuid

import pytest
from sqlalchemy import create_engine, event, select, text

from portal import config
from portal.conductor import drift, tick
from portal.db import session, transaction
from portal.errors import Conflict, InUse, NoRoom, Refused
from portal.models import (
    FixedIp,
    Host,
    Instance,
    Network,
    Operation,
    Outcome,
    Port,
    Scope,
    SecurityGroup,
    Task,
)
from portal.services import images, instances, networks, placement, ports, quotas, strangers
from portal.services.instances.nics import Nic
from portal.services.operations import open_operation
from tests.cloud import host_row
from tests.conftest import install
from tests.crowd import at_once
from tests.strangers import stranger

pytestmark = pytest.mark.postgresql
PATIENCE_SECONDS = 30
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def cloud(tmp_path, redis_url, clock, postgresql_url):
    """An installation on PostgreSQL with one host, and an instance on it."""
    cloud = install(tmp_path, redis_url, clock, postgresql_url)
    cloud.add_host()
    cloud.running()
    yield cloud
    session.remove()


class Rival:
    """Does something at the moment when this thread is about to write its operation down, or to
    make another statement; waits until it was done, or itself waits for this thread."""

    def __init__(self, does, *, before: str = "INSERT INTO operations"):
        self._does, self._statement, self._thread = does, before, None
        self.said = []

    def __enter__(self):
        self._engine = session.get_bind()
        self._home = threading.current_thread()
        event.listen(self._engine, "before_cursor_execute", self._watch)
        return self

    def __exit__(self, *raised):
        event.remove(self._engine, "before_cursor_execute", self._watch)
        session.remove()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def _watch(self, connection, cursor, statement, *rest) -> None:
        if self._thread or threading.current_thread() is not self._home:
            return
        together = statement.startswith("WITH") and f"({self._statement}" in statement
        if together or statement.startswith(self._statement):
            self._thread = threading.Thread(target=self._act)
            self._thread.start()
            self._wait()

    def _act(self) -> None:
        try:
            self.said.append(self._does())
        finally:
            session.remove()

    def _wait(self) -> None:
        onlooker = create_engine(self._engine.url)
        deadline = time.monotonic() + PATIENCE_SECONDS
        with onlooker.connect() as connection:
            while self._thread.is_alive() and not connection.scalar(WAITING):
                connection.rollback()
                assert time.monotonic() < deadline, "the rival neither ends nor waits"
                time.sleep(0.01)
        onlooker.dispose()


def operations(target_id: uuid.UUID) -> dict[str, Outcome | None]:
    """How each change of the thing has ended."""
    rows = session.scalars(select(Operation).where(Operation.target_id == target_id))
    return {row.action: row.outcome for row in rows}


def open_change(model, thing_id: uuid.UUID, action: str) -> None:
    with transaction():
        open_operation(None, session.get(model, thing_id), action, {})


def test_a_change_that_meets_a_table_on_its_way_is_not_refused(cloud):
    """Seen: "kvm-1 is busy: update has not finished." A table is never busy."""
    host_id, ada = session.scalar(select(Host.id)), cloud.actor("ada")
    with transaction():
        session.scalar(select(Scope).where(Scope.kind == "firewall")).wanted += 1
    with Rival(drift.mend) as rival:
        strangers.remove(ada, host_id, [stranger("bridge pbr7", "7")])
    assert rival.said == [1]
    assert operations(host_id) == {"clean": None}
    assert session.scalars(select(Task.job).where(Task.operation_id.is_(None))).all() == [
        "firewall.apply"
    ]


def test_a_repair_does_not_stand_in_the_way_of_whom_it_meets(cloud):
    instance_id = session.scalar(select(Instance.id))
    with Rival(lambda: open_change(Instance, instance_id, "repair")):
        open_change(Instance, instance_id, "delete")
    ends = operations(instance_id)
    assert (ends["repair"], ends["delete"]) == (Outcome.SUPERSEDED, None)


def test_of_two_changes_that_meet_the_later_is_refused(cloud):
    network_id = session.scalar(select(Network.id))
    with Rival(lambda: open_change(Network, network_id, "delete")):
        with pytest.raises(Conflict, match="is busy: delete has not finished"):
            open_change(Network, network_id, "delete")
    assert operations(network_id) == {"delete": None}


def test_a_network_that_is_being_deleted_is_not_repaired(cloud):
    alice, project_id = cloud.actor("alice"), cloud.project().id
    network_id = networks.create(alice, project_id, "lan", "10.9.0.0/24", nat=True).id
    with transaction():
        host_id = session.scalar(select(Host.id))
        session.add(Scope(host_id=host_id, kind="networks", target_id=network_id, wanted=1))
    with Rival(drift.mend) as rival:
        networks.delete(alice, project_id, network_id)
    assert rival.said == [0]
    assert operations(network_id) == {"delete": None}
    cloud.settle()
    assert session.get(Network, network_id) is None


def test_repairs_do_not_wait_in_a_circle_with_a_create(cloud):
    """It holds the project of one table and wants the other next."""
    alice, project_id = cloud.actor("alice"), cloud.project().id
    lan = networks.create(alice, project_id, "lan", "10.9.0.0/24", nat=True)
    with transaction():
        session.scalar(select(Scope).where(Scope.kind == "firewall")).wanted += 1
    with transaction():
        session.add(Scope(host_id=host_row().id, kind="networks", target_id=lan.id, wanted=1))
    with Rival(drift.mend, before="UPDATE scopes") as rival:
        cloud.create("second")
    assert rival.said == [2]
    cloud.settle()
    assert all(scope.held == scope.wanted for scope in session.scalars(select(Scope)))


def test_who_joins_a_group_while_another_leaves_it_does_not_take_it_for_a_member(cloud):
    """The delete had asked already which hosts know of it."""
    alice, project_id = cloud.actor("alice"), cloud.project().id
    default = cloud.default_group()
    leaving = cloud.running("leaving", group_ids=(default,))
    with transaction():
        host_row().enabled = False
    cloud.add_host("kvm-2")

    def join():
        joining_id = cloud.create("joining", group_ids=(default,)).id
        tick.tick(cloud.wire)
        return joining_id

    with Rival(join, before="SELECT scopes") as rival:
        instances.delete(alice, project_id, leaving.id)
    [joining_id] = rival.said
    cloud.settle()
    [table] = cloud.hosts["kvm-2"].every("firewall").values()
    members = {member["address"] for group in table["groups"] for member in group["members"]}
    ports = session.scalars(select(FixedIp.address).join(Port).where(Port.owner_id == joining_id))
    assert members == set(ports)


def test_many_creates_and_the_conductor_do_not_wait_in_a_circle(cloud):
    """All of them raise the filters of all hosts, which the conductor writes meanwhile."""
    for number in range(2, 7):
        cloud.add_host(f"kvm-{number}")
    alice, project_id = cloud.actor("alice"), cloud.project().id
    plenty = dict.fromkeys(["instances", "vcpus", "memory_mib", "disk_gib"], 10**6)
    quotas.change(cloud.actor("ada"), project_id, plenty)
    groups = session.scalars(
        select(SecurityGroup.id).where(SecurityGroup.project_id == project_id)
    ).all()
    wishes = [cloud.new_instance(f"web-{n}", group_ids=tuple(groups), count=5) for n in range(4)]

    def act(number: int) -> None:
        if number < len(wishes):
            for _ in range(4):
                instances.create(alice, wishes[number])
            return
        for _ in range(10):
            cloud.look()
            cloud.turn()
            drift.mend()

    assert at_once(len(wishes) + 1, act) == {"done": len(wishes) + 1}


def test_what_somebody_is_changing_is_repaired_later(cloud):
    instance = session.scalar(select(Instance))
    cloud.hosts["kvm-1"].drop("guest", str(instance.id))
    cloud.look()
    with Rival(drift.mend) as rival:
        instances.delete(cloud.actor("alice"), instance.project_id, instance.id)
    assert rival.said == [0]
    assert operations(instance.id)["delete"] is None


def test_a_look_that_finds_nothing_due_changes_nothing(cloud, monkeypatch):
    monkeypatch.setattr(drift, "transaction", None)
    assert drift.mend() == 0


def test_what_names_a_project_does_not_wait_for_a_fetch(cloud):
    instance_id = session.scalar(select(Instance.id))

    def repair() -> None:
        with transaction():
            session.execute(text("SET LOCAL lock_timeout = '1ms'"))
            open_operation(None, session.get(Instance, instance_id), "repair", {})

    with Rival(repair) as rival:
        images.fetch(cloud.actor("ada"), cloud.project().id, "debian-13")
    assert rival.said == [None]


def test_a_change_that_somebody_ends_is_not_moved_meanwhile(cloud):
    instance = session.scalar(select(Instance))
    with transaction():
        instances.repair(instance)  # nothing to do before its last stage
    with Rival(lambda: tick.tick(cloud.wire)) as rival:
        instances.delete(cloud.actor("alice"), instance.project_id, instance.id)
    assert rival.said == [0]
    assert operations(instance.id) == {
        "create": Outcome.DONE,
        "repair": Outcome.SUPERSEDED,
        "delete": None,
    }
    cloud.settle()
    assert operations(instance.id)["delete"] is Outcome.DONE


def test_who_places_does_not_wait_for_a_host_that_somebody_else_has_locked(cloud):
    """One advisory lock made everybody wait for whoever placed something anywhere."""
    cloud.add_host("kvm-2")
    made = []
    with transaction():
        [held] = placement.claim({}, see_hosts=False)
        other = threading.Thread(target=lambda: made.append(cloud.create("second").host_id))
        other.start()
        other.join(PATIENCE_SECONDS)
        assert not other.is_alive()
    assert len(made) == 1
    assert made != [held.id]


def test_who_finds_the_only_host_with_room_locked_waits_for_it(cloud):
    def create():
        return cloud.create("second").host_id

    with Rival(create, before="INSERT INTO operations") as rival:
        cloud.create("first")
    assert rival.said == [host_row().id]


def test_of_two_that_want_the_last_room_one_is_told_that_there_is_none(cloud):
    """The host is locked by the first, which has not inserted its claims yet."""
    reserved = config.current().reserved_memory_mib
    cloud.hosts["kvm-1"].put("host", "size", {"vcpus": 64, "memory_mib": reserved + 2 * 512})
    cloud.look()
    wish = cloud.new_instance("charlie", "blue")

    def create() -> str:
        with pytest.raises(NoRoom) as caught:
            instances.create(cloud.actor("charlie"), wish)
        return str(caught.value)

    with Rival(create, before="INSERT INTO claims") as rival:
        cloud.create("last")
    assert "the only host is short of 512 MiB of memory" in rival.said[0]


def test_a_network_that_is_deleted_meanwhile_is_not_found_by_a_create(cloud):
    alice, project_id = cloud.actor("alice"), cloud.project().id
    lan = networks.create(alice, project_id, "lan", "10.9.0.0/24", nat=True)
    wish = cloud.new_instance("late", network_id=lan.id)

    def create() -> str:
        with pytest.raises(Refused) as caught:
            instances.create(alice, wish)
        return str(caught.value)

    with Rival(create) as rival:
        networks.delete(alice, project_id, lan.id)
    assert rival.said == ["This network was not found in the project. Choose another."]
    cloud.settle()
    assert session.get(Network, lan.id) is None


def test_a_network_that_gets_an_instance_meanwhile_is_not_deleted(cloud):
    alice, project_id = cloud.actor("alice"), cloud.project().id
    lan = networks.create(alice, project_id, "lan", "10.9.0.0/24", nat=True)
    wish = cloud.new_instance("early", network_id=lan.id)

    def delete() -> str:
        with pytest.raises(Conflict) as caught:
            networks.delete(alice, project_id, lan.id)
        return str(caught.value)

    with Rival(delete) as rival:
        instances.create(alice, wish)
    assert rival.said == ["One port is on the network lan. Delete it, or its instance, first."]


def test_a_port_that_is_given_to_an_instance_meanwhile_is_not_deleted(cloud):
    alice = dataclasses.replace(cloud.actor("alice"), project_id=cloud.project().id)
    network_id = cloud.new_instance().network_id
    [port] = ports.create(alice, [ports.NewPort(network_id=network_id)])
    port_id = port.id

    def delete() -> str:
        with pytest.raises(InUse) as refused:
            ports.delete(alice, port_id)
        return str(refused.value)

    with Rival(delete) as rival:
        cloud.create("other", nics=(Nic(port_id=port_id),))
    assert "belongs to an instance" in rival.said[0]
