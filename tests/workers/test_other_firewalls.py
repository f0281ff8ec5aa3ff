"""A firewall of others that drops what guests send is named, with the command that mends it."""

import shlex

import pytest

from tests.workers.network_host import WORLD_ADDRESS, NetworkHost, network, run
from workers.drivers import nft

pytestmark = pytest.mark.real


@pytest.fixture
def host():
    with NetworkHost() as host:
        yield host
        host.clear()


def drop_by_iptables() -> None:
    """What Docker does when it starts."""
    run("iptables", "--policy", "FORWARD", "DROP")


def drop_by_nftables() -> None:
    nft.run(
        "table inet firewall { chain forward {\n"
        "type filter hook forward priority 10; policy drop; tcp dport 22 accept\n}; }"
    )


@pytest.mark.parametrize(
    ("drop", "chain"),
    [
        (drop_by_iptables, "the chain FORWARD of the table ip filter"),
        (drop_by_nftables, "the chain forward of the table inet firewall"),
    ],
)
def test_what_drops_the_packets_of_guests_is_named_and_mended_as_it_says(host, drop, chain):
    lan = network(5)
    host.network.ensure_network(lan)
    web, db = host.guest(lan, "10.0.0.11"), host.guest(lan, "10.0.0.12")
    assert web.pings(WORLD_ADDRESS)
    assert web.pings(db.address)
    assert host.network.observe_obstacles() == ()
    drop()
    assert not web.pings(WORLD_ADDRESS)
    assert not web.pings(db.address)
    ((what, mend),) = host.network.observe_obstacles()
    assert what.startswith(f"{chain} drops what guests send")
    run(*shlex.split(mend))
    assert host.network.observe_obstacles() == ()
    assert web.pings(WORLD_ADDRESS)
    assert web.pings(db.address)


def test_rules_of_iptables_mend_it_too(host):
    drop_by_iptables()
    for words in (("-i", "pout+"), ("-o", "pout+"), ("-i", "pbr+")):
        assert len(host.network.observe_obstacles()) == 1
        run("iptables", "--insert", "FORWARD", *words, "-j", "ACCEPT")
    assert host.network.observe_obstacles() == ()


def test_the_filter_of_the_cloud_is_in_nobodys_way(host):
    host.network.ensure_network(network(5))
    host.firewall.ensure_base()
    nft.run("table ip filter { chain FORWARD { type filter hook forward priority 0; }; }")
    assert host.network.observe_obstacles() == ()
