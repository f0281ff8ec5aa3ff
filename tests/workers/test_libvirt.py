"""Guests on a real libvirt: a private libvirtd, QEMU, and real boots."""

import dataclasses
import multiprocessing
import os
import signal
import socket
import threading
import time
import uuid
from pathlib import Path

import libvirt
import pytest
from lxml import etree

from tests.strangers import words
from tests.workers.conftest import wait_until
from workers import specs
from workers.drivers import names
from workers.drivers.libvirt import events
from workers.errors import Busy, Permanent
from workers.specs import RUNNING, STOPPED, Guest

pytestmark = pytest.mark.real

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvRJ5rJxWZ1RkzLTvEhDbkLkXwKpN0cKxm1dF7wq9aZ alice"
SAY = '#!/bin/sh\necho "said by $(hostname) with $(wc -l </root/.ssh/authorized_keys) key"\n'


def change(spec, **changes):
    """What the portal sends after its owner wanted something else."""
    return dataclasses.replace(spec, generation=spec.generation + 1, **changes)


def qemu_pid(machine, spec) -> int:
    """PID of the guest's QEMU, as the test's own namespace sees it."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"guest={names.domain(spec.id)},".encode() in command:
                return int(entry.name)
    raise AssertionError("there is no such QEMU")


def test_a_guest_lives_from_its_first_boot_to_nothing(machine, demo_image, new_instance):
    image = machine.add_image(demo_image, virtual_size_bytes=32 << 20)
    spec = new_instance(image, public_keys=(("k", KEY),), user_data=SAY, grace_seconds=60)

    assert machine.apply(spec) == Guest(id=spec.id, power=RUNNING, generation=1, boots=1)
    machine.wait_for_boot_log(spec, "said by web-1 with 1 key")

    spec = change(spec, boots=2, hostname="web-two")
    machine.disks.ensure_seed(spec)
    machine.hypervisor.ensure_domain(spec)
    still = machine.hypervisor.observe_guest(spec.id)
    assert (still.generation, still.boots) == (2, 1), "newly defined, not yet booted"
    begun = time.monotonic()
    assert machine.apply(spec) == Guest(id=spec.id, power=RUNNING, generation=2, boots=2)
    assert time.monotonic() - begun < spec.grace_seconds, "the guest went down by itself"
    machine.wait_for_boot_log(spec, "said by web-two with 1 key")

    spec = change(spec, power=STOPPED)
    stopped = machine.apply(spec)
    assert (stopped.power, stopped.reason) == (STOPPED, "shutdown")
    log = machine.hypervisor.observe_boot_log(spec.id)
    assert "said by web-1" in log, "the last boot"
    assert "Linux version" in log
    assert log.index("said by web-1") < log.index("said by web-two"), "and this one"

    machine.remove(spec.id)
    assert machine.hypervisor.observe_guest(spec.id) is None
    assert machine.hypervisor.observe_host().strangers == ()
    assert machine.hypervisor.observe_boot_log(spec.id) == ""


CLOUD_CONFIG = f"""#cloud-config
hostname: from-yaml
ssh_authorized_keys: # two of them
  - {KEY}
  - "ssh-rsa AAAAB3NzaC1yc2E= bob"
write_files:
  - path: /opt/it's here/note
    permissions: '0600'
    content: |
      first 'line'
        indented
runcmd:
  - [sh, -c, "echo keys: $(wc -l </root/.ssh/authorized_keys)"]
  - |
    ls -l "/opt/it's here"
    sed 's/^/note: /' "/opt/it's here/note"
  - echo "ran on $(hostname)"
"""


def test_the_demo_image_understands_the_usual_cloud_config(machine, demo_image, new_instance):
    image = machine.add_image(demo_image, virtual_size_bytes=32 << 20)
    spec = new_instance(image, user_data=CLOUD_CONFIG, grace_seconds=0)
    machine.apply(spec)
    log = machine.wait_for_boot_log(spec, "ran on from-yaml")
    for line in ("keys: 2", "-rw-------", "note: first 'line'", "note:   indented"):
        assert line in log
    assert "does not understand" not in log


def test_a_guest_that_ignores_the_button_loses_its_plug_after_the_grace(machine, deaf):
    machine.apply(deaf)
    spec = change(deaf, power=STOPPED, grace_seconds=3)
    begun = time.monotonic()
    with pytest.raises(Busy, match="deaf is shutting down") as busy:
        machine.apply_once(spec)
    assert time.monotonic() - begun < 2, "a job does not wait for a guest"
    assert busy.value.after_seconds <= 1
    assert 2 < busy.value.within_seconds <= 3
    stopped = machine.apply(spec)
    assert 3 <= time.monotonic() - begun < 20
    assert (stopped.power, stopped.reason) == (STOPPED, "destroyed")


def test_a_forced_stop_does_not_wait(machine, deaf):
    machine.apply(deaf)
    with pytest.raises(Busy):
        machine.apply_once(change(deaf, power=STOPPED, grace_seconds=300))
    machine.apply_once(dataclasses.replace(deaf, generation=3, power=STOPPED, grace_seconds=0))
    assert machine.hypervisor.observe_guest(deaf.id).power == STOPPED


def test_a_second_stop_has_a_grace_of_its_own(machine, deaf):
    machine.apply(deaf)
    with pytest.raises(Busy):
        machine.apply_once(change(deaf, power=STOPPED, grace_seconds=1))
    machine.apply(dataclasses.replace(deaf, generation=3))
    time.sleep(1.2)  # longer than the first grace
    with pytest.raises(Busy):
        machine.apply_once(
            dataclasses.replace(deaf, generation=4, power=STOPPED, grace_seconds=300)
        )


def test_what_is_so_already_is_not_touched(machine, deaf):
    machine.apply(deaf)
    pid = qemu_pid(machine, deaf)
    before = machine.hypervisor.observe_guest(deaf.id)
    assert machine.apply(deaf) == before
    assert machine.apply(change(deaf, name="renamed")).generation == 2
    assert qemu_pid(machine, deaf) == pid, "a new definition does not touch a running guest"


def test_a_boot_is_carried_out_once_however_often_it_is_asked_for(machine, deaf):
    machine.apply(deaf)
    spec = change(deaf, boots=2)
    machine.apply(spec)
    pid = qemu_pid(machine, spec)
    assert machine.apply(spec).boots == 2
    assert qemu_pid(machine, spec) == pid


@pytest.mark.parametrize("call", ["createWithFlags", "destroy", "defineXML"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_job_killed_in_the_middle_is_finished_by_the_next(machine, deaf, call, when):
    machine.apply(deaf)
    spec = change(deaf, boots=2, name="rebooted")

    def run_and_die():
        owner = libvirt.virConnect if call == "defineXML" else libvirt.virDomain
        real = getattr(owner, call)

        def die(self, *arguments):
            if when == "after":
                real(self, *arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, call, die)
        machine.apply_once(spec)

    job = multiprocessing.get_context("fork").Process(target=run_and_die)
    job.start()
    job.join(60)
    assert job.exitcode == -signal.SIGKILL
    assert machine.apply(spec) == Guest(id=spec.id, power=RUNNING, generation=2, boots=2)


def test_two_jobs_at_once_make_one_guest(machine, deaf):
    context = multiprocessing.get_context("fork")
    jobs = [context.Process(target=machine.apply, args=(deaf,)) for _ in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    assert [each.id for each in machine.hypervisor.observe_guests()] == [deaf.id]


def test_a_guest_that_was_killed_is_seen_as_crashed_and_starts_again(machine, deaf):
    machine.apply(deaf)
    os.kill(qemu_pid(machine, deaf), signal.SIGKILL)
    wait_until(lambda: machine.hypervisor.observe_guest(deaf.id).power == STOPPED)
    assert machine.hypervisor.observe_guest(deaf.id).reason == "crashed"
    assert machine.apply(deaf).power == RUNNING


def test_a_paused_guest_runs_for_the_portal_and_goes_on(machine, deaf):
    machine.apply(deaf)
    domain = machine.hypervisor._connection().lookupByUUIDString(deaf.id)
    domain.suspend()
    assert machine.hypervisor.observe_guest(deaf.id).reason == "paused"
    assert machine.apply(deaf) == Guest(id=deaf.id, power=RUNNING, generation=1, boots=1)


def test_guests_outlive_libvirtd(machine, deaf, libvirt_host):
    machine.apply(deaf)
    pid = qemu_pid(machine, deaf)
    libvirt_host.restart_libvirtd()
    wait_until(lambda: machine.hypervisor.observe_guest(deaf.id) is not None)
    assert machine.apply(deaf) == Guest(id=deaf.id, power=RUNNING, generation=1, boots=1)
    assert qemu_pid(machine, deaf) == pid


def test_the_screen_is_a_socket_that_speaks_vnc_and_no_port_is_open(machine, deaf, libvirt_host):
    machine.apply(deaf)
    path = names.vnc_socket(machine.config.runtime_directory, deaf.id)
    with socket.socket(socket.AF_UNIX) as screen:
        screen.settimeout(30)
        screen.connect(str(path))
        assert screen.recv(12).startswith(b"RFB 003.")
    assert path.parent.stat().st_mode & 0o077 == 0, "only root and QEMU come in"
    domain = machine.hypervisor._connection().lookupByUUIDString(deaf.id)
    live = etree.fromstring(domain.XMLDesc())
    assert live.find("devices/graphics/listen").get("type") == "socket"
    assert libvirt_host.run("ss", "-Hltn") == ""


def test_a_port_is_plugged_into_the_bridge_of_its_network(machine, deaf, libvirt_host):
    port = specs.PortSpec(
        id=str(uuid.uuid4()),
        network_id=str(uuid.uuid4()),
        segment_id=4001,
        mac="52:54:00:00:00:01",
        mtu=1450,
        addresses=(specs.AddressSpec(address="10.0.0.5", prefix_length=24, gateway="10.0.0.1"),),
    )
    spec = dataclasses.replace(deaf, ports=(port,))
    with pytest.raises(libvirt.libvirtError, match="pbr4001"):
        machine.apply(spec)
    libvirt_host.run("ip", "link", "add", "pbr4001", "mtu", "1450", "type", "bridge")
    assert machine.apply(spec).power == RUNNING
    assert f"{names.tap(port.id)}: " in libvirt_host.run("ip", "link", "show", "master", "pbr4001")
    machine.remove(spec.id)
    libvirt_host.run("ip", "link", "delete", "pbr4001")


def test_what_no_host_can_do_is_refused_with_a_sentence(machine, deaf):
    with pytest.raises(Permanent, match="cannot run deaf"):
        machine.apply(dataclasses.replace(deaf, vcpus=4000))
    with pytest.raises(Permanent, match="not 999999999 MiB of memory free"):
        machine.apply(change(deaf, memory_mib=999_999_999))
    assert machine.hypervisor.observe_guest(deaf.id).power == STOPPED


def test_a_host_says_what_it_is_and_has(machine):
    host = machine.hypervisor.observe_host()
    assert host.vcpus == os.cpu_count()
    meminfo = Path("/proc/meminfo").read_text().split()
    assert host.memory_mib == int(meminfo[1]) // 1024
    assert host.disk_gib >= host.disk_free_gib > 0
    assert (host.accelerator, bool(host.accelerator_reason)) == ("qemu", True)
    assert {"libvirt", "qemu", "linux", "specs"} == host.versions.keys()


def test_what_bears_our_name_and_not_our_mark_is_a_stranger(machine, deaf):
    connection = machine.hypervisor._connection()
    stranger = connection.defineXML(
        f"<domain type='qemu'><name>instance-{uuid.uuid4()}</name><memory>32768</memory>"
        "<os><type arch='x86_64'>hvm</type></os></domain>"
    )
    lost = str(uuid.uuid4())
    (machine.config.state_directory / "instances" / lost).mkdir()
    try:
        machine.apply(deaf)
        assert words(machine.hypervisor.observe_host().strangers) == (
            f"disks {lost}",
            f"domain {stranger.name()}",
        )
        assert [each.id for each in machine.hypervisor.observe_guests()] == [deaf.id]
    finally:
        stranger.undefine()


def test_who_watches_is_called_for_each_change_and_again_after_libvirtd_was_away(
    machine, deaf, libvirt_host
):
    calls = threading.Semaphore(0)
    events.watch(libvirt_host.uri, calls.release)
    assert calls.acquire(timeout=30), "once after the connection"
    machine.apply(deaf)
    assert calls.acquire(timeout=30), "the guest started"
    libvirt_host.restart_libvirtd()
    while calls.acquire(blocking=False):
        pass
    os.kill(qemu_pid(machine, deaf), signal.SIGKILL)
    assert calls.acquire(timeout=30), "the guest crashed under the new libvirtd"
    wait_until(lambda: machine.hypervisor.observe_guest(deaf.id).power == STOPPED)
    assert machine.hypervisor.observe_guest(deaf.id).reason in ("crashed", "daemon")
