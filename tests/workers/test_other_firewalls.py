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


BY_HAND = """
table inet by_hand {
    chain forward { type filter hook forward priority filter; policy accept; counter drop; }
}
"""
LIKE_FIREWALLD = """
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state established,related accept
        jump filter_FORWARD_POLICIES
    }
    chain filter_FORWARD_POLICIES {
        reject with icmpx type admin-prohibited
    }
}
"""
LIKE_TAILSCALE = """
table ip tailscale {
    chain forward {
        type filter hook forward priority filter; policy accept;
        iifname != "tailscale0" ip saddr 100.64.0.0/10 drop
    }
}
"""
BEFORE_ROUTING = """
table ip early {
    chain raw { type filter hook prerouting priority -290; policy accept; iifname "pout*" drop; }
}
"""


@pytest.mark.parametrize(
    ("rules", "chain"),
    [
        (BY_HAND, "the chain forward of the table inet by_hand"),
        (LIKE_FIREWALLD, "the chain filter_FORWARD_POLICIES of the table inet firewalld"),
        (LIKE_TAILSCALE, "the chain forward of the table ip tailscale"),
        (BEFORE_ROUTING, "the chain raw of the table ip early"),
    ],
    ids=["a rule", "the last rule of a chain", "by source", "before routing"],
)
def test_whatever_the_shape_of_a_firewall_its_chain_is_named(host, rules, chain):
    """Seen: only policies were looked at, and guests without a way out were told nothing."""
    lan = network(5)
    host.network.ensure_network(lan)
    web = host.guest(lan, "10.0.0.11")
    assert web.pings(WORLD_ADDRESS)
    nft.run(rules)
    assert not web.pings(WORLD_ADDRESS)
    found = host.network.observe_obstacles()
    assert {what.partition(" drops what guests send")[0] for what, _ in found} == {chain}
    for mend in {mend for _, mend in found}:
        run(*shlex.split(mend))
    assert host.network.observe_obstacles() == ()
    assert web.pings(WORLD_ADDRESS)
    assert "portico_probe" not in nft.run("list tables")


def test_what_keeps_guests_from_the_hosts_resolver_is_named(host):
    (host.directory / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    lan = network(5)
    host.network.ensure_network(lan)
    assert host.network.observe_obstacles() == ()
    nft.run(
        "table inet firewalld { chain filter_INPUT {\ntype filter hook input priority 10; "
        'policy accept; iifname "pout*" reject\n}; }'
    )
    ((what, mend),) = host.network.observe_obstacles()
    assert what.startswith("the chain filter_INPUT of the table inet firewalld drops what guests")
    run(*shlex.split(mend))
    assert host.network.observe_obstacles() == ()


LEGACY = {  # rules of iptables-legacy, which nftables does not show
    "a policy": (("--policy", "FORWARD", "DROP"),),
    "a rule": (("--append", "FORWARD", "--in-interface", "pout+", "--jump", "DROP"),),
    "a chain of its own": (
        ("--new-chain", "by-hand"),
        ("--append", "by-hand", "--jump", "REJECT"),
        ("--append", "FORWARD", "--jump", "by-hand"),
    ),
}


@pytest.mark.parametrize("rules", LEGACY)
def test_what_iptables_legacy_drops_is_named_and_mended_as_it_says(host, rules):
    """Seen: nftables shows nothing of it, so guests without a way out were told nothing."""
    lan = network(5)
    host.network.ensure_network(lan)
    web, db = host.guest(lan, "10.0.0.11"), host.guest(lan, "10.0.0.12")
    run("iptables-legacy", "--append", "FORWARD", "--source", "192.0.2.77", "--jump", "DROP")
    assert web.pings(WORLD_ADDRESS)
    assert host.network.observe_obstacles() == (), "it is in nobody's way"
    for words in LEGACY[rules]:
        run("iptables-legacy", *words)
    assert not web.pings(WORLD_ADDRESS)
    found = host.network.observe_obstacles()
    assert found
    for what, _ in found:
        assert what.startswith("the chain FORWARD of iptables-legacy drops what guests send")
    for command in found[0][1].split(" && "):
        run(*shlex.split(command))
    assert host.network.observe_obstacles() == ()
    assert web.pings(WORLD_ADDRESS)
    assert web.pings(db.address)


def test_forwarding_that_somebody_turned_off_is_named_until_it_is_on_again(host):
    lan = network(5)
    host.network.ensure_network(lan)
    web = host.guest(lan, "10.0.0.11")
    run("sysctl", "-w", "net.ipv4.ip_forward=0")
    assert not web.pings(WORLD_ADDRESS)
    found = dict(host.network.observe_obstacles())
    mend = found["the kernel passes on nothing that guests send: forwarding is off"]
    run(*shlex.split(mend))
    assert host.network.observe_obstacles() == ()
    assert web.pings(WORLD_ADDRESS)
