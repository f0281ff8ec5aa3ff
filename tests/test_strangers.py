"""What belongs to nothing is listed, and goes when the operator says so; what is wanted stays."""

import os
import threading
import time
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import config, create_app
from portal.conductor import drift
from portal.conductor.nouns import noun_of
from portal.db import session, transaction
from portal.errors import Forbidden
from portal.models import Activity, Operation, Outcome, Port, Scope, Task
from portal.policies import COMMAND_LINE
from portal.services import images, strangers
from portal.services.images import store
from tests.cloud import host_row
from tests.strangers import leave, stranger

LONGEST_SECONDS = 60
GUEST = {"power": "running", "generation": 1, "boots": 1, "reason": ""}


@pytest.fixture
def command(cloud):
    """Runs `flask strangers` while the cloud goes on."""
    app = create_app(config.current())

    def run(*arguments: str):
        results = []

        def type_it():
            results.append(app.test_cli_runner().invoke(args=["strangers", *arguments]))
            session.remove()

        thread = threading.Thread(target=type_it)
        thread.start()
        deadline = time.monotonic() + LONGEST_SECONDS
        while thread.is_alive():
            assert time.monotonic() < deadline, "the command does not end"
            cloud.turn()
            cloud.look()
            thread.join(0.05)
        return results[0]

    return run


@pytest.fixture
def lying(cloud):
    """Something of each kind lies on kvm-1, beside an instance that is wanted."""
    cloud.running()
    host, ids = cloud.hosts["kvm-1"], [str(uuid.uuid4()) for _ in range(3)]
    host.put("guest", ids[0], GUEST)
    host.put("disk", ids[0], {"gib": 1, "image": "d" * 64})
    host.put("disk", ids[1], {"gib": 1, "image": "d" * 64})
    host.put("network", ids[2], {"generation": 1})
    there = [
        *map(stranger, (f"guest {ids[0]}", f"disks {ids[1]}", f"network {ids[2]}")),
        leave(host, "bridge pbr9999999", "9999999"),
        leave(host, f"dnsmasq {uuid.uuid4()}"),
        leave(host, f"namespace pnet-{ids[2]}", ids[2]),
    ]
    cloud.look()
    assert sorted(strangers.on(host_row()), key=str) == sorted(there, key=str)
    return there


def kinds(cloud) -> set[str]:
    return {kind for kind, _ in cloud.hosts["kvm-1"].state}


def test_a_list_removes_nothing(cloud, command, lying):
    before = cloud.hosts["kvm-1"].state
    result = command()
    assert result.exit_code == 0
    assert all(f"kvm-1: {each}\n" in result.output for each in lying)
    assert "6 found." in result.output
    assert cloud.hosts["kvm-1"].state == before


def test_what_is_removed_is_gone_and_what_is_wanted_stays(cloud, command, lying):
    wanted = {
        key: value
        for key, value in cloud.hosts["kvm-1"].state.items()
        if not any(key[1] in str(each) for each in lying)
    }
    result = command("--remove")
    assert result.exit_code == 0, result.output
    assert all(f"kvm-1: {each}: gone\n" in result.output for each in lying)
    assert cloud.hosts["kvm-1"].state == wanted
    assert {"guest", "disk", "network"} <= kinds(cloud)
    assert "Nothing" in command("--remove").output


def test_it_is_on_the_record_and_among_the_operations(cloud, command, lying):
    command("--remove")
    (operation,) = cloud.operations(host_row())
    assert (operation.action, operation.outcome) == ("clean", Outcome.DONE)
    entry = session.scalar(select(Activity).where(Activity.action == "hosts:clean"))
    assert (entry.user_name, entry.operation_id) == ("the command line", operation.id)
    assert sorted(entry.before["strangers"]) == sorted(map(str, lying))


def test_what_does_not_go_is_named_with_its_reason(cloud, command, lying):
    cloud.hosts["kvm-1"].fail("remove_network", "a device is busy", permanent=True)
    result = command("--remove")
    assert result.exit_code == 1
    network = next(each for each in lying if each.kind == "network")
    assert f"kvm-1: {network}: still there: a device is busy\n" in result.output
    gone = [each for each in lying if each != network]
    assert all(f"kvm-1: {each}: gone\n" in result.output for each in gone)


def test_who_does_not_wait_leaves_it_going(cloud, lying, monkeypatch):
    def press_ctrl_c(_seconds):
        raise KeyboardInterrupt

    runner = create_app(config.current()).test_cli_runner()
    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", press_ctrl_c)
        result = runner.invoke(args=["strangers", "--remove"])
    assert result.exit_code == 1
    assert "It goes on by itself" in result.output
    cloud.settle()
    assert host_row().strangers == []


def test_a_host_that_does_not_answer_is_asked_nothing(cloud, command, lying):
    cloud.silent.add("kvm-1")
    cloud.clock.forward(minutes=5)
    result = command("--remove")
    assert result.exit_code == 1
    assert "kvm-1 does not answer" in result.output
    assert not cloud.operations(host_row())


def test_what_has_come_to_be_wanted_meanwhile_is_not_removed(cloud, lying):
    instance = cloud.create("new")
    shown = [*lying, stranger(f"disks {instance.id}")]
    operation = strangers.remove(cloud.actor("ada"), host_row().id, shown)
    task = session.scalar(select(Task).where(Task.operation_id == operation.id))
    assert strangers.named(operation) == shown
    assert list(noun_of(task.job).specs[task.job]([task])[task.id].strangers) == lying


def test_only_administrators_of_the_cloud_remove_strangers(cloud, lying):
    with pytest.raises(Forbidden):
        strangers.remove(cloud.actor("alice"), host_row().id, lying)


def test_strangers_are_removed_while_a_table_is_on_its_way(cloud, lying):
    """Seen: "kvm-1 is busy: update has not finished." A table is never busy."""
    with transaction():
        session.scalar(select(Scope).where(Scope.kind == "firewall")).wanted += 1
    assert drift.mend() == 1
    strangers.remove(cloud.actor("ada"), host_row().id, lying)
    cloud.settle()
    assert host_row().strangers == []


def test_the_disks_of_a_wanted_guest_that_lost_its_definition_are_no_strangers(cloud):
    instance = cloud.running()
    cloud.hosts["kvm-1"].drop("guest", str(instance.id))
    cloud.look()
    assert host_row().strangers == []


def test_names_of_wanted_networks_and_ports_belong_to_somebody(cloud):
    instance = cloud.running()
    (port,) = session.scalars(select(Port).where(Port.owner_id == instance.id))
    segment = port.network.segment_id
    theirs = [
        stranger(f"bridge pbr{segment}", str(segment)),
        stranger(f"leg pout{segment}", str(segment)),
        stranger(f"tap ptap{port.id.hex[:11]}", port.id.hex[:11]),
        stranger(f"namespace prouter-{port.network_id}", str(port.network_id)),
        stranger(f"dnsmasq {port.network_id}"),
    ]
    nobodys = [
        stranger(f"bridge pbr{segment}1", f"{segment}1"),
        stranger("tap ptap00000000000", "00000000000"),
        stranger("table ip portico_old", ""),
        stranger(f"domain instance-{instance.id}", str(instance.id)),
    ]
    assert strangers.among([*theirs, *nobodys]) == nobodys


def test_a_foreign_guest_is_shown_and_never_touched(cloud, command):
    leave(cloud.hosts["kvm-1"], "domain instance-x", "x")
    cloud.look()
    result = command("--remove")
    assert "kvm-1: domain instance-x: left, it is not Portico's" in result.output
    assert result.exit_code == 0
    assert cloud.hosts["kvm-1"].get("stranger", "domain instance-x")
    assert not session.scalars(select(Operation).where(Operation.action == "clean")).all()


def test_an_old_stray_of_the_image_store_goes_and_a_young_one_stays(cloud, command):
    old, young = "a" * 64, "b" * 64
    config.current().image_store.mkdir(exist_ok=True)
    for each in (old, young):
        store.place(each).write_bytes(b"what a crash has left")
    an_hour_ago = time.time() - timedelta(hours=1, seconds=1).total_seconds()
    os.utime(store.place(old), (an_hour_ago, an_hour_ago))
    assert f"image store: {old}\nimage store: {young}\n2 found." in command().output
    result = command("--remove")
    assert f"image store: {old}: gone\n" in result.output
    assert f"image store: {young}: left" in result.output
    assert (result.exit_code, images.strangers()) == (0, {young})


def test_a_stray_that_was_not_listed_is_not_removed(cloud):
    listed, other = "a" * 64, "b" * 64
    config.current().image_store.mkdir(exist_ok=True)
    for each in (listed, other):
        store.place(each).write_bytes(b"what a crash has left")
    cloud.clock.forward(hours=2)
    assert images.remove_strangers(COMMAND_LINE, [listed, "c" * 64]) == {listed}
    assert images.strangers() == {other}
