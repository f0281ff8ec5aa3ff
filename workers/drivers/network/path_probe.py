"""The path of a guest's packet through a host, asked of the kernel and not of a list of shapes.

A packet like a guest's is sent on its way with nftables' trace on (nft(8), "nftrace"), and the
kernel says of each chain what became of it. At the end of the path a chain of our own drops it, so
that nothing leaves the host. One that never comes there, though no chain drops it, is lost: to
iptables-legacy, which is no chain of nftables, or for want of a route.
"""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from workers.drivers import names, nft
from workers.drivers.network import namespaces, resolvers
from workers.drivers.router import nat_rules
from workers.specs import NetworkSpec

NOWHERE = "192.0.2.1"  # TEST-NET-1, RFC 5737
PORT = 9  # discard, RFC 863
DNS = 53
TABLE = "inet portico_probe"
SECONDS = 0.5  # for all that the kernel says of one packet
LOST = ("", "")  # no table and no chain
FAMILIES = {1: "inet", 2: "ip", 7: "bridge"}  # NFPROTO_*, linux/netfilter.h
NETLINK_NETFILTER, NFNLGRP_NFTRACE, NFT_MSG_TRACE = 12, 9, 0x0A11
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
IS_TABLE, IS_CHAIN, IS_VERDICT, IS_POLICY = 1, 2, 5, 15  # NFTA_TRACE_*, nf_tables.h
CODE, DROP = 1, 0  # NFTA_VERDICT_CODE, NF_DROP


@dataclass(frozen=True)
class Path:
    """A way that packets of guests take."""

    what: str
    namespace: str  # where one is sent from
    device: str  # by which it reaches the host
    to: str
    port: int
    end: str  # the hook at which it has come through


def paths(spec: NetworkSpec) -> tuple[Path, ...]:
    """The ways of this network's guests: to each other, to the outside, and to a resolver that
    the host lends them."""
    bridge, out = names.bridge(spec.segment_id), names.outside_leg(spec.segment_id)
    dhcp, router = names.network_namespace(spec.id), names.router_namespace(spec.id)
    found = [Path("each other", dhcp, bridge, spec.subnets[0].gateway, PORT, "postrouting")]
    if spec.nat:
        found.append(Path("the outside", router, out, NOWHERE, PORT, "postrouting"))
        if resolvers.lent().startswith("127."):
            host = nat_rules.transit(spec.segment_id).host
            found.append(Path("the host's resolver", router, out, host, DNS, "input"))
    return tuple(found)


def dropped(path: Path) -> tuple[str, str] | None:
    """Table and chain of others that drop a packet on this path; None if it comes to the end, and
    LOST if it does not and no chain says why."""
    nft.run(_probe(path))
    try:
        with _ear() as ear:
            namespaces.inside(path.namespace, lambda: _send(path))
            for table, chain, drops in _said(ear):
                if table == TABLE:
                    return None
                if drops:
                    return None if " portico" in table else (table, chain)
    finally:
        nft.run(f"delete table {TABLE}")
    return LOST


def _probe(path: Path) -> str:
    return f"""
table {TABLE} {{
    chain begin {{
        type filter hook prerouting priority -400; policy accept;
        iifname "{path.device}" ip daddr {path.to} udp sport {PORT} udp dport {path.port} \\
            meta nftrace set 1
    }}
    chain end {{
        type filter hook {path.end} priority 400; policy accept;
        udp sport {PORT} udp dport {path.port} drop
    }}
}}
"""


def _send(path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sender.bind(("", PORT))
        with contextlib.suppress(OSError):  # a refusal that came back at once
            sender.sendto(b"", (path.to, path.port))


@contextlib.contextmanager
def _ear() -> Iterator[socket.socket]:
    """Hears what the kernel says of packets that are traced."""
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
    ) as ear:
        ear.bind((0, 0))
        ear.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTRACE)
        yield ear


def _said(ear: socket.socket) -> Iterator[tuple[str, str, bool]]:
    """Table, chain, and whether it drops the packet, as the packet comes by. Where it begins, in
    our own table, is left out."""
    deadline = time.monotonic() + SECONDS
    while (left := deadline - time.monotonic()) > 0:
        ear.settimeout(left)
        try:
            data = ear.recv(1 << 16)
        except TimeoutError:
            return
        for kind, message in _messages(data):
            if kind != NFT_MSG_TRACE:
                continue
            family, said = FAMILIES.get(message[0], "?"), dict(_attributes(message[4:]))
            table = f"{family} {_text(said.get(IS_TABLE, b''))}"
            chain = _text(said.get(IS_CHAIN, b""))
            verdict = dict(_attributes(said.get(IS_VERDICT, b""))).get(CODE, b"")
            code = verdict or said.get(IS_POLICY, b"")
            if (table, chain) != (TABLE, "begin"):
                yield table, chain, bool(code) and struct.unpack("!i", code)[0] == DROP


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of each message, netlink(7)."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        yield kind, data[at + 16 : at + length]
        at += max(16, length + 3 & ~3)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += max(4, length + 3 & ~3)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
