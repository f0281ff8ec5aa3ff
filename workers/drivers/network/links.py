"""Devices of the kernel, made as a plan says: read with ip(8), changed with pyroute2.

ip(8) reads ten times faster than pyroute2 when there are many; pyroute2 changes one ten times
faster than a process of ip(8). Everything acts on the network namespace of the calling thread,
which `/proc/sys/net` follows.
"""

import contextlib
import fcntl
import hashlib
import ipaddress
import json
import os
import socket
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyroute2 import IPRoute, NetlinkError

from workers.drivers import nft
from workers.drivers.network import namespaces
from workers.drivers.network.plan import BRIDGE, Leg, Link, Namespace

SYSCTLS = Path("/proc/sys/net")
SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFHWADDR = 0x8913, 0x8921, 0x8927  # netdevice(7)
IFF_UP = 0x1
AT_ONCE = 64  # asked for one by one; for more, all devices are read


def seen(names: Iterable[str]) -> dict[str, Link]:
    """How those devices are that exist."""
    names = set(names)
    if len(names) > AT_ONCE:
        shown = _ip("address", "show")
    else:
        shown = _ip(
            "-force",
            "-batch",
            "-",
            commands="".join(f"address show dev {each}\n" for each in names),
        )
    return {each["ifname"]: _link(each) for each in shown if each.get("ifname") in names}


def all_names() -> tuple[str, ...]:
    """Every device of this network namespace."""
    return tuple(sorted(name for _, name in socket.if_nameindex()))


def ensure_bridge(route: IPRoute, link: Link) -> bool:
    """The bridge is as planned. Returns whether it had to be made."""
    index = _index(route, link.name)
    if index and _kind(route, index) != "bridge":
        route.link("del", index=index)
        index = 0
    made = not index
    if made:
        route.link("add", ifname=link.name, kind="bridge", **BRIDGE)
        index = _index(route, link.name)
    _silence(link.name)
    route.link("set", index=index, kind="bridge", **BRIDGE)
    route.link("set", index=index, mtu=link.mtu, state="up")
    _ensure_addresses(route, index, link.addresses)
    return made


def ensure_leg(route: IPRoute, leg: Leg, namespace: str) -> None:
    """The pair exists, with one end here and as planned, the other inside the namespace."""
    index = _index(route, leg.host.name)
    peer = namespaces.inside(namespace, lambda: _pair(leg.name))
    if not index or not peer or _pair(leg.host.name) != tuple(reversed(peer)):
        remove(route, leg.host.name)
        namespaces.inside(namespace, lambda: _remove_here(leg.name))
        _make_pair(route, leg, namespace)
        index = _index(route, leg.host.name)
    _silence(leg.host.name)
    bridge = _index(route, leg.host.bridge) if leg.host.bridge else 0
    route.link("set", index=index, mtu=leg.host.mtu, master=bridge, state="up")
    _ensure_addresses(route, index, leg.host.addresses)
    if not leg.host.bridge:
        # guests may use a resolver on 127.0.0.1; nat_rules lets nothing else of it through
        ensure_sysctl(f"ipv4/conf/{leg.host.name}/route_localnet", 1)


def ensure_inside(namespace: Namespace) -> None:
    """All in the namespace is as planned. To be called inside it, once its legs are there."""
    for each in ("all", "default"):
        ensure_sysctl(f"ipv6/conf/{each}/disable_ipv6", 1)
        ensure_sysctl(f"ipv4/conf/{each}/rp_filter", 1)
        ensure_sysctl(f"ipv4/conf/{each}/arp_ignore", 1)
        ensure_sysctl(f"ipv4/conf/{each}/send_redirects", 0)
    ensure_sysctl("ipv4/ip_forward", int(namespace.forwards))
    nft.refill(namespace.rules)  # before anything could pass
    with IPRoute() as route:
        route.link("set", index=_index(route, "lo"), state="up")
        for leg in namespace.legs:
            index = _index(route, leg.name)
            address = {"address": leg.mac} if leg.mac else {}
            route.link("set", index=index, mtu=leg.host.mtu, state="up", **address)
            _ensure_addresses(route, index, leg.addresses)
        if namespace.default_gateway:
            route.route("replace", dst="default", gateway=namespace.default_gateway)
        else:
            for found in list(route.get_default_routes(family=socket.AF_INET)):
                route.route("del", dst="default", oif=found.get_attr("RTA_OIF"))


def signature() -> str:
    """Changes when anything of this network namespace does: devices, addresses, routes, rules."""
    own = Path("/proc/thread-self/net")
    parts = [(own / name).read_text() for name in ("route", "fib_trie")]
    parts.append((SYSCTLS / "ipv4/ip_forward").read_text())
    parts.append(nft.settled(nft.run("list ruleset")))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for name in all_names():
            parts.append(f"{name} {_flags(asking, name)} {_mtu(asking, name)} {_mac(asking, name)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def remove(route: IPRoute, name: str) -> None:
    """There is no device of this name; of a pair, neither end."""
    if index := _index(route, name):
        route.link("del", index=index)


def plug(route: IPRoute, name: str, bridge: str) -> None:
    """The device, if it exists, is a port of the bridge."""
    index, master = _index(route, name), _index(route, bridge)
    if index and next(iter(route.get_links(index))).get_attr("IFLA_MASTER") != master:
        route.link("set", index=index, master=master)


def ensure_sysctl(path: str, value: int) -> None:
    """A setting below /proc/sys/net has this value; what this kernel has not is left out."""
    setting = SYSCTLS / path
    with contextlib.suppress(FileNotFoundError):
        if setting.read_text().strip() != str(value):
            setting.write_text(str(value))


def _ip(*words: str, commands: str = "") -> list[dict]:
    """What ip(8) says in JSON; of devices that are not there it says nothing."""
    answer = subprocess.run(
        ["ip", "-json", "-details", *words],
        input=commands,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,  # a batch ends with 1 when one of its devices is not there
    )
    return list(_concatenated(answer.stdout))


def _concatenated(text: str) -> Iterator[dict]:
    """The objects in the JSON arrays that follow one another in `text`."""
    decoder, at = json.JSONDecoder(), 0
    while (at := text.find("[", at)) >= 0:
        found, at = decoder.raw_decode(text, at)
        yield from found


def _link(shown: dict) -> Link:
    """A device as ip(8) shows it."""
    about = shown.get("linkinfo", {})
    kind, flags = about.get("info_kind", ""), shown.get("flags", ())
    wanted = {name.removeprefix("br_") for name in BRIDGE} if kind == "bridge" else ()
    settings = sorted(
        (name, value) for name, value in about.get("info_data", {}).items() if name in wanted
    )
    return Link(
        name=shown["ifname"],
        kind=kind,
        mtu=shown["mtu"],
        bridge=shown.get("master", ""),
        addresses=tuple(
            f"{each['local']}/{each['prefixlen']}"
            for each in shown.get("addr_info", ())
            if each.get("family") == "inet"
        ),
        up="UP" in flags and (kind == "bridge" or "LOWER_UP" in flags),
        silent=_is_silent(shown["ifname"]),
        settings=tuple(settings),
    )


def _make_pair(route: IPRoute, leg: Leg, namespace: str) -> None:
    descriptor = os.open(namespaces.DIRECTORY / namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        peer = {"ifname": leg.name, "net_ns_fd": descriptor, "mtu": leg.host.mtu}
        if leg.mac:
            peer["address"] = leg.mac
        route.link("add", ifname=leg.host.name, kind="veth", mtu=leg.host.mtu, peer=peer)
    finally:
        os.close(descriptor)


def _pair(name: str) -> tuple[int, int] | None:
    """The index of the device and that of its other end; None if it is not there."""
    with IPRoute() as route:
        index = _index(route, name)
        if not index:
            return None
        return index, next(iter(route.get_links(index))).get_attr("IFLA_LINK") or 0


def _remove_here(name: str) -> None:
    with IPRoute() as route:
        remove(route, name)


def _index(route: IPRoute, name: str) -> int:
    """The index of the device; 0 if it is not there."""
    return next(iter(route.link_lookup(ifname=name)), 0)


def _kind(route: IPRoute, index: int) -> str:
    return next(iter(route.get_links(index))).get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") or ""


def _ensure_addresses(route: IPRoute, index: int, wanted: tuple[str, ...]) -> None:
    wanted = {ipaddress.IPv4Interface(each) for each in wanted}
    for each in _addresses(route, index) - wanted:
        with contextlib.suppress(NetlinkError):  # the next look says whether it is gone
            route.addr("del", index=index, address=str(each.ip), prefixlen=each.network.prefixlen)
    found = _addresses(route, index)  # the kernel took others with the first of their subnet
    if extra := found - wanted:
        raise RuntimeError(f"addresses that nobody wants do not go: {sorted(extra)}")
    for each in sorted(wanted - found):
        route.addr("add", index=index, address=str(each.ip), prefixlen=each.network.prefixlen)


def _addresses(route: IPRoute, index: int) -> set[ipaddress.IPv4Interface]:
    return {
        ipaddress.IPv4Interface(f"{each.get_attr('IFA_LOCAL')}/{each['prefixlen']}")
        for each in route.get_addr(family=socket.AF_INET, index=index)
    }


def _silence(name: str) -> None:
    """The host says and hears no IPv6 on the device: no router solicitation reaches a guest."""
    ensure_sysctl(f"ipv6/conf/{name}/disable_ipv6", 1)


def _is_silent(name: str) -> bool:
    try:
        return (SYSCTLS / f"ipv6/conf/{name}/disable_ipv6").read_text().strip() == "1"
    except FileNotFoundError:
        return True  # a kernel without IPv6, or a device that has just gone


def _asked(asking: socket.socket, number: int, name: str) -> bytes:
    return fcntl.ioctl(asking, number, struct.pack("16s24x", name.encode()))[16:]


def _flags(asking: socket.socket, name: str) -> int:
    return struct.unpack_from("H", _asked(asking, SIOCGIFFLAGS, name))[0] & IFF_UP


def _mtu(asking: socket.socket, name: str) -> int:
    return struct.unpack_from("i", _asked(asking, SIOCGIFMTU, name))[0]


def _mac(asking: socket.socket, name: str) -> str:
    return _asked(asking, SIOCGIFHWADDR, name)[2:8].hex(":")
