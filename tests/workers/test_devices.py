"""Ports and disks of a running guest on a real libvirt: they come and go, and it runs on."""

import dataclasses
import itertools
import multiprocessing
import os
import signal
import subprocess

import libvirt
import pytest
from lxml import etree

from tests.workers.conftest import other_disk, port, root_disk
from tests.workers.test_libvirt import change, qemu_pid
from workers import specs
from workers.drivers import names
from workers.drivers.libvirt import places
from workers.errors import Busy
from workers.specs import RUNNING, STOPPED, Guest

pytestmark = pytest.mark.real

BRIDGE = names.bridge(port(1).segment_id)
SAY_DEVICES = """#!/bin/sh
while :; do
    now="$(ls /sys/class/net | xargs) and $(ls /sys/block | grep vd | xargs)"
    [ "$now" = "$before" ] || echo "I have $now."
    before=$now
    sleep 0.2
done
"""


@pytest.fixture
def bridge(libvirt_host):
    libvirt_host.run("ip", "link", "add", BRIDGE, "mtu", "1450", "type", "bridge")
    yield
    libvirt_host.run("ip", "link", "delete", BRIDGE)


@pytest.fixture
def eager(machine, demo_image, new_instance):
    """A guest that has booted, lets go of what it shall, and says what devices it has."""
    image = machine.add_image(demo_image, virtual_size_bytes=32 << 20)
    spec = new_instance(image, user_data=SAY_DEVICES, grace_seconds=0)
    machine.apply(spec)
    machine.wait_for_boot_log(spec, "I have lo and vda vdb.")
    return spec


def with_devices(spec, ports=(), disks=()):
    """The spec, with these in addition to its root disk."""
    return change(spec, ports=tuple(ports), disks=(spec.root, *disks))


def definition(machine, spec, flags: int = 0) -> etree._Element:
    """What libvirt says of the guest: what it runs with, or with a flag its next boot."""
    domain = machine.hypervisor._connection().lookupByUUIDString(spec.id)
    return etree.fromstring(domain.XMLDesc(flags))


def has(machine, spec, flags: int = 0) -> set[str]:
    return set(places.changing(definition(machine, spec, flags)))


def test_a_running_guest_gets_a_port_and_a_disk_and_loses_them_again(
    machine, eager, bridge, libvirt_host
):
    pid, generation = qemu_pid(machine, eager), eager.generation
    spec = with_devices(eager, [port(1)], [other_disk(1)])
    assert machine.apply(spec) == Guest(
        id=spec.id, power=RUNNING, generation=generation + 1, boots=1
    )
    machine.wait_for_boot_log(spec, "I have eth0 lo and vda vdb vdc.")
    tap = names.tap(port(1).id)
    assert f"{tap}: " in libvirt_host.run("ip", "link", "show", "master", BRIDGE)
    asked = ("qemu-monitor-command", names.domain(spec.id), '{"execute": "query-block"}')
    assert f"{other_disk(1).id}.qcow2" in libvirt_host.run("virsh", *asked)
    assert has(machine, spec) == has(machine, spec, libvirt.VIR_DOMAIN_XML_INACTIVE)

    spec = with_devices(spec)
    assert machine.apply(spec).generation == generation + 2
    machine.wait_for_boot_log(spec, "I have lo and vda vdb.", times=2)
    assert tap not in libvirt_host.run("ip", "link")
    assert f"{other_disk(1).id}.qcow2" not in libvirt_host.run("virsh", *asked)
    assert not has(machine, spec, libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert qemu_pid(machine, spec) == pid, "it was never booted anew"
    disk = machine.disks.files(with_devices(spec, [], [other_disk(1)])).disks[other_disk(1).id]
    assert disk.exists(), "what the guest wrote is kept until the instance goes"


def test_who_stays_keeps_its_place_whatever_comes_and_goes(machine, eager, bridge):
    many = with_devices(eager, [port(1), port(2)], [other_disk(1), other_disk(2)])
    machine.apply(many)
    before = places.read(definition(machine, many))
    few = with_devices(many, [port(2)], [other_disk(2)])
    machine.apply(few)
    more = with_devices(few, [port(2), port(3)], [other_disk(3), other_disk(2)])
    machine.apply(more)
    running = places.read(definition(machine, more))
    defined = places.read(definition(machine, more, libvirt.VIR_DOMAIN_XML_INACTIVE))
    assert running == defined, "and it will be so after its next boot"
    stayed = before.keys() & running.keys()
    assert places.alias(other_disk(2).id) in stayed
    assert {key: before[key] for key in stayed} == {key: running[key] for key in stayed}
    assert running[places.alias(other_disk(2).id)].name == "vdc"
    assert running[places.alias(other_disk(3).id)].name == "vdb"
    off = change(more, power=STOPPED)
    machine.apply(off)
    assert places.read(definition(machine, off)) == defined


def test_a_guest_that_is_off_has_its_new_devices_when_it_boots(machine, eager, bridge):
    spec = with_devices(dataclasses.replace(eager, power=STOPPED), [port(1)], [other_disk(1)])
    machine.apply(spec)
    machine.apply(change(spec, power=RUNNING, boots=2))
    machine.wait_for_boot_log(spec, "I have eth0 lo and vda vdb vdc.")


def test_what_a_guest_does_not_let_go_of_is_named_and_everything_else_is_done(
    machine, deaf, bridge, monkeypatch
):
    """Its BIOS waits for a disk that boots, and knows of no device that is to go."""
    told, pull = [], libvirt.virDomain.detachDeviceAlias
    monkeypatch.setattr(
        libvirt.virDomain,
        "detachDeviceAlias",
        lambda self, *arguments: told.append(arguments) or pull(self, *arguments),
    )
    machine.apply(with_devices(deaf, [port(1)], [other_disk(1)]))
    spec = with_devices(change(deaf), [port(2)])
    for _ in "12":
        with pytest.raises(Busy) as busy:
            machine.apply_once(spec)
        for words in ("deaf does not let go of", "the disk vdb", f"the MAC {port(1).mac}"):
            assert words in str(busy.value)
    assert len(told) == 2, "of each but once: who heeds both would lose what came after it"
    assert names.tap(port(2).id) in has(machine, spec)
    assert machine.hypervisor.observe_guest(spec.id).generation == deaf.generation + 1
    rebooted = change(spec, boots=2)
    assert machine.apply(rebooted).generation == rebooted.generation
    assert has(machine, rebooted) == {names.tap(port(2).id)}


def die_in(machine, spec, call: str, when: str) -> None:
    """A job makes the guest so, and is killed before or after libvirt does this."""

    def run_and_die():
        owner = libvirt.virConnect if call == "defineXML" else libvirt.virDomain
        real = getattr(owner, call)

        def die(self, *arguments):
            if when == "after":
                real(self, *arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, call, die)
        machine.apply(spec)

    job = multiprocessing.get_context("fork").Process(target=run_and_die)
    job.start()
    job.join(60)
    assert job.exitcode == -signal.SIGKILL, f"{when} {call}"


def test_a_job_killed_while_it_changes_devices_is_finished_by_the_next(machine, eager, bridge):
    spec = with_devices(eager, [port(1)], [other_disk(1)])
    machine.apply(spec)
    pid = qemu_pid(machine, spec)
    calls = "attachDeviceFlags", "detachDeviceAlias", "defineXML"
    for number, (call, when) in enumerate(itertools.product(calls, ("before", "after")), start=2):
        spec = with_devices(spec, [port(number)], [other_disk(number)])
        die_in(machine, spec, call, when)
        assert machine.apply(spec).generation == spec.generation
        assert has(machine, spec) == {names.tap(port(number).id), other_disk(number).id}
        assert has(machine, spec, libvirt.VIR_DOMAIN_XML_INACTIVE) == has(machine, spec)
    assert qemu_pid(machine, spec) == pid


def test_a_guest_has_room_for_as_many_devices_as_a_spec_may_name(machine, eager, bridge):
    half = specs.instances.MOST_DEVICES // 2
    numbers = range(1, half + 1)
    spec = with_devices(eager, map(port, numbers), map(other_disk, numbers))
    assert machine.apply(spec).generation == spec.generation
    assert len(has(machine, spec)) == specs.instances.MOST_DEVICES


def test_what_others_have_plugged_in_is_left(machine, eager, tmp_path):
    disk = machine.config.state_directory / "foreign.raw"
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", disk, "1M"], check=True)
    domain = machine.hypervisor._connection().lookupByUUIDString(eager.id)
    xml = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        f"<source file='{disk}'/><target dev='vdx' bus='virtio'/></disk>"
    )
    domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    machine.apply(change(eager, name="renamed"))
    targets = definition(machine, eager).findall("devices/disk/target")
    assert {each.get("dev") for each in targets} == {"vda", "vdx", "vdz"}


def test_a_guest_whose_root_disk_is_empty_is_made_and_boots_what_is_there(machine, new_instance):
    spec = new_instance(disks=(root_disk(None, gib=3),), memory_mib=32, grace_seconds=0)
    assert machine.apply(spec) == Guest(id=spec.id, power=RUNNING, generation=1, boots=1)
    root = machine.disks.files(spec).disks["root"]
    assert (
        f"{3 << 30} bytes"
        in subprocess.run(
            ["qemu-img", "info", "-U", root], check=True, capture_output=True, text=True
        ).stdout
    )
    domain = machine.hypervisor._connection().lookupByUUIDString(spec.id)
    assert domain.blockInfo("vda")[0] == 3 << 30


def test_a_paused_guest_goes_on_and_loses_its_port(machine, eager, bridge):
    spec = with_devices(eager, [port(1)])
    machine.apply(spec)
    machine.hypervisor._connection().lookupByUUIDString(spec.id).suspend()
    assert machine.apply(with_devices(spec)).reason == ""
    assert not has(machine, spec)
