"""Guests whose host has no space left: they stand still, lose nothing, and go on."""

import dataclasses
import subprocess
import threading
from collections.abc import Callable

import libvirt
import pytest

from tests.workers.conftest import Machine, wait_until
from workers import specs
from workers.config import HostConfig
from workers.drivers import privacy
from workers.drivers.disks import room
from workers.drivers.libvirt import events, standstill
from workers.specs import NO_SPACE, STOPPED

pytestmark = pytest.mark.real

MIB = 1 << 20
FILL = """#!/bin/sh
echo writing
dd if=/dev/zero of=/dev/vda bs=1M seek=64 count=160 conv=fsync && echo all is written
"""


class SmallDisk:
    """A file system of 320 MiB with 240 of them taken, where a guest has its disks: in our mount
    namespace and in libvirtd's."""

    def __init__(self, machine: Machine, libvirt_host, spec: specs.InstanceSpec):
        self._libvirt_host = libvirt_host
        self.folder = machine.config.state_directory / "instances" / spec.id
        self._file = machine.config.state_directory.parent / f"{spec.id}.ext4"
        privacy.ensure_passage(machine.config, self.folder)
        with open(self._file, "wb") as file:
            file.truncate(320 * MIB)
        run("mkfs.ext4", "-q", "-m", "0", str(self._file))
        self._device = run("losetup", "--find", "--show", str(self._file)).strip()
        run("mount", self._device, str(self.folder))
        libvirt_host.run("mount", self._device, str(self.folder))
        run("fallocate", "-l", str(240 * MIB), str(self.folder / "taken"))

    def make_room(self) -> None:
        (self.folder / "taken").unlink()

    def unmount(self) -> None:
        self._libvirt_host.run("umount", str(self.folder))
        run("umount", str(self.folder))
        run("losetup", "--detach", self._device)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def writer(machine, demo_image, new_instance):
    """A guest that writes more than there is room for."""
    image = machine.add_image(demo_image, virtual_size_bytes=32 * MIB)
    return new_instance(image, user_data=FILL, grace_seconds=3)


@pytest.fixture
def small_disk(machine, libvirt_host, writer):
    disk = SmallDisk(machine, libvirt_host, writer)
    yield disk
    machine.hypervisor.remove_domain(writer.id)
    disk.unmount()


def why(machine: Machine, spec: specs.InstanceSpec) -> str:
    guest = machine.hypervisor.observe_guest(spec.id)
    return guest.reason if guest else ""


@pytest.fixture
def watched():
    """Has events noted and guests let go on, for as long as the test goes: the watch itself lives
    as long as this process."""
    goes_on = threading.Event()
    goes_on.set()

    def watch(config: HostConfig, changed: Callable[[], None]) -> None:
        def tend(connection: libvirt.virConnect) -> None:
            if goes_on.is_set():
                standstill.let_go_on(connection, config)

        events.watch(config.libvirt_uri, changed, tend)

    yield watch
    goes_on.clear()


def test_it_stands_still_and_goes_on_by_itself_when_there_is_room(
    machine, writer, small_disk, watched
):
    config = dataclasses.replace(machine.config, resume_free_mib=128)
    seen: list[str] = []  # by whoever looks at each event
    watched(config, lambda: seen.append(why(machine, writer)))
    wait_until(lambda: seen, seconds=10)  # there is a connection
    machine.apply(writer)
    wait_until(lambda: why(machine, writer) == NO_SPACE)
    wait_until(lambda: NO_SPACE in seen, seconds=10)
    told = dict(room.shortages(config, [writer.id]))
    [cause] = [each for each in told if "stands still" in each]
    assert str(small_disk.folder) in cause
    assert "128 MiB are free" in told[cause]
    assert "all is written" not in machine.boot_log(writer)
    small_disk.make_room()
    wait_until(lambda: why(machine, writer) == "", seconds=30)
    machine.wait_for_boot_log(writer, "all is written")
    assert not [each for each in dict(room.shortages(config, [])) if "stands still" in each]


def test_a_job_resumes_it_once_there_is_room_and_not_before(machine, writer, small_disk):
    machine.apply(writer)
    wait_until(lambda: why(machine, writer) == NO_SPACE)
    assert machine.apply(writer).reason == NO_SPACE, "it met the same error at once"
    small_disk.make_room()
    assert machine.apply(writer).reason == ""
    machine.wait_for_boot_log(writer, "all is written")


def test_it_can_be_stopped_and_removed_while_nothing_can_be_written(machine, writer, small_disk):
    machine.apply(writer)
    wait_until(lambda: why(machine, writer) == NO_SPACE)
    off = machine.apply(dataclasses.replace(writer, generation=2, power=STOPPED))
    assert off.power == STOPPED
    machine.hypervisor.remove_domain(writer.id)
    assert machine.hypervisor.observe_guest(writer.id) is None
