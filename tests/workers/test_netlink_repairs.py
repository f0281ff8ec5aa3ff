import dataclasses
import os
import random
import signal
import time

import pytest

from tests.strangers import words
from tests.workers.conftest import root_disk
from tests.workers.network_host import (
    WORLD,
    WORLD_ADDRESS,
    NetworkHost,
    held,
    inside,
    network,
    run,
)
from workers import specs
from workers.drivers import names, nft, sequence
from workers.drivers.network import dnsmasq, namespaces, records, strangers
from workers.specs import AddressSpec, InstanceSpec, PortSpec

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def machine():
    with NetworkHost() as host:
        yield host


@pytest.fixture
def host(machine):
    yield machine
    machine.clear()


@pytest.fixture
def shop(host):
    return host.shop()


def _kill_dnsmasq(host, spec):
    place = dnsmasq.directory(host.config, spec.id)
    os.kill(int((place / "pid").read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while dnsmasq.alive(host.config, spec):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _in_router(*words):
    return lambda host, spec: run("ip", "-n", names.router_namespace(spec.id), *words)


DAMAGE = {
    "the bridge was deleted": lambda host, spec: run("ip", "link", "delete", "pbr5"),
    "the bridge is down": lambda host, spec: run("ip", "link", "set", "pbr5", "down"),
    "the bridge does not call the filter": lambda host, spec: run(
        "ip", "link", "set", "pbr5", "type", "bridge", "nf_call_iptables", "0"
    ),
    "the host has an address on the bridge": lambda host, spec: run(
        "ip", "address", "add", "10.0.0.99/24", "dev", "pbr5"
    ),
    "a leg was deleted": lambda host, spec: run("ip", "link", "delete", "pdhcp5"),
    "a leg was unplugged": lambda host, spec: run("ip", "link", "set", "pgate5", "nomaster"),
    "dnsmasq died": _kill_dnsmasq,
    "the namespace of dnsmasq is gone": lambda host, spec: namespaces.remove(
        names.network_namespace(spec.id)
    ),
    "the namespace of the gateway is gone": lambda host, spec: namespaces.remove(
        names.router_namespace(spec.id)
    ),
    "the gateway has no default route": _in_router("route", "delete", "default"),
    "the gateway has another MAC": _in_router(
        "link", "set", "gateway", "address", "0a:00:00:00:00:99"
    ),
    "the gateway is down": _in_router("link", "set", "gateway", "down"),
    "the gateway translates no addresses": lambda host, spec: inside(
        names.router_namespace(spec.id), lambda: nft.run("delete table ip portico")
    ),
    "the host translates no addresses": lambda host, spec: nft.run(
        "delete table ip portico_outside"
    ),
    "the gateway has another address first": lambda host, spec: run(
        *("ip", "-n", names.router_namespace(spec.id), "-batch", "-"),
        text="address flush dev gateway\naddress add 10.0.0.99/24 dev gateway\n"
        "address add 10.0.0.1/24 dev gateway\n",
    ),
    "the transit lost its address": lambda host, spec: run("ip", "address", "flush", "pout5"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_was_damaged_is_not_reported_and_then_repaired(host, shop, damage):
    spec, web, _ = shop
    host.network.ensure_ports(_instance(spec, web))
    assert host.network.observe_networks() == (held(spec),)
    DAMAGE[damage](host, spec)
    assert host.network.observe_networks() == ()
    host.network.ensure_network(spec)
    assert host.network.observe_networks() == (held(spec),)
    assert host.network.observe_network(spec.id) == (held(spec),)
    assert web.ask_dhcp()["ip"] == "10.0.0.11"
    assert web.pings(WORLD_ADDRESS)


def _instance(spec, guest):
    port = PortSpec(
        id=guest.port_id,
        network_id=spec.id,
        segment_id=spec.segment_id,
        mac=guest.mac,
        mtu=spec.mtu,
        addresses=(
            AddressSpec(address=guest.address, prefix_length=24, gateway=spec.subnets[0].gateway),
        ),
    )
    image = specs.ImageSpec(
        id="image", generation=1, sha256="", format="qcow2", size_bytes=1, virtual_size_bytes=1
    )
    return InstanceSpec(
        id=f"instance of {guest.port_id}",
        generation=1,
        name="web",
        hostname="web",
        project_id="project",
        power=specs.RUNNING,
        boots=1,
        vcpus=1,
        memory_mib=64,
        disks=(root_disk(image),),
        ports=(port,),
    )


def test_a_guest_is_plugged_in_again_wherever_its_tap_was_left(host, shop):
    spec, web, db = shop
    run("ip", "link", "set", web.tap, "nomaster")
    assert not db.pings(web.address)
    host.network.ensure_ports(_instance(spec, web))
    assert web.ask_dhcp()["ip"] == "10.0.0.11"


def test_a_guest_that_is_gone_leaves_no_note_of_its_tap(host, shop):
    spec, web, db = shop
    for guest in (web, db):
        host.network.ensure_ports(_instance(spec, guest))
    host.network.remove_ports(_instance(spec, web))
    host.network.remove_ports(_instance(spec, web))  # content when it is not there
    notes = (host.config.runtime_directory / "taps").glob("*/*")
    assert [note.name for note in notes] == [db.tap]


def test_a_guest_that_has_a_port_no_longer_leaves_no_note_of_its_tap(host, shop):
    """Else a bridge that somebody deleted would come back with the tap of another network."""
    spec, web, db = shop
    both = dataclasses.replace(
        _instance(spec, web), ports=(*_instance(spec, web).ports, *_instance(spec, db).ports)
    )
    notes = host.config.runtime_directory / "taps"
    host.network.ensure_ports(both)
    assert {note.name for note in notes.glob("*/*")} == {web.tap, db.tap}
    host.network.ensure_ports(dataclasses.replace(both, ports=both.ports[1:]))
    assert [note.name for note in notes.glob("*/*")] == [db.tap]
    host.network.remove_ports(dataclasses.replace(both, ports=()))
    assert not list(notes.glob("*/*"))
    assert not (host.config.runtime_directory / "ports" / both.id).exists()


def test_removing_a_network_leaves_nothing_of_it(host):
    before = run("ip", "-o", "link").stdout, namespaces.names()
    spec = network(8)
    host.network.ensure_network(spec)
    host.network.remove_network(spec.id)
    assert (run("ip", "-o", "link").stdout, namespaces.names()) == before
    assert dnsmasq.running(host.config) == ()
    assert host.network.observe_networks() == ()
    assert not list((host.config.state_directory / "networks").iterdir())
    assert not list((host.config.runtime_directory / "networks").iterdir())
    host.network.remove_network(spec.id)  # content when it is not there


@pytest.mark.parametrize("verb", ["ensure", "remove"])
def test_killed_anywhere_and_run_again_it_ends_in_the_same_place(host, verb):
    choice = random.Random(7)
    spec = network(5)
    for _ in range(10):
        if verb == "remove":
            host.network.ensure_network(spec)
        child = os.fork()
        if not child:
            try:
                getattr(host.network, f"{verb}_network")(spec if verb == "ensure" else spec.id)
            finally:
                os._exit(0)
        time.sleep(choice.uniform(0.002, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if verb == "ensure":
            host.network.ensure_network(spec)
            assert host.network.observe_networks() == (held(spec),)
            guest = host.guest(spec, "10.0.0.11")
            assert guest.pings(WORLD_ADDRESS)
            guest.end()
            host.guests.clear()
        host.network.remove_network(spec.id)
        assert strangers.observe(host.config) == ()
        assert set(namespaces.names()) == {WORLD}


def test_what_was_held_before_a_reboot_is_not_held_after_it(host, shop, monkeypatch):
    spec, *_ = shop
    monkeypatch.setattr(records, "kernel_boot_id", lambda: "another boot")
    assert host.network.observe_networks() == ()
    host.network.ensure_network(spec)
    assert host.network.observe_networks() == (held(spec),)
    assert records.kernel_boot_id() != sequence.kernel_boot_id()


def test_what_belongs_to_no_network_is_named_and_left_alone(host, shop):
    spec, *_ = shop
    assert words(strangers.observe(host.config)) == tuple(
        sorted(f"tap {guest.tap}" for guest in host.guests)
    ), "a tap in no table of the filter"
    run("ip", "link", "add", "pbr77", "type", "bridge")
    namespaces.ensure("pnet-00000000-0000-0000-0000-000000000000")
    named = words(strangers.observe(host.config))
    assert "bridge pbr77" in named
    assert "namespace pnet-00000000-0000-0000-0000-000000000000" in named
    records.remove(host.config, spec.id)
    named = words(strangers.observe(host.config))
    assert {"bridge pbr5", "leg pdhcp5", "leg pgate5", "leg pout5"} <= set(named)
    assert f"dnsmasq {spec.id}" in named
    records.write(host.config, records.Record(spec=spec))
    run("ip", "link", "delete", "pbr77")
    namespaces.remove("pnet-00000000-0000-0000-0000-000000000000")
