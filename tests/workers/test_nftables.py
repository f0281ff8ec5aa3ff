import dataclasses
import fcntl
import itertools
import os
import socket
import struct
import subprocess
import time
import uuid

import pytest

from tests.workers.network_host import (
    ETH_P_ARP,
    ETH_P_IP,
    OUT,
    NetworkHost,
    arp,
    ethernet,
    firewall,
    group,
    network,
    opening,
    run,
    udp,
)
from workers.drivers import firewall_rules, names, nft
from workers.drivers.nftables import NftFirewall
from workers.errors import Permanent
from workers.specs import Held

pytestmark = pytest.mark.real

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h
EVERYBODY = "ff:ff:ff:ff:ff:ff"


@pytest.fixture(scope="module")
def machine():
    with NetworkHost() as host:
        host.firewall.ensure_base()
        host.spec = network(5)
        host.network.ensure_network(host.spec)
        yield host


generations = itertools.count(1)


@pytest.fixture
def host(machine):
    machine.firewall.ensure_firewall(firewall(next(generations), []))
    yield machine
    for guest in machine.guests:
        guest.end()
    machine.guests.clear()


@pytest.fixture
def pair(host):
    """Two guests of one group, `default`: everything out, in only from each other."""
    web, db = host.guest(host.spec, "10.0.0.11"), host.guest(host.spec, "10.0.0.12")
    apply(host, [web.port(1, "default"), db.port(2, "default")], default(web, db))
    return web, db


def default(*members):
    return group(
        "default",
        OUT,
        opening("", remote_group="default"),
        members=[each.address for each in members],
    )


def apply(host, ports, *groups):
    spec = firewall(next(generations), ports, *groups)
    host.firewall.ensure_firewall(spec)
    assert host.firewall.observe_firewall() == (
        Held(kind="firewall", id=spec.id, generation=spec.generation),
    )
    return spec


def stranger(host, address="10.0.0.13"):
    """A guest that may send, and is in nobody's group."""
    return host.guest(host.spec, address)


def test_members_of_a_group_reach_each_other_and_others_do_not_reach_them(host, pair):
    web, db = pair
    other = stranger(host)
    apply(
        host,
        [web.port(1, "default"), db.port(2, "default"), other.port(3, "out")],
        default(web, db),
        group("out", OUT),
    )
    with db.listen(80), other.listen(80):
        assert web.connects(db.address, 80)
        assert web.pings(db.address)
        assert not other.connects(db.address, 80)
        assert not other.pings(db.address)
        assert not web.connects(other.address, 80), "nothing comes in that no rule names"
        with host.without_filter():
            assert other.connects(db.address, 80)
            assert web.connects(other.address, 80)


def test_a_group_opens_one_port_and_answers_find_their_way(host, pair):
    web, _ = pair
    other = stranger(host)
    apply(
        host,
        [web.port(1, "ssh"), other.port(3, "out")],
        group("ssh", opening("tcp", 22)),
        group("out", OUT),
    )
    with web.listen(22), web.listen(80):
        assert other.connects(web.address, 22)
        assert not other.connects(web.address, 80)
        assert not web.connects("10.0.0.1", 80, seconds=0.3)
        assert not web.pings("10.0.0.1"), "it may answer, not begin"


def test_what_goes_out_is_what_the_rules_name(host, pair):
    web, db = pair
    only = dataclasses.replace(
        OUT, protocol="tcp", port_min=80, port_max=81, remote_cidr="10.0.0.12/32"
    )
    apply(
        host,
        [web.port(1, "narrow"), db.port(2, "open")],
        group("narrow", only),
        group("open", OUT, opening("")),
    )
    with db.listen(81), db.listen(82):
        assert web.connects(db.address, 81)
        assert not web.connects(db.address, 82)
        assert not web.pings(db.address)


def test_a_guest_has_its_address_and_its_way_out_whatever_its_groups(host):
    guest = host.guest(host.spec, "10.0.0.21", configured=False)
    known = dataclasses.replace(
        host.spec, generation=next(generations), leases=(guest.lease("quiet"),)
    )
    host.network.ensure_network(known)
    apply(host, [guest.port(4)])
    assert guest.ask_dhcp()["ip"] == "10.0.0.21"
    assert not guest.pings("10.0.0.1"), "a port in no group lets nothing through"
    apply(host, [guest.port(4, "default")], default(guest))
    assert guest.pings("203.0.113.1")


ATTACKS = {
    "another's address": lambda web, db: ethernet(
        web.mac, db.mac, ETH_P_IP, udp("10.0.0.99", db.address, 9, 9, b"attack!")
    ),
    "another's MAC": lambda web, db: ethernet(
        "fa:16:3e:99:99:99", db.mac, ETH_P_IP, udp(web.address, db.address, 9, 9, b"attack!")
    ),
    "the neighbour's ARP": lambda web, db: ethernet(
        web.mac, EVERYBODY, ETH_P_ARP, arp(web.mac, "10.0.0.1", "10.0.0.1") + b"attack!"
    ),
    "ARP with another's MAC inside": lambda web, db: ethernet(
        web.mac,
        EVERYBODY,
        ETH_P_ARP,
        arp("fa:16:3e:99:99:99", web.address, db.address) + b"attack!",
    ),
    "ARP of nobody as a reply": lambda web, db: ethernet(
        web.mac, EVERYBODY, ETH_P_ARP, arp(web.mac, "0.0.0.0", db.address) + b"attack!"
    ),
    "a DHCP server": lambda web, db: ethernet(
        web.mac, db.mac, ETH_P_IP, udp(web.address, db.address, 67, 68, b"attack!")
    ),
    "an IPv6 router": lambda web, db: ethernet(
        web.mac,
        "33:33:00:00:00:01",
        0x86DD,
        b"\x60" + bytes(5) + b"\x3a\xff" + bytes(32) + b"attack!",
    ),
    "a VLAN tag": lambda web, db: ethernet(
        web.mac,
        db.mac,
        0x8100,
        b"\0\1\x08\0" + udp(web.address, db.address, 9, 9, b"attack!"),
    ),
    "a protocol of its own": lambda web, db: ethernet(web.mac, db.mac, 0x88B5, b"attack!" * 9),
}


@pytest.mark.parametrize("what", ATTACKS)
def test_a_guest_cannot_pretend(host, pair, what):
    web, db = pair
    frame = ATTACKS[what](web, db)
    with db.ear() as ear:
        web.send_frame(frame)
        assert not ear.hears(b"attack!", seconds=0.3)
        with host.without_filter():
            web.send_frame(frame)
            assert ear.hears(b"attack!"), "the control: the same frame, and no filter"


def test_a_guest_may_say_what_is_true(host, pair):
    web, db = pair
    with db.ear() as ear:
        honest = ethernet(web.mac, EVERYBODY, ETH_P_ARP, arp(web.mac, web.address, web.address))
        web.send_frame(honest + b"honest!")
        assert ear.hears(b"honest!")
        probe = arp(web.mac, "0.0.0.0", web.address, operation=1)  # RFC 5227
        web.send_frame(ethernet(web.mac, EVERYBODY, ETH_P_ARP, probe + b"probing"))
        assert ear.hears(b"probing")


def test_a_tap_in_no_table_neither_speaks_nor_hears(host, pair):
    web, db = pair
    forgotten = stranger(host)
    frame = ethernet(
        forgotten.mac, db.mac, ETH_P_IP, udp(forgotten.address, db.address, 9, 9, b"attack!")
    )
    with db.ear() as ear, forgotten.ear() as deaf:
        forgotten.send_frame(frame)
        web.send_frame(
            ethernet(
                web.mac, EVERYBODY, ETH_P_ARP, arp(web.mac, web.address, "10.0.0.13", operation=1)
            )
        )
        assert not ear.hears(b"attack!", seconds=0.3)
        assert not deaf.hears(b"", seconds=0.3)
        with host.without_filter():
            forgotten.send_frame(frame)
            assert ear.hears(b"attack!")


def test_a_real_tap_is_filtered_like_the_pairs_of_these_tests(host, pair):
    web, db = pair
    tap = os.open("/dev/net/tun", os.O_RDWR)
    try:
        port = dataclasses.replace(
            web.port(9, "out"),
            id=str(uuid.uuid4()),
            mac="fa:16:3e:aa:00:01",
            addresses=("10.0.0.9",),
        )
        name = names.tap(port.id)
        request = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI)
        fcntl.ioctl(tap, TUNSETIFF, request)
        run("ip", "link", "set", name, "master", "pbr5", "up")
        apply(host, [port, db.port(2, "in")], group("out", OUT), group("in", opening("udp", 9)))
        with db.ear() as ear:
            for source, heard in (("10.0.0.9", True), ("10.0.0.8", False)):
                packet = udp(source, db.address, 9, 9, f"from {source}".encode())
                frame = ethernet(port.mac, db.mac, ETH_P_IP, packet)

                def arrives(frame=frame, source=source):
                    os.write(tap, frame)
                    return ear.hears(f"from {source}".encode(), seconds=0.3)

                assert arrives() == heard
                with host.without_filter():
                    assert arrives()
    finally:
        os.close(tap)


BREAKS = {
    "no table was ever applied": lambda: nft.run(
        "delete table bridge portico; delete table inet portico"
    ),
    "the connection tracking half is gone": lambda: nft.run("delete table inet portico"),
    "the anti-spoofing half is gone": lambda: nft.run("delete table bridge portico"),
    "the bridge does not call the filter": lambda: run(
        "ip", "link", "set", "pbr5", "type", "bridge", "nf_call_iptables", "0"
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_is_broken_lets_nothing_pass(host, pair, what):
    web, db = pair
    with db.listen(80):
        assert web.connects(db.address, 80)
        BREAKS[what]()
        assert not web.connects(db.address, 80)
        run("ip", "link", "set", "pbr5", "type", "bridge", "nf_call_iptables", "1")
        apply(host, [web.port(1, "default"), db.port(2, "default")], default(web, db))
        assert web.connects(db.address, 80)


def test_the_host_itself_speaks_to_no_tap(host, pair):
    web, _ = pair
    run("ip", "address", "add", "10.0.0.99/24", "dev", "pbr5")
    try:
        assert not web.pings("10.0.0.99")
        with web.ear() as ear:
            run("busybox", "ping", "-c", "1", "-W", "1", web.address, check=False)
            assert not ear.hears(b"", seconds=0.2)
        with host.without_filter():
            web.run("ip", "neighbour", "flush", "dev", "eth0")  # it would wait before asking again
            run("ip", "neighbour", "flush", "dev", "pbr5")
            assert web.pings("10.0.0.99")
    finally:
        run("ip", "address", "flush", "dev", "pbr5")


def test_the_host_announces_no_ipv6_to_a_guest(host, pair):
    web, _ = pair
    announced = b"\x33\x33"  # to an IPv6 group, RFC 2464

    def flap():
        run("ip", "link", "set", web.tap, "down")
        run("ip", "link", "set", web.tap, "up")

    with web.ear() as ear:
        with host.without_filter():
            flap()
            assert ear.hears(announced, seconds=3), "what a tap says by itself"
        flap()
        assert not ear.hears(announced, seconds=2)


def test_ending_a_rule_ends_its_connections_and_no_other(host, pair):
    web, db = pair
    other = stranger(host)

    def table(*rules):
        apply(
            host,
            [web.port(1, "service"), other.port(3, "out"), db.port(2, "out")],
            group("service", *rules),
            group("out", OUT),
        )

    table(opening("tcp", 22), opening("tcp", 80))
    kept, cut = (Conversation(other, web, port) for port in (22, 80))
    assert kept.goes_on()
    assert cut.goes_on()
    table(opening("tcp", 22))
    assert kept.goes_on()
    assert not cut.goes_on()
    table(opening("tcp", 22), opening("tcp", 443))
    assert kept.goes_on()


def test_a_connection_ends_with_the_membership_that_allowed_it(host, pair):
    web, db = pair
    talk = Conversation(web, db, 80)
    assert talk.goes_on()
    apply(host, [web.port(1, "default"), db.port(2, "default")], default(db))
    assert not talk.goes_on()


def test_a_kill_between_table_and_connections_is_made_good(host, pair, monkeypatch):
    web, db = pair
    talk = Conversation(web, db, 80)
    assert talk.goes_on()
    narrow = firewall(
        next(generations), [web.port(1, "default"), db.port(2, "default")], default(db)
    )
    monkeypatch.setattr(
        NftFirewall, "_forget_refused", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        host.firewall.ensure_firewall(narrow)
    assert host.firewall.observe_firewall() == ()
    monkeypatch.undo()
    host.firewall.ensure_firewall(narrow)
    assert not talk.goes_on()


class Conversation:
    """A TCP connection from one guest to another."""

    def __init__(self, client, server, port):
        with server.listen(port) as waiting:
            self._near = client.open(
                lambda: socket.create_connection((server.address, port), timeout=1)
            )
            self._far, _ = waiting.accept()
        self._near.settimeout(0.7)
        self._far.settimeout(0.7)

    def goes_on(self) -> bool:
        try:
            self._near.sendall(b"?")
            heard = self._far.recv(1) == b"?"
            self._far.sendall(b"!")
            return heard and self._near.recv(1) == b"!"
        except OSError:
            return False


def test_no_packet_is_lost_while_tables_are_replaced(host, pair):
    web, db = pair
    words = ["busybox", "ping", "-i", "0.005", "-c", "400", "-W", "1", "-q", db.address]
    started = ["ip", "netns", "exec", web.namespace, *words]
    stream = subprocess.Popen(started, stdout=subprocess.PIPE, text=True)
    replaced = 0
    while stream.poll() is None:
        replaced += 1
        extra = [opening("tcp", port) for port in range(replaced % 7)]
        apply(
            host,
            [web.port(1, "default"), db.port(2, "default")],
            dataclasses.replace(default(web, db), rules=(*default(web, db).rules, *extra)),
        )
        time.sleep(0.05)
    said = stream.communicate()[0]
    assert replaced > 10
    assert "400 packets transmitted, 400 packets received" in said, said


def test_fragments_pass_where_their_whole_does(host, pair):
    web, db = pair
    assert (
        web.run(
            "busybox", "ping", "-c", "2", "-s", "4000", "-W", "1", db.address, check=False
        ).returncode
        == 0
    )
    apply(host, [web.port(1, "out"), db.port(2, "out")], group("out", OUT))
    assert web.run(
        "busybox", "ping", "-c", "1", "-s", "4000", "-W", "1", db.address, check=False
    ).returncode


def test_the_same_table_again_changes_nothing(host, pair):
    web, db = pair
    spec = apply(host, [web.port(1, "default"), db.port(2, "default")], default(web, db))
    before = run("nft", "-a", "list", "ruleset").stdout  # with handles: a new rule has a new one
    host.firewall.ensure_firewall(spec)
    assert run("nft", "-a", "list", "ruleset").stdout == before
    newer = dataclasses.replace(spec, generation=next(generations))
    host.firewall.ensure_firewall(newer)
    assert run("nft", "-a", "list", "ruleset").stdout == before
    assert host.firewall.observe_firewall()[0].generation == newer.generation


TAMPERING = {
    "a rule was deleted": "flush chain bridge portico ipv4_from_guests",
    "a rule was added": "insert rule inet portico to_guests accept",
    "an element was deleted": "flush set inet portico members_default",
    "an element was added": "add element inet portico members_default { 10.0.0.99 }",
    "half of it is gone": "delete table inet portico",
    "the guard is gone": "delete table bridge portico_guard",
}


@pytest.mark.parametrize("how", TAMPERING)
def test_a_table_that_somebody_changed_is_not_held_until_it_is_repaired(host, pair, how):
    web, db = pair
    spec = apply(host, [web.port(1, "default"), db.port(2, "default")], default(web, db))
    before = nft.settled(nft.run("list ruleset"))
    nft.run(TAMPERING[how])
    assert host.firewall.observe_firewall() == ()
    host.firewall.ensure_firewall(spec)
    assert len(host.firewall.observe_firewall()) == 1
    assert sorted(nft.settled(nft.run("list ruleset"))) == sorted(before)


def test_a_refused_table_leaves_the_old_one(host, pair):
    web, db = pair
    spec = apply(host, [web.port(1, "default"), db.port(2, "default")], default(web, db))
    bad = dataclasses.replace(spec, generation=next(generations), ports=(web.port(0, "default"),))
    with pytest.raises(Permanent):
        host.firewall.ensure_firewall(bad)
    with db.listen(80):
        assert web.connects(db.address, 80)
    assert host.firewall.observe_firewall()[0].generation == spec.generation


def test_a_restarted_worker_sees_what_is_held(host, pair):
    assert NftFirewall(host.config).observe_firewall() == host.firewall.observe_firewall() != ()


def test_connections_on_two_networks_are_kept_apart(host, pair):
    web, db = pair
    twin = network(6)
    host.network.ensure_network(twin)
    web2, db2 = host.guest(twin, web.address), host.guest(twin, db.address)
    ports = [
        web.port(1, "default"),
        db.port(2, "default"),
        web2.port(3, "default"),
        db2.port(4, "default"),
    ]
    apply(host, ports, default(web, db))
    for client, server in ((web, db), (web2, db2)):
        with server.listen(80) as waiting:
            near = client.open(lambda: socket.socket())
            near.bind(("", 5555))  # both conversations have the same four numbers
            near.settimeout(1)
            near.connect((server.address, 80))
            waiting.accept()
    listed = run("conntrack", "-L", "-p", "tcp", "--sport", "5555").stdout
    assert {f"zone={zone}" for zone in firewall_rules.zones_of([5, 6]).values()} == {
        word for word in listed.split() if word.startswith("zone=")
    }
    host.network.remove_network(twin.id)


def test_a_large_table_is_applied_and_compared(host):
    template = host.guest(host.spec, "10.0.0.11").port(1)
    ports = [
        dataclasses.replace(
            template,
            id=f"{number:08x}-{number:04x}-4000-8000-000000000000",
            number=number,
            mac=f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}",
            addresses=(f"10.1.{number >> 8}.{number & 255}",),
            groups=("default",),
        )
        for number in range(1, 1001)
    ]
    members = tuple(port.addresses[0] for port in ports)
    apply(host, ports, dataclasses.replace(default(), members=members))
