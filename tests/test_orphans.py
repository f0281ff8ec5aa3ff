"""What belongs to nothing is listed, and goes when the operator says so; what is wanted stays."""

import os
import threading
import time
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import config, create_app
from portal.conductor import specs
from portal.db import session, transaction
from portal.errors import Conflict, Forbidden
from portal.models import Activity, Operation, Outcome, Port, Task
from portal.policies import COMMAND_LINE
from portal.services import images, orphans
from portal.services.images import store
from portal.services.operations import open_operation
from tests.cloud import host_row

LONGEST_SECONDS = 60
GUEST = {"power": "running", "generation": 1, "boots": 1, "reason": ""}


@pytest.fixture
def command(cloud):
    """Runs `flask orphans` while the cloud goes on."""
    app = create_app(config.current())

    def run(*arguments: str):
        results = []

        def type_it():
            results.append(app.test_cli_runner().invoke(args=["orphans", *arguments]))
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
def strangers(cloud):
    """Something of each kind lies on kvm-1, beside an instance that is wanted."""
    cloud.running()
    host, ids = cloud.hosts["kvm-1"], [str(uuid.uuid4()) for _ in range(3)]
    host.put("guest", ids[0], GUEST)
    host.put("disk", ids[0], {"gib": 1, "image": "d" * 64})
    host.put("disk", ids[1], {"gib": 1, "image": "d" * 64})
    host.put("network", ids[2], {"generation": 1})
    names = [f"guest {ids[0]}", f"disks {ids[1]}", f"network {ids[2]}"]
    for leftover in ("bridge pbr9999999", f"dnsmasq {uuid.uuid4()}", f"namespace pnet-{ids[2]}"):
        host.put("leftover", leftover, {})
        names.append(leftover)
    cloud.look()
    assert sorted(host_row().strangers) == sorted(names)
    return names


def kinds(cloud) -> set[str]:
    return {kind for kind, _ in cloud.hosts["kvm-1"].state}


def test_a_list_removes_nothing(cloud, command, strangers):
    before = cloud.hosts["kvm-1"].state
    result = command()
    assert result.exit_code == 0
    assert all(f"kvm-1: {each}\n" in result.output for each in strangers)
    assert "6 found." in result.output
    assert cloud.hosts["kvm-1"].state == before


def test_what_is_removed_is_gone_and_what_is_wanted_stays(cloud, command, strangers):
    wanted = {
        key: value
        for key, value in cloud.hosts["kvm-1"].state.items()
        if not any(key[1] in each for each in strangers)
    }
    result = command("--remove")
    assert result.exit_code == 0, result.output
    assert all(f"kvm-1: {each}: gone\n" in result.output for each in strangers)
    assert cloud.hosts["kvm-1"].state == wanted
    assert {"guest", "disk", "network"} <= kinds(cloud)
    assert "Nothing" in command("--remove").output


def test_it_is_on_the_record_and_among_the_operations(cloud, command, strangers):
    command("--remove")
    (operation,) = cloud.operations(host_row())
    assert (operation.action, operation.outcome) == ("clean", Outcome.DONE)
    entry = session.scalar(select(Activity).where(Activity.action == "hosts:clean"))
    assert (entry.user_name, entry.operation_id) == ("the command line", operation.id)
    assert sorted(entry.before["strangers"]) == sorted(strangers)


def test_what_does_not_go_is_named_with_its_reason(cloud, command, strangers):
    cloud.hosts["kvm-1"].fail("remove_network", "a device is busy", permanent=True)
    result = command("--remove")
    assert result.exit_code == 1
    network = next(each for each in strangers if each.startswith("network"))
    assert f"kvm-1: {network}: still there: a device is busy\n" in result.output
    gone = [each for each in strangers if each != network]
    assert all(f"kvm-1: {each}: gone\n" in result.output for each in gone)


def test_who_does_not_wait_leaves_it_going(cloud, strangers, monkeypatch):
    def press_ctrl_c(_seconds):
        raise KeyboardInterrupt

    runner = create_app(config.current()).test_cli_runner()
    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", press_ctrl_c)
        result = runner.invoke(args=["orphans", "--remove"])
    assert result.exit_code == 1
    assert "It goes on by itself" in result.output
    cloud.settle()
    assert host_row().strangers == []


def test_a_host_that_does_not_answer_is_asked_nothing(cloud, command, strangers):
    cloud.silent.add("kvm-1")
    cloud.clock.forward(minutes=5)
    result = command("--remove")
    assert result.exit_code == 1
    assert "kvm-1 does not answer" in result.output
    assert not cloud.operations(host_row())


def test_what_has_come_to_be_wanted_meanwhile_is_not_removed(cloud, strangers):
    instance = cloud.create("new")
    shown = [*strangers, f"disks {instance.id}"]
    operation = orphans.remove(cloud.actor("ada"), host_row().id, shown)
    task = session.scalar(select(Task).where(Task.operation_id == operation.id))
    assert orphans.named(operation) == shown
    assert list(specs.of_task(task).strangers) == strangers


def test_only_administrators_of_the_cloud_remove_strangers(cloud, strangers):
    with pytest.raises(Forbidden):
        orphans.remove(cloud.actor("alice"), host_row().id, strangers)


def test_whatever_lies_about_waits_for_a_repair(cloud, strangers):
    with transaction():
        open_operation(None, host_row(), "repair")
    with pytest.raises(Conflict, match=r"kvm-1 is busy: repair has not finished\. Wait for it\.$"):
        orphans.remove(cloud.actor("ada"), host_row().id, strangers)


def test_the_disks_of_a_wanted_guest_that_lost_its_definition_are_no_strangers(cloud):
    instance = cloud.running()
    cloud.hosts["kvm-1"].drop("guest", str(instance.id))
    cloud.look()
    assert host_row().strangers == []


def test_names_of_wanted_networks_and_ports_belong_to_somebody(cloud):
    instance = cloud.running()
    (port,) = session.scalars(select(Port).where(Port.instance_id == instance.id))
    segment = port.network.segment_id
    theirs = [
        f"bridge pbr{segment}",
        f"leg pout{segment}",
        f"tap ptap{port.id.hex[:11]}",
        f"namespace prouter-{port.network_id}",
        f"dnsmasq {port.network_id}",
    ]
    nobodys = [f"bridge pbr{segment}1", "tap ptap00000000000", f"domain instance-{instance.id}"]
    assert orphans.unwanted([*theirs, *nobodys]) == nobodys


def test_a_foreign_guest_is_shown_and_never_touched(cloud, command):
    cloud.hosts["kvm-1"].put("leftover", "domain instance-x", {})
    cloud.look()
    result = command("--remove")
    assert "kvm-1: domain instance-x: left, it is not Portico's" in result.output
    assert result.exit_code == 0
    assert cloud.hosts["kvm-1"].get("leftover", "domain instance-x") == {}
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
    assert (result.exit_code, images.strays()) == (0, {young})


def test_a_stray_that_was_not_listed_is_not_removed(cloud):
    listed, other = "a" * 64, "b" * 64
    config.current().image_store.mkdir(exist_ok=True)
    for each in (listed, other):
        store.place(each).write_bytes(b"what a crash has left")
    cloud.clock.forward(hours=2)
    assert images.remove_strays(COMMAND_LINE, [listed, "c" * 64]) == {listed}
    assert images.strays() == {other}
