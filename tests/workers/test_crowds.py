"""No guest, and no project, fills the table of connections of a host for all others."""

import dataclasses
import socket

import pytest

from tests.workers.filtered_host import FilteredHost, default
from tests.workers.network_host import WORLD_ADDRESS
from workers.drivers.filter.nftables import NftFirewall

pytestmark = pytest.mark.real
PORT, PROJECT = 20, 30


@pytest.fixture
def host():
    with FilteredHost() as host:
        host.config = dataclasses.replace(
            host.config, connections_per_port=PORT, connections_per_project=PROJECT
        )
        host.firewall = NftFirewall(host.config)
        yield host


def begun(guest, count: int, *, first: int = 10_000) -> int:
    """How many of so many connections to the world the guest may begin: one packet each."""
    heard = 0
    with guest.host.world_ear() as ear:
        for port in range(first, first + count):
            sender = guest.open(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sender.sendto(f"call {port}.".encode(), (WORLD_ADDRESS, port))
        frames = b"".join(ear.frames(seconds=0.6))
    for port in range(first, first + count):
        heard += f"call {port}.".encode() in frames
    return heard


def table(host, *guests):
    """All in one project but the last."""
    ports = [
        dataclasses.replace(each.port(number, "default"), project="shop")
        for number, each in enumerate(guests, start=1)
    ]
    ports[-1] = dataclasses.replace(ports[-1], project="other")
    host.apply(ports, default(*guests))


def test_a_port_and_a_project_have_so_many_connections_and_no_more(host):
    web, db = host.guest(host.spec, "10.0.0.11"), host.guest(host.spec, "10.0.0.12")
    other = host.guest(host.spec, "10.0.0.13")
    table(host, web, db, other)
    assert begun(web, PORT - 5) == PORT - 5
    assert host.firewall.observe_crowds() == ()
    assert begun(web, 20, first=11_000) == 5
    ((what, advice),) = host.firewall.observe_crowds()
    assert what.startswith(f"the guest with 10.0.0.11 (port {web.port_id}) had all the {PORT}")
    assert advice.endswith("connections_per_port")
    assert begun(db, PORT) == PROJECT - PORT
    assert any("of project shop" in what for what, _ in host.firewall.observe_crowds())
    assert begun(other, PORT) == PORT, "nobody else has fewer for it"


def test_a_new_table_does_not_begin_to_count_anew(host):
    web, db = host.guest(host.spec, "10.0.0.11"), host.guest(host.spec, "10.0.0.12")
    table(host, web, db)
    assert begun(web, 3 * PORT) == PORT
    table(host, web, db, host.guest(host.spec, "10.0.0.13"))
    assert host.firewall.observe_firewall(), "what packets put into its sets is no change of it"
    assert begun(web, PORT, first=12_000) == 0
    assert host.firewall.observe_crowds(), "it is still known"


def test_what_has_ended_counts_no_more(host):
    web, _db = host.pair()
    assert begun(web, 3 * PORT) == PORT
    host.forget_connections()
    assert begun(web, PORT, first=12_000) == PORT
