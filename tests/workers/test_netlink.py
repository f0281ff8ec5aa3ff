import dataclasses
import re
import socket
import time
from pathlib import Path

import pytest

from tests.workers.network_host import (
    HOST_ADDRESS,
    WORLD,
    WORLD_ADDRESS,
    NetworkHost,
    connects,
    held,
    inside,
    network,
    run,
    subnet,
)
from workers.drivers import names, nft
from workers.drivers.network import dnsmasq, namespaces, strangers
from workers.drivers.network.netlink import NetlinkNetwork
from workers.drivers.router import nat_rules
from workers.errors import Busy, Permanent
from workers.specs import NameSpec

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


def taken_from(namespace, port=7000):
    """A TCP server in a namespace; a function that says from where the next client came."""
    server = inside(namespace, lambda: socket.create_server((("0.0.0.0"), port)))
    server.settimeout(2)

    def peer():
        connection, (address, _) = server.accept()
        connection.close()
        return address

    return server, peer


def test_a_guest_gets_exactly_the_address_chosen_for_it(shop):
    _, web, _ = shop
    lease = web.ask_dhcp()
    assert lease["ip"] == "10.0.0.11"
    assert lease["hostname"] == "web"
    assert lease["mtu"] == "1450"
    assert lease["dns"] == "10.0.0.2"
    assert lease["router"] == "10.0.0.1"
    assert lease["staticroutes"] == "0.0.0.0/0 10.0.0.1"
    assert lease["search"] == "shop.internal"
    assert web.pings("10.0.0.12")


def test_a_mac_that_nobody_knows_gets_no_address(host, shop):
    spec, *_ = shop
    assert host.guest(spec, "10.0.0.66", configured=False).ask_dhcp(tries=2) == {}


def test_a_guest_reaches_the_world_by_the_address_of_its_host(shop):
    _, web, _ = shop
    web.ask_dhcp()
    server, peer = taken_from(WORLD)
    with server:
        assert web.reaches(WORLD_ADDRESS, 7000)
        assert peer() == HOST_ADDRESS


def test_a_network_without_a_way_out_has_none(host):
    spec = network(6, nat=False)
    host.network.ensure_network(spec)
    guest, other = host.guest(spec, "10.0.0.11"), host.guest(spec, "10.0.0.12")
    assert guest.pings(other.address)
    assert guest.pings("10.0.0.1")
    started = time.monotonic()
    server, _ = taken_from(WORLD)
    with server:
        assert not guest.connects(WORLD_ADDRESS, 7000, seconds=5)
    assert time.monotonic() - started < 1, "the gateway says at once that there is no way"
    assert host.network.observe_networks() == (held(spec),)


def test_the_way_out_can_be_taken_and_given_back(host, shop):
    spec, _, db = shop
    assert db.pings(WORLD_ADDRESS)
    closed = dataclasses.replace(spec, generation=3, nat=False)
    host.network.ensure_network(closed)
    assert not db.pings(WORLD_ADDRESS)
    assert host.network.observe_networks() == (held(closed),)
    host.network.ensure_network(dataclasses.replace(spec, generation=4))
    assert db.pings(WORLD_ADDRESS)


def test_equal_addresses_on_two_networks_never_meet(host):
    for segment in (21, 22):
        spec = network(segment)
        host.network.ensure_network(spec)
        host.guest(spec, "10.0.0.11")
        host.guest(spec, "10.0.0.12")
    server, peer = taken_from(WORLD)
    with server:
        for client, neighbour in (host.guests[:2], host.guests[2:]):
            with neighbour.listen(80) as theirs:
                others = [each for each in host.guests if each not in (client, neighbour)]
                assert client.reaches("10.0.0.12", 80)
                assert theirs.accept()[1][0] == "10.0.0.11"
                assert not others[0].connects("10.0.0.12", 80)
        for client in (host.guests[0], host.guests[2]):
            assert client.reaches(WORLD_ADDRESS, 7000)
            assert peer() == HOST_ADDRESS


def test_a_guest_reaches_neither_other_gateways_nor_the_host(host, shop):
    _, _, db = shop
    other = network(9, "10.9.0.0/24")
    host.network.ensure_network(other)
    own, foreign = nat_rules.transit(5), nat_rules.transit(9)
    with socket.create_server(("0.0.0.0", 7001)):
        targets = [own.host, foreign.host, HOST_ADDRESS]
        assert not any(db.connects(target, 7001, seconds=0.3) for target in targets)
        assert not db.pings(foreign.router)
        assert not db.pings(foreign.host)
        assert not db.pings(HOST_ADDRESS)
        assert db.pings(own.host), "a way to see that the first hop works"
        nft.run("delete table ip portico_outside")
        assert all(db.reaches(target, 7001) for target in targets)
        assert db.pings(foreign.router)


def test_the_world_does_not_begin_to_speak_to_a_guest(host, shop):
    _, _, db = shop
    transit = nat_rules.transit(5)
    for route in ("100.64.0.0/10", "10.0.0.0/24"):
        inside(WORLD, lambda route=route: run("ip", "route", "replace", route, "via", HOST_ADDRESS))
    with db.listen(80):
        ping = ("busybox", "ping", "-c", "1", "-W", "1", transit.router)
        assert inside(WORLD, lambda: run(*ping, check=False)).returncode
        assert not connects(WORLD, "10.0.0.12", 80)
        nft.run("delete table ip portico_outside")
        run("ip", "route", "add", "10.0.0.0/24", "via", transit.router)
        assert not connects(WORLD, "10.0.0.12", 80), "the gateway refuses too"
        inside(WORLD, lambda: run(*ping))  # the control: by then the gateway can be reached
        inside(names.router_namespace(db.spec.id), lambda: nft.run("flush ruleset"))
        assert connects(WORLD, "10.0.0.12", 80)
    run("ip", "route", "delete", "10.0.0.0/24")


def test_every_device_has_the_mtu_of_the_network(host):
    spec = network(7, mtu=1400)
    host.network.ensure_network(spec)
    for name in ("pbr7", "pdhcp7", "pgate7", "pout7"):
        assert " mtu 1400 " in run("ip", "link", "show", name).stdout
    for namespace in (names.network_namespace(spec.id), names.router_namespace(spec.id)):
        shown = run("ip", "-n", namespace, "-o", "link").stdout
        assert shown.count(" mtu 1400 ") == shown.count("\n") - 1  # all but lo


def test_the_host_says_nothing_in_a_network_of_guests(host, shop):
    spec, web, db = shop
    for guest in (web, db):  # a tap speaks too; that is the filter's to stop
        Path(f"/proc/sys/net/ipv6/conf/{guest.tap}/disable_ipv6").write_text("1")
    homes = [names.network_namespace(spec.id), names.router_namespace(spec.id)]
    shown = run("ip", "-o", "link").stdout
    shown += "".join(run("ip", "-n", home, "-o", "link").stdout for home in homes)
    ours = re.findall(r": (?:pbr5|pdhcp5|pgate5|dhcp|gateway)[@:].* link/ether (\S+)", shown)
    assert len(ours) == 5
    with web.ear() as ear:
        for name in ("pbr5", "pdhcp5", "pgate5"):
            assert "inet" not in run("ip", "address", "show", name).stdout
            run("ip", "link", "set", name, "down")
            run("ip", "link", "set", name, "up")
        heard = ear.frames(seconds=1.5)  # IPv6 announces itself within a second
    senders = {frame[6:12].hex(":") for frame in heard if frame[12:14] == b"\x86\xdd"}
    assert senders, "the ear hears the other guest"
    assert not senders & set(ours)


def test_a_table_that_is_there_already_changes_nothing(host, shop):
    spec, *_ = shop

    def everything():
        return (
            run("ip", "-o", "link").stdout,
            [namespaces.identity(name) for name in namespaces.names()],
            (dnsmasq.directory(host.config, spec.id) / "pid").read_text(),
            [path.stat().st_mtime_ns for path in host.config.state_directory.glob("*/*.json")],
        )

    before = everything()
    host.network.ensure_network(spec)
    assert everything() == before


def test_a_new_guest_leaves_dnsmasq_running(host, shop):
    spec, web, db = shop
    pid = (dnsmasq.directory(host.config, spec.id) / "pid").read_text()
    late = host.guest(spec, "10.0.0.13", configured=False)
    more = dataclasses.replace(spec, generation=3, leases=(*spec.leases, late.lease("late")))
    host.network.ensure_network(more)
    assert (dnsmasq.directory(host.config, spec.id) / "pid").read_text() == pid
    assert late.ask_dhcp()["ip"] == "10.0.0.13"
    host.network.ensure_network(dataclasses.replace(more, generation=4, leases=(db.lease("db"),)))
    run("ip", "-n", web.namespace, "address", "flush", "dev", "eth0")
    assert web.ask_dhcp(tries=2) == {}, "a guest that is gone no longer gets its address"


def test_a_name_of_a_guest_elsewhere_leaves_the_gateway_alone(host, shop):
    """Seen: all of its rules were made anew, and packets were lost meanwhile."""
    spec, *_ = shop
    router = names.router_namespace(spec.id)

    def rules():  # with handles: a new rule has a new one
        return inside(router, lambda: run("nft", "-a", "list", "ruleset").stdout)

    before = rules()
    far = (NameSpec(hostname="far", address="10.0.0.13"),)
    host.network.ensure_network(dataclasses.replace(spec, generation=3, names=far))
    assert rules() == before


def test_a_segment_that_another_network_still_has_must_wait(host, shop):
    spec, *_ = shop
    with pytest.raises(Busy, match=spec.id):
        host.network.ensure_network(network(5))
    assert host.network.observe_networks() == (held(spec),)


def test_a_network_follows_when_its_subnet_changes(host):
    spec = network(5)
    host.network.ensure_network(spec)
    moved = dataclasses.replace(network(5, "10.7.0.0/24"), id=spec.id, generation=2)
    host.network.ensure_network(moved)
    guest = host.guest(moved, "10.7.0.9")
    assert guest.pings(WORLD_ADDRESS)
    assert host.network.observe_networks() == (held(moved),)


def test_a_file_that_is_no_namespace_does_not_stand_in_the_way(host):
    spec = network(5)
    (namespaces.DIRECTORY / names.network_namespace(spec.id)).touch()
    host.network.ensure_network(spec)
    assert host.network.observe_networks() == (held(spec),)


BAD = {
    "no id": {"id": "../../etc"},
    "a segment beyond the transit range": {"segment_id": 2**21},
    "a tiny MTU": {"mtu": 500},
    "IPv6": {"subnets": (subnet(cidr="fd00::/64"),)},
    "host bits": {"subnets": (subnet(cidr="10.0.0.1/24"),)},
    "a gateway elsewhere": {"subnets": (subnet(gateway="10.0.1.1"),)},
    "a group MAC": {"gateway_mac": "01:00:00:00:00:01"},
    "two with one address": {"subnets": (subnet(dhcp_address="10.0.0.1"),)},
    "no subnet": {"subnets": ()},
    "a domain with a line in it": {"dns_domain": "a\ndhcp-script=/bin/sh"},
}


@pytest.mark.parametrize("why", BAD)
def test_a_table_that_contradicts_itself_is_refused_before_anything_is_made(host, why):
    spec = dataclasses.replace(network(5), **BAD[why])
    with pytest.raises(Permanent):
        NetlinkNetwork(host.config).ensure_network(spec)
    assert strangers.observe(host.config) == ()


def test_a_lease_that_makes_no_sense_is_left_out_and_all_others_are_given(host):
    """Seen: it kept the whole network from being served."""
    spec = network(5)
    host.network.ensure_network(spec)
    guest, other = (
        host.guest(spec, address, configured=False) for address in ("10.0.0.9", "10.0.0.10")
    )
    odd = dataclasses.replace(other.lease("odd"), hostname="a,b")
    known = dataclasses.replace(spec, generation=2, leases=(odd, guest.lease("web")))
    host.network.ensure_network(known)
    assert guest.ask_dhcp()["ip"] == "10.0.0.9"
    [there] = NetlinkNetwork(host.config).observe_network(spec.id)
    assert there.generation == 2
    assert there.unreadable == ("the lease of 'a,b' (10.0.0.10): 'a,b' is no host name",)
