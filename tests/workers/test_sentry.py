"""Somebody reloads the host's firewall, or turns forwarding off: it is closed, mended, and said."""

import dataclasses
import socket

import pytest

from tests.workers.filtered_host import FilteredHost
from tests.workers.network_host import OUT, WORLD_ADDRESS, group, opening, run
from workers import host as whole_host
from workers.drivers import mending, nft
from workers.drivers.filter import sentry
from workers.drivers.filter.nftables import NftFirewall

pytestmark = pytest.mark.real
MENDED_SECONDS = 5  # a minute is promised


@pytest.fixture
def host():
    with FilteredHost() as host:
        yield host


@pytest.fixture
def guests(host):
    """Two of one group, and one that it does not let in."""
    web, db = host.guest(host.spec, "10.0.0.11"), host.guest(host.spec, "10.0.0.12")
    other = host.guest(host.spec, "10.0.0.13")
    inward = opening("", remote_group="default")
    host.apply(
        [web.port(1, "default"), db.port(2, "default"), other.port(3, "out")],
        group("default", OUT, inward, members=[web.member(), db.member()]),
        group("out", OUT),
    )
    return web, db, other


@pytest.fixture
def watched(host):
    """Grows each time that something was put back, once it was called."""
    told, sentries = [], []

    def watch() -> list[bool]:
        mend = lambda: whole_host.mend(host.config) and told.append(True)  # noqa: E731
        sentries.append(sentry.Sentry(mend))
        return told

    yield watch
    for each in sentries:
        each.stop()


def test_a_flushed_ruleset_is_back_at_once_and_said_once(host, guests, watched):
    """Seen: guests had no filter until the portal looked, half a minute later."""
    web, db, other = guests
    server = web.listen(22)
    stream = db.open(lambda: socket.create_connection((web.address, 22), timeout=5))
    taken, _ = server.accept()
    assert not other.connects(web.address, 22)
    with host.without_filter():
        assert other.reaches(web.address, 22), "the control: without a watch it is open"
    server.accept()[0].close()
    told = watched()
    nft.run("flush ruleset")
    host.until(host.firewall.observe_firewall, seconds=1)
    assert not other.connects(web.address, 22)
    assert db.reaches(web.address, 22)
    stream.sendall(b"on and on")
    assert taken.recv(64) == b"on and on", "what was allowed goes on"
    host.until(lambda: web.pings(WORLD_ADDRESS), seconds=MENDED_SECONDS)
    host.until(lambda: told)
    assert told == [True]
    ((what, _),) = host.network.observe_obstacles()
    assert what.startswith("somebody took away")


@pytest.mark.parametrize("what", ["bridge portico_guard", "inet portico", "ip portico_outside"])
def test_each_table_comes_back(host, guests, watched, what):
    watched()
    nft.run(f"delete table {what}")
    host.until(lambda: f"table {what}\n" in nft.run("list tables"), seconds=MENDED_SECONDS)
    host.until(host.firewall.observe_firewall, seconds=MENDED_SECONDS)


def test_forwarding_that_was_turned_off_is_turned_on_again(host, guests):
    web, *_ = guests
    run("sysctl", "-q", "net.ipv4.ip_forward=0")
    assert not web.pings(WORLD_ADDRESS)
    assert host.network.observe_networks() == (), "it is known to be damaged"
    host.network.follow()  # the agent does so every five seconds
    assert web.pings(WORLD_ADDRESS)
    ((what, _),) = mending.told(host.config)
    assert "the way out of networks" in what


def test_a_host_whose_settings_or_version_are_new_filters_by_them_without_being_told(host, guests):
    fewer = NftFirewall(dataclasses.replace(host.config, connections_per_port=77))
    before = host.firewall.observe_firewall()
    assert not fewer.restore(), "nobody took anything away"
    assert "ct count over 77" in nft.run("list table inet portico")
    assert host.firewall.observe_firewall() == before


def test_what_we_change_ourselves_is_no_damage(host, guests, watched):
    told = watched()
    web, _, other = guests
    host.apply([each.port(n, "out") for n, each in enumerate(guests, 1)], group("out", OUT))
    host.until(host.firewall.observe_firewall)
    assert not other.connects(web.address, 22)
    assert told == []
    assert mending.told(host.config) == ()
