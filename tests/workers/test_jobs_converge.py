"""Every job there is survives a pulled plug at every driver call, and a second run of itself."""

import dataclasses
import threading
import time

import pytest

from tests.strangers import leave, stranger
from tests.workers.conftest import other_disk, port, root_disk
from workers import specs
from workers.drivers.fake import FakeHost, PulledPlug, drivers_of
from workers.drivers.images.eviction import GIB
from workers.errors import Busy, Permanent, Superseded
from workers.jobs import JOBS

IMAGE = specs.ImageSpec(
    id="i" * 8,
    generation=1,
    sha256="d" * 64,
    format="qcow2",
    size_bytes=2**24,
    virtual_size_bytes=2**26,
)
INSTANCE = specs.InstanceSpec(
    id="11111111-1111-1111-1111-111111111111",
    generation=3,
    name="web",
    hostname="web",
    project_id="22222222-2222-2222-2222-222222222222",
    power=specs.RUNNING,
    boots=2,
    vcpus=1,
    memory_mib=128,
    disks=(root_disk(IMAGE),),
)
NETWORK = specs.NetworkSpec(
    id="33333333-3333-3333-3333-333333333333",
    generation=4,
    segment_id=7,
    mtu=1450,
    gateway_mac="fa:16:3e:00:00:01",
    dns_domain="internal",
    subnets=(
        specs.SubnetSpec(cidr="10.0.0.0/24", gateway="10.0.0.1", dhcp_address="10.0.0.254"),
        specs.SubnetSpec(cidr="10.0.1.0/24", gateway="10.0.1.1", dhcp_address="10.0.1.254"),
    ),
)
FETCH = specs.FetchSpec(
    id="55555555-5555-5555-5555-555555555555",
    generation=2,
    url="https://publisher.example/images/disk.qcow2",
    file="disk.qcow2",
    sums_url="https://publisher.example/images/SHA512SUMS",
    most_bytes=2**30,
    most_virtual_bytes=2**40,
)
FIREWALL = specs.FirewallSpec(id="44444444-4444-4444-4444-444444444444", generation=5)
LOST = "55555555-5555-5555-5555-555555555555"
NAMESPACE = stranger(f"namespace pnet-{NETWORK.id}", NETWORK.id)
BRIDGE = stranger("bridge pbr7", "7")

SPECS = {
    "hosts.observe": specs.ObserveSpec(id=FIREWALL.id, generation=1),
    "fetches.apply": FETCH,
    "fetches.remove": FETCH,
    "images.apply": IMAGE,
    "instances.apply": INSTANCE,
    "instances.remove": INSTANCE,
    "instances.observe_log": specs.BootLogSpec(id=INSTANCE.id, generation=1),
    "networks.apply": NETWORK,
    "networks.remove": NETWORK,
    "firewall.apply": FIREWALL,
    "strangers.remove": specs.StrangersSpec(
        id=FIREWALL.id,
        generation=1,
        strangers=(
            stranger(f"guest {INSTANCE.id}"),
            stranger(f"network {NETWORK.id}"),
            stranger(f"disks {LOST}"),
            NAMESPACE,
            BRIDGE,
        ),
    ),
}


# of a guest that runs on, with other devices than the hosts below have given it
RUNS_ON = dataclasses.replace(INSTANCE, boots=1)
DISKS = (*INSTANCE.disks, other_disk(1), other_disk(2))
DEVICES = {
    "with more devices": dataclasses.replace(RUNS_ON, ports=(port(1), port(2)), disks=DISKS),
    "with other devices": dataclasses.replace(RUNS_ON, ports=(port(2),), disks=DISKS[::2]),
    "without devices": RUNS_ON,
    "with more devices, off": dataclasses.replace(
        RUNS_ON, ports=(port(1), port(2)), disks=DISKS, power=specs.STOPPED
    ),
    "with an empty root disk": dataclasses.replace(
        RUNS_ON, id="66666666-6666-6666-6666-666666666666", disks=(root_disk(None),)
    ),
}
CASES = [pytest.param(job, spec, id=job) for job, spec in SPECS.items()]
CASES += [
    pytest.param("instances.apply", spec, id=f"instances.apply {what}")
    for what, spec in DEVICES.items()
]


@pytest.fixture
def make_host(tmp_path):
    """Makes hosts that hold something already: `make_host("a")`."""

    def make(name: str) -> FakeHost:
        host = FakeHost(tmp_path / name, wait_seconds=2)
        devices = [other_disk(1).id, port(1).id]
        host.put("guest", INSTANCE.id, guest("running", boots=1) | {"devices": devices})
        others = {other_disk(1).id: 1}
        host.put("disk", INSTANCE.id, {"gib": 1, "image": IMAGE.sha256, "others": others})
        host.put("image", IMAGE.sha256, {"format": "qcow2", "size_bytes": IMAGE.size_bytes})
        host.put("network", NETWORK.id, {"generation": 1})
        host.put("firewall", FIREWALL.id, {"generation": 1})
        host.put("disk", LOST, {"gib": 1, "image": IMAGE.sha256})
        for each in (NAMESPACE, BRIDGE):
            leave(host, str(each), each.owner)
        return host

    return make


def guest(power: str, *, boots: int) -> dict:
    return {"power": power, "boots": boots, "generation": 1, "reason": ""}


def run(host: FakeHost, job: str, spec: specs.Spec | None = None) -> dict:
    """What the job answers, but for the number that differs each time."""
    function, _ = JOBS[job]
    answer = specs.dump(function(drivers_of(host), spec or SPECS[job]))
    return {key: value for key, value in answer.items() if key not in ("sequence", "boot_id")}


def test_every_job_has_a_spec_here():
    assert SPECS.keys() == JOBS.keys()
    for job, (_, kind) in JOBS.items():
        assert type(SPECS[job]) is kind


@pytest.mark.parametrize(("job", "spec"), CASES)
def test_survives_a_pulled_plug_at_every_step(job, spec, make_host):
    whole = make_host("whole")
    said = run(whole, job, spec)
    for step in range(whole.calls):
        host = make_host(f"died-after-{step}")
        host.die_after(step)
        with pytest.raises(PulledPlug):
            run(host, job, spec)
        host.fuse = None
        assert run(host, job, spec) == said, f"died after {step} calls"
        assert host.state == whole.state


@pytest.mark.parametrize(("job", "spec"), CASES)
def test_a_second_run_changes_nothing(job, spec, make_host):
    host = make_host("twice")
    said = run(host, job, spec)
    once = host.state
    assert run(host, job, spec) == said
    assert host.state == once


@pytest.mark.parametrize(("job", "spec"), CASES)
def test_two_runs_at_the_same_time_end_as_one(job, spec, make_host):
    whole = make_host("whole")
    run(whole, job, spec)
    host = make_host("both")
    host.put("host", "delay", {"seconds": 0.002})
    threads = [threading.Thread(target=run, args=(host, job, spec)) for _ in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert host.state == whole.state


def test_a_running_guest_has_the_devices_of_its_spec_and_was_not_booted(make_host):
    host = make_host("changed")
    for spec in (each for what, each in DEVICES.items() if "off" not in what):
        run(host, "instances.apply", spec)
        there = host.get("guest", spec.id)
        wanted = [disk.id for disk in spec.disks if disk.kind != specs.ROOT]
        wanted += [port.id for port in spec.ports]
        assert (there["devices"], there["boots"]) == (sorted(wanted), 1)


def test_a_disk_that_a_guest_has_no_longer_is_kept_until_the_guest_goes(make_host):
    host = make_host("kept")
    run(host, "instances.apply", DEVICES["without devices"])
    assert host.get("disk", INSTANCE.id)["others"] == {other_disk(1).id: 1}
    run(host, "instances.remove")
    assert list(host.every("disk")) == [LOST]


def test_what_a_guest_does_not_let_go_of_is_said_and_tried_again(make_host):
    host = make_host("clinging")
    clinging = host.get("guest", INSTANCE.id) | {"clings": [port(1).id]}
    host.put("guest", INSTANCE.id, clinging)
    spec = DEVICES["with other devices"]
    for _ in "12":
        with pytest.raises(Busy, match=f"web does not let go of {port(1).id}"):
            run(host, "instances.apply", spec)
        there = host.get("guest", INSTANCE.id)
        assert there["devices"] == sorted([other_disk(2).id, port(1).id, port(2).id])
        assert there["generation"] == 1, "nobody takes it for done"
    host.put("guest", INSTANCE.id, there | {"clings": []})
    run(host, "instances.apply", spec)
    assert host.get("guest", INSTANCE.id)["devices"] == [other_disk(2).id, port(2).id]


def test_a_guest_that_clings_to_a_port_is_stopped_and_booted_all_the_same(make_host):
    host = make_host("booted")
    clinging = host.get("guest", INSTANCE.id) | {"clings": [port(1).id]}
    host.put("guest", INSTANCE.id, clinging)
    run(host, "instances.apply")
    assert host.get("guest", INSTANCE.id)["devices"] == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"disks": ()}, "boots from one root disk, and this has none"),
        ({"disks": INSTANCE.disks * 2}, "boots from one root disk, and this has 2"),
        ({"disks": (root_disk(None, gib=0),)}, "neither an image nor a size"),
        (
            {"disks": (*INSTANCE.disks, other_disk(1, image=IMAGE))},
            "begin as an image, which only a root disk can",
        ),
        ({"disks": (*INSTANCE.disks, other_disk(1, kind="tape"))}, "a kind that nobody knows"),
        ({"disks": (*INSTANCE.disks, other_disk(1, serial="s" * 21))}, "over 20 characters"),
        ({"disks": DISKS + DISKS[1:]}, "two of its disks are the same"),
        ({"ports": (port(1), port(2, mac=port(1).mac))}, "two of its MACs are the same"),
        ({"ports": tuple(map(port, range(1, 12)))}, "room for 10 devices, not 11"),
    ],
)
def test_a_guest_that_no_host_can_make_is_refused_before_anything_is_touched(
    changes, why, make_host
):
    host = make_host("asked-too-much")
    before = host.state
    with pytest.raises(Permanent, match=f"web cannot be made: .*{why}"):
        run(host, "instances.apply", dataclasses.replace(INSTANCE, **changes))
    assert host.state == before


def test_an_older_spec_changes_nothing(make_host):
    host = make_host("late")
    run(host, "instances.apply")
    before = host.state
    late = specs.load(
        specs.InstanceSpec, specs.dump(INSTANCE) | {"generation": 2, "power": specs.STOPPED}
    )
    answer = JOBS["instances.apply"][0](drivers_of(host), late)
    assert answer.guests[0].generation == INSTANCE.generation
    assert host.state == before


def test_a_guest_whose_image_the_host_has_given_up_waits_for_it(make_host):
    """Copying it takes minutes, and the queue of short jobs is for seconds."""
    host = make_host("lacking")
    host.drop("image", IMAGE.sha256)
    host.fail("ensure_image", "it was copied", permanent=True)
    before = host.state
    assert run(host, "instances.apply")["images_absent"] == (IMAGE.sha256,)
    assert host.state == before


def test_an_image_makes_room_for_another_and_never_one_that_a_disk_stands_on(make_host):
    host = make_host("full")
    host.put("host", "cache", {"gib": 1})
    for number, at in (("1", 2), ("2", 1), ("3", time.time())):
        host.put("image", number * 64, {"format": "qcow2", "size_bytes": GIB // 4})
        host.put("use", number * 64, {"at": at})
    host.put("use", IMAGE.sha256, {"at": 0})
    late = dataclasses.replace(IMAGE, sha256="e" * 64, size_bytes=GIB // 4)
    drivers_of(host).images.ensure_image(late, lambda done, total: None)
    assert set(host.every("image")) == {"1" * 64, "3" * 64, IMAGE.sha256, late.sha256}


def test_what_was_removed_is_not_brought_back_by_a_late_spec(make_host):
    host = make_host("gone")
    run(host, "instances.remove")
    for late in (INSTANCE.generation - 1, INSTANCE.generation):
        before = specs.load(specs.InstanceSpec, specs.dump(INSTANCE) | {"generation": late})
        answer = JOBS["instances.apply"][0](drivers_of(host), before)
        assert answer.absent == (INSTANCE.id,)
        assert not host.every("guest")


def test_what_was_removed_comes_back_with_a_newer_spec_and_no_late_removal_ends_it(make_host):
    """Seen: a guest that had left a host could never return there."""
    host = make_host("returned")
    run(host, "instances.remove")
    newer = INSTANCE.generation + 1
    later = specs.load(specs.InstanceSpec, specs.dump(INSTANCE) | {"generation": newer})
    answer = JOBS["instances.apply"][0](drivers_of(host), later)
    assert [guest.generation for guest in answer.guests] == [newer]
    late = run(host, "instances.remove")
    assert [guest["generation"] for guest in late["guests"]] == [newer]


def test_a_running_job_leaves_when_something_newer_arrives(make_host):
    host = make_host("superseded")
    drivers = drivers_of(host)
    with drivers.locks.hold(INSTANCE.id, INSTANCE.generation) as lock:
        lock.check()
        with pytest.raises(Busy), drivers_of(host).locks.hold(INSTANCE.id, 99, gone=True):
            pass
        with pytest.raises(Superseded):
            lock.check()


def test_a_stranger_that_does_not_go_stands_in_the_way_of_no_other(make_host):
    host = make_host("stubborn")
    host.fail("remove_domain", "libvirt does not answer")
    with pytest.raises(OSError, match="libvirt does not answer"):
        run(host, "strangers.remove")
    assert not host.every("network")
    assert not host.every("stranger")
    assert list(host.every("disk")) == list(host.every("guest")) == [INSTANCE.id]
    assert run(host, "strangers.remove")["host"]["strangers"] == ()
    assert not host.every("disk")


def test_of_what_is_on_a_host_only_the_named_strangers_go(make_host):
    host = make_host("choosy")
    before = host.state
    spec = specs.StrangersSpec(
        id=FIREWALL.id,
        generation=1,
        strangers=(stranger(f"disks {LOST}"), stranger("leg pgate7", "7")),
    )
    JOBS["strangers.remove"][0](drivers_of(host), spec)
    assert before.keys() - host.state.keys() == {("disk", LOST)}


def test_the_disks_of_a_guest_are_no_strangers(make_host):
    host = make_host("careful")
    before = host.state
    spec = specs.StrangersSpec(
        id=FIREWALL.id, generation=1, strangers=(stranger(f"disks {INSTANCE.id}"),)
    )
    JOBS["strangers.remove"][0](drivers_of(host), spec)
    assert host.state == before


def test_no_late_spec_brings_a_removed_stranger_back(make_host):
    host = make_host("for-ever")
    run(host, "strangers.remove")
    assert run(host, "instances.apply")["absent"] == (INSTANCE.id,)
    assert run(host, "networks.apply")["absent"] == (NETWORK.id,)
