import dataclasses
import fcntl
import os
import socket
import struct
import uuid

import pytest

from tests.workers.filtered_host import FilteredHost, default
from tests.workers.frames import ETH_P_ARP, ETH_P_IP, EVERYBODY, arp, ethernet, udp
from tests.workers.network_host import (
    OUT,
    group,
    opening,
    run,
)
from workers.drivers import names, nft

pytestmark = pytest.mark.real

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h


@pytest.fixture(scope="module")
def machine():
    with FilteredHost() as host:
        yield host


@pytest.fixture
def host(machine):
    yield machine
    machine.forget_guests()


@pytest.fixture
def pair(host):
    return host.pair()


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
    forgotten = host.stranger()
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
        host.apply([port, db.port(2, "in")], group("out", OUT), group("in", opening("udp", 9)))
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
        assert web.reaches(db.address, 80)
        BREAKS[what]()
        assert not web.connects(db.address, 80)
        run("ip", "link", "set", "pbr5", "type", "bridge", "nf_call_iptables", "1")
        host.apply([web.port(1, "default"), db.port(2, "default")], default(web, db))
        assert web.reaches(db.address, 80)


def test_the_host_itself_speaks_to_no_tap(host, pair):
    web, _ = pair
    run("ip", "address", "add", "10.0.0.99/24", "dev", "pbr5")
    try:
        assert not web.pings("10.0.0.99")
        with web.ear() as ear:
            run("busybox", "ping", "-c", "1", "-W", "1", web.address, check=False)
            assert not ear.hears(socket.inet_aton("10.0.0.99"), seconds=0.2)
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
