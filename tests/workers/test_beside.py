"""The way out leads to the outside, not to what stands beside the host."""

import contextlib
import dataclasses
import socket

import pytest

from tests.workers.network_host import (
    METADATA,
    NEIGHBOUR,
    WORLD,
    WORLD_ADDRESS,
    NetworkHost,
    inside,
    network,
    run,
)
from workers.drivers.network.netlink import NetlinkNetwork
from workers.drivers.router import beside

PORT = 7000


@pytest.fixture
def host():
    with NetworkHost() as host:
        yield host
        host.clear()
        NetlinkNetwork(host.config)  # with the range of all others


@pytest.fixture
def guest(host):
    """On a network that the host serves, while the world listens at all its addresses."""
    host.lan = network(5)
    host.network.ensure_network(host.lan)
    guest = host.guest(host.lan, "10.0.0.11")
    with inside(WORLD, lambda: socket.create_server(("0.0.0.0", PORT))):
        assert guest.reaches(WORLD_ADDRESS, PORT)
        yield guest


def settle(host, **settings) -> None:
    """The host has these settings, and has noticed."""
    host.network = NetlinkNetwork(dataclasses.replace(host.config, **settings))
    host.network.follow()


@pytest.mark.real
@pytest.mark.parametrize("address", [NEIGHBOUR, METADATA])
def test_guests_reach_nothing_beside_the_host_unless_an_administrator_says_so(host, guest, address):
    """Seen: guests reached the host's own network and its cloud's metadata, as the host."""
    assert not guest.connects(address, PORT)
    settle(host, outside_allowed=(f"{address}/32",))
    assert guest.reaches(address, PORT), "the control"
    settle(host)
    assert not guest.connects(address, PORT)


@pytest.mark.real
def test_names_are_still_resolved_by_a_resolver_beside_the_host(host, guest):
    for server in (host.lan.subnets[0].dhcp_address, NEIGHBOUR):
        said = guest.run("busybox", "nslookup", "world.example", server, check=False).stdout
        assert "198.51.100.7" in said
    assert not guest.pings(NEIGHBOUR), "for nothing else"


@pytest.mark.real
def test_a_network_that_the_host_joins_is_closed_as_soon_as_it_looks(host, guest):
    def join() -> None:
        run("ip", "address", "add", "192.0.2.1/24", "dev", "eth0")

    inside(WORLD, join)
    assert guest.reaches("192.0.2.1", PORT)
    run("ip", "address", "add", "192.0.2.2/24", "dev", "eth0")
    host.network.follow()
    assert not guest.connects("192.0.2.1", PORT)
    run("ip", "address", "del", "192.0.2.2/24", "dev", "eth0")
    host.network.follow()
    assert guest.reaches("192.0.2.1", PORT)


@pytest.mark.real
def test_an_administrator_may_refuse_more(host, guest):
    settle(host, outside_refused=("198.51.100.0/25",))
    assert not guest.connects(WORLD_ADDRESS, PORT)
    settle(host, outside_refused=("198.51.100.0/25",), outside_allowed=(f"{WORLD_ADDRESS}/32",))
    assert guest.reaches(WORLD_ADDRESS, PORT)


@pytest.mark.real
def test_what_counts_as_beside_is_no_default_route_and_none_of_guests(host, guest):
    with contextlib.ExitStack() as undo:
        for route in ("0.0.0.0/1", "10.99.0.0/16"):
            run("ip", "route", "add", route, "via", NEIGHBOUR)
            undo.callback(run, "ip", "route", "del", route)
        assert beside.subnets() == ("10.99.0.0/16", "203.0.113.0/24")


@pytest.mark.real
def test_a_host_that_uses_the_range_of_its_links_itself_says_so_and_can_have_another(host, guest):
    """Seen: Tailscale uses it too, and drops what comes from it by any other device."""
    assert host.network.observe_obstacles() == ()
    run("ip", "route", "add", "100.100.100.100/32", "dev", "eth0")
    ((what, advice),) = host.network.observe_obstacles()
    assert "100.100.100.100/32" in what
    assert "transit_range" in advice
    host.network = NetlinkNetwork(dataclasses.replace(host.config, transit_range="10.255.0.0/16"))
    host.network.ensure_network(host.lan)
    assert host.network.observe_obstacles() == ()
    assert run("ip", "address", "show", "pout5").stdout.count("10.255.0.10/31") == 1
    assert guest.reaches(WORLD_ADDRESS, PORT)


def test_networks_that_overlap_are_named_once():
    assert beside.collapsed(("10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/25", "192.0.2.128/25")) == (
        "10.0.0.0/8",
        "192.0.2.0/24",
    )
