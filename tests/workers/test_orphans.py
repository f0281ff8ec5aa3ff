"""On a real host what belongs to nothing is found and removed, and nothing beside it is."""

import dataclasses
import shutil
import uuid

import pytest

from tests.strangers import stranger
from tests.workers.network_host import NetworkHost, held, network, run
from workers import specs
from workers.drivers import nft
from workers.drivers.network import dnsmasq, links, namespaces, records
from workers.host import open_host
from workers.jobs import JOBS
from workers.specs import RUNNING, Stranger

pytestmark = pytest.mark.real

FOREIGN = """
<domain type='qemu'><name>{name}</name><memory>32768</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices><disk type='file'><source file='{disk}'/><target dev='vda'/></disk></devices>
</domain>"""


@pytest.fixture
def host(machine):
    """A whole host: a libvirtd of its own, and network namespaces of its own."""
    with NetworkHost():
        host = open_host(dataclasses.replace(machine.config, image_store=None))
        yield host
        known = set(host.network.observe_remembered())
        for network_id in known | set(dnsmasq.running(machine.config)):
            host.network.remove_network(network_id)


@pytest.fixture
def wanted(host, machine, deaf):
    """A running guest and a network that somebody wants."""
    machine.apply(deaf)
    lan = network(5)
    host.network.ensure_network(lan)
    return deaf, lan


@pytest.fixture
def lost_network(host, machine):
    """A network that this host has forgotten, with all that it is made of."""
    lan = network(6, "10.0.6.0/24")
    host.network.ensure_network(lan)
    records.remove(machine.config, lan.id)
    return lan


@pytest.fixture
def lost_folder(machine):
    """Disks without a guest."""
    folder = machine.config.state_directory / "instances" / str(uuid.uuid4())
    folder.mkdir()
    (folder / "root.qcow2").touch()
    return folder


@pytest.fixture
def foreign(machine):
    """A guest that bears our name and not our mark, and has its disk among ours."""
    instance_id = str(uuid.uuid4())
    folder = machine.config.state_directory / "instances" / instance_id
    folder.mkdir()
    (folder / "root.qcow2").touch()
    domain = machine.hypervisor._connection().defineXML(
        FOREIGN.format(name=f"instance-{uuid.uuid4()}", disk=folder / "root.qcow2")
    )
    yield domain, folder
    domain.undefine()
    shutil.rmtree(folder)


def observe(host) -> specs.Observation:
    return JOBS["hosts.observe"][0](host, specs.ObserveSpec(id="kvm-1", generation=1))


def remove(host, *strangers: Stranger) -> specs.Observation:
    spec = specs.StrangersSpec(id="kvm-1", generation=1, strangers=strangers)
    return JOBS["strangers.remove"][0](host, spec)


def test_what_belongs_to_nothing_goes_and_what_is_wanted_or_foreign_stays(
    host, machine, wanted, lost_network, lost_folder, foreign, new_instance
):
    guest, lan = wanted
    lost_guest = new_instance(guest.root.image, memory_mib=32, grace_seconds=0)
    machine.apply(lost_guest)
    run("ip", "link", "add", "pbr77", "type", "bridge")
    nft.run("add table ip portico_old")
    lost_namespaces = {f"pnet-{lost_network.id}", f"prouter-{lost_network.id}"}

    seen = observe(host).host.strangers
    foreign_guest = stranger(
        f"domain {foreign[0].name()}", foreign[0].name().removeprefix("instance-")
    )
    assert set(seen) == {
        foreign_guest,
        stranger(f"disks {lost_folder.name}"),
        *(stranger(f"namespace {each}", lost_network.id) for each in lost_namespaces),
        stranger(f"dnsmasq {lost_network.id}"),
        *(stranger(each, "6") for each in ("bridge pbr6", "leg pdhcp6", "leg pgate6", "leg pout6")),
        *(stranger("bridge pbr77", "77"), stranger("table ip portico_old", "")),
    }

    answer = remove(host, stranger(f"guest {lost_guest.id}"), *seen)
    assert answer.host.strangers == (foreign_guest,)
    assert [(each.id, each.power) for each in answer.guests] == [(guest.id, RUNNING)]
    assert answer.held == (held(lan),)
    assert machine.disks.observe_disks() == tuple(sorted([guest.id, foreign[1].name]))
    assert not lost_namespaces & set(namespaces.names())
    assert not {"pbr6", "pgate6", "pbr77"} & set(links.all_names())
    assert "portico_old" not in nft.run("list tables")
    assert (
        remove(host, stranger(f"guest {lost_guest.id}"), *seen).host.strangers
        == answer.host.strangers
    )


def test_a_network_that_is_damaged_and_unknown_is_named(host, wanted):
    _, lan = wanted
    run("ip", "link", "delete", "pgate5")
    assert stranger(f"network {lan.id}") in observe(host).host.strangers
    answer = remove(host, stranger(f"network {lan.id}"))
    assert answer.host.strangers == ()
    assert not {"pbr5", "pdhcp5", "pout5"} & set(links.all_names())


def test_what_nobody_has_named_stays(host, wanted, lost_network, lost_folder):
    before = observe(host)
    after = remove(
        host,
        stranger("bridge pbr5", "5"),
        stranger(f"disks {wanted[0].id}"),
        stranger("bridge eth0", ""),
        stranger("namespace pnet-x", "x"),
    )
    assert after.host.strangers == before.host.strangers
    assert (after.guests, after.held) == (before.guests, before.held)
