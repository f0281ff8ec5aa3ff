"""A whole host in namespaces of its own: the drivers run in it, the machine sees nothing of it.

The process that tests enters a fresh network and mount namespace and returns at the end. Guests
and the world outside are network namespaces, joined by pairs of devices; a guest's device on the
host is named as libvirt would name its tap. Needs root.
"""

import contextlib
import ctypes
import dataclasses
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from tests.workers.network_tables import (
    OUT,
    firewall,
    group,
    held,
    network,
    opening,
    subnet,
    subnet_of,
)
from workers.config import HostConfig
from workers.drivers import names, nft
from workers.drivers.filter.nftables import NftFirewall
from workers.drivers.network import dnsmasq, namespaces, records
from workers.drivers.network.netlink import NetlinkNetwork
from workers.specs import (
    FilteredPortSpec,
    LeaseSpec,
    MemberSpec,
    NetworkSpec,
)

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
WORLD, WORLD_ADDRESS = "ptest-world", "198.51.100.1"  # beyond the neighbour
NEIGHBOUR, HOST_ADDRESS = "203.0.113.1", "203.0.113.2"  # beside the host, which asks it for names
METADATA = "169.254.169.254"  # as the cloud would have it that the host itself runs in
ETH_P_ALL = 0x0003

DHCP_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
env > "$lease_file"
ip addr add "$ip/$mask" dev "$interface"
set -- $staticroutes
while [ -n "$1" ]; do ip route add "$1" via "$2"; shift 2; done
"""

__all__ = ["OUT", "firewall", "group", "held", "network", "opening", "subnet", "subnet_of"]

_libc = ctypes.CDLL(None, use_errno=True)


class NetworkHost:
    """A host, the drivers on it, and the world that it is connected to."""

    def __enter__(self):
        self._home = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("mnt", "net")]
        self._cwd = os.getcwd()
        self.directory = Path(tempfile.mkdtemp(prefix="ptest-"))
        self.directory.chmod(0o755)  # dnsmasq is not root
        _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWNET))
        run("mount", "--make-rprivate", "/")
        run("mount", "-t", "tmpfs", "ptest", "/run")
        for family in ("iptables", "ip6tables", "arptables"):
            Path(f"/proc/sys/net/bridge/bridge-nf-call-{family}").write_text("0")
        run("ip", "link", "set", "lo", "up")
        self.processes: list[subprocess.Popen] = []
        self._make_world()
        self.config = HostConfig(
            name="ptest",
            key="",
            redis_url="",
            state_directory=self.directory / "state",
            runtime_directory=self.directory / "run",
        )
        self.network = NetlinkNetwork(self.config)
        self.firewall = NftFirewall(self.config)
        self.guests: list[Guest] = []
        return self

    def __exit__(self, *raised):
        for network_id in {*records.ids(self.config), *dnsmasq.running(self.config)}:
            dnsmasq.remove(self.config, network_id)
        for process in self.processes:
            process.kill()
            process.wait()
        for name in namespaces.names():
            namespaces.remove(name)
        for descriptor, kind in zip(self._home, (CLONE_NEWNS, CLONE_NEWNET), strict=True):
            _check(_libc.setns(descriptor, kind))
            os.close(descriptor)
        os.chdir(self._cwd)
        shutil.rmtree(self.directory)

    def guest(self, network: NetworkSpec, address: str, **known) -> "Guest":
        """A guest on the network, plugged in, with an address that it took without asking."""
        guest = Guest(self, network, address, **known)
        self.guests.append(guest)
        return guest

    def shop(self) -> tuple[NetworkSpec, "Guest", "Guest"]:
        """A served network and the two guests that it knows: web, which has to ask for its
        address, and db, which has it."""
        spec = network(5)
        self.network.ensure_network(spec)
        web = self.guest(spec, "10.0.0.11", configured=False)
        db = self.guest(spec, "10.0.0.12")
        spec = dataclasses.replace(spec, generation=2, leases=(web.lease("web"), db.lease("db")))
        self.network.ensure_network(spec)
        return spec, web, db

    def clear(self) -> None:
        """Nothing is left of guests and networks."""
        for guest in self.guests:
            guest.end()
        self.guests.clear()
        for network_id in records.ids(self.config):
            self.network.remove_network(network_id)

    def without_filter(self) -> contextlib.AbstractContextManager:
        """As if we had never filtered: the control that an attack works at all."""
        return _without_filter()

    def until(self, holds, *, seconds: float = 10) -> None:
        """Fails when it does not come true in time."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.02)

    def forget_connections(self) -> None:
        """As if all had run out."""
        run("conntrack", "-F")

    @contextlib.contextmanager
    def world_ear(self):
        """Listens to each frame that the world receives."""
        raw = inside(
            WORLD,
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)),
        )
        with raw:
            yield Ear(raw)

    def _make_world(self) -> None:
        """The outside: one wire away, with a resolver that knows world.example."""
        namespaces.ensure(WORLD)
        run("ip", "link", "add", "eth0", "type", "veth", "peer", "eth0", "netns", WORLD)
        run("ip", "address", "add", f"{HOST_ADDRESS}/24", "dev", "eth0")
        run("ip", "link", "set", "eth0", "up")
        run("ip", "route", "add", "default", "via", NEIGHBOUR)
        namespaces.inside(WORLD, self._furnish_world)
        resolver = self.directory / "resolv.conf"
        resolver.write_text(f"nameserver {NEIGHBOUR}\n")
        run("mount", "--bind", str(resolver), os.path.realpath("/etc/resolv.conf"))

    def _furnish_world(self) -> None:
        run("ip", "link", "set", "lo", "up")
        run("ip", "address", "add", f"{NEIGHBOUR}/24", "dev", "eth0")
        for address in (WORLD_ADDRESS, METADATA):
            run("ip", "address", "add", f"{address}/32", "dev", "lo")
        run("ip", "link", "set", "eth0", "up")
        self.processes.append(
            subprocess.Popen(
                [
                    *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv"),
                    *("--no-hosts", "--address=/world.example/198.51.100.7", "--user=root"),
                    *("--pid-file=", "--log-facility=/dev/null"),
                ]
            )
        )


class Guest:
    """A machine on a network of the host: a namespace whose eth0 leads to a tap."""

    def __init__(self, host, network, address, *, mac="", configured=True):
        self.host, self.spec, self.address = host, network, address
        self.port_id = str(uuid.uuid4())
        self.tap = names.tap(self.port_id)
        self.namespace = f"ptest-{self.tap}"
        self.mac = mac or "fa:16:3e:" + ":".join(re.findall("..", uuid.uuid4().hex[:6]))
        self._sockets: list[socket.socket] = []
        namespaces.ensure(self.namespace)
        run(
            *("ip", "link", "add", self.tap, "mtu", str(network.mtu), "type", "veth", "peer"),
            *("eth0", "netns", self.namespace, "address", self.mac, "mtu", str(network.mtu)),
        )
        run("ip", "link", "set", self.tap, "master", names.bridge(network.segment_id), "up")
        commands = ["link set lo up", "link set eth0 up"]
        if configured:
            subnet = subnet_of(network, address)
            commands.append(f"address add {address}/{subnet.network.prefixlen} dev eth0")
            commands.append(f"route add default via {subnet.gateway}")
        self.run("ip", "-batch", "-", text="\n".join(commands))

    def end(self) -> None:
        for each in self._sockets:
            each.close()
        run("ip", "link", "delete", self.tap, check=False)
        namespaces.remove(self.namespace)

    def port(self, number: int, *groups: str) -> FilteredPortSpec:
        return FilteredPortSpec(
            id=self.port_id,
            number=number,
            segment_id=self.spec.segment_id,
            mac=self.mac,
            addresses=(self.address,),
            groups=groups,
        )

    def member(self) -> MemberSpec:
        return MemberSpec(segment_id=self.spec.segment_id, address=self.address)

    def lease(self, hostname: str) -> LeaseSpec:
        return LeaseSpec(mac=self.mac, address=self.address, hostname=hostname)

    def run(self, *words: str, text: str | None = None, check: bool = True):
        return inside(self.namespace, lambda: run(*words, text=text, check=check))

    def ask_dhcp(self, *, tries: int = 3, more: tuple[str, ...] = ()) -> dict[str, str]:
        """What a DHCP server gave; empty when none did."""
        script, lease = (self.host.directory / f"{self.tap}.{end}" for end in ("sh", "lease"))
        script.write_text(DHCP_SCRIPT)
        script.chmod(0o755)
        lease.unlink(missing_ok=True)
        command = [
            "env",
            "-i",
            f"lease_file={lease}",
            f"PATH={os.environ['PATH']}",
            "busybox",
            "udhcpc",
            "-i",
            "eth0",
            "-n",
            "-q",
        ]
        command += ["-f", "-t", str(tries), "-T", "1", "-A", "1", "-s", str(script)]
        for option in ("staticroutes", "mtu", "hostname", "search", "dns", "router"):
            command += ["-O", option]
        command += more
        self.run(*command, check=False)
        if not lease.exists():
            return {}
        return dict(line.split("=", 1) for line in lease.read_text().splitlines() if "=" in line)

    def open(self, make) -> socket.socket:
        """A socket that is made inside the guest; it stays there wherever it is used."""
        made = inside(self.namespace, make)
        self._sockets.append(made)
        return made

    def listen(self, port: int) -> socket.socket:
        server = self.open(lambda: socket.create_server(("0.0.0.0", port)))
        server.settimeout(2)
        return server

    def connects(self, address: str, port: int, *, seconds: float = 0.6) -> bool:
        """Whether somebody takes a TCP connection from here."""
        return connects(self.namespace, address, port, seconds=seconds)

    def reaches(self, address: str, port: int) -> bool:
        """Whether somebody takes a TCP connection, also where its first packet is lost and sent
        again after a second, as on a busy machine."""
        return self.connects(address, port, seconds=4)

    def pings(self, address: str, *, source: str = "") -> bool:
        """Whether one of two pings is answered. The first answer is waited for, not the rest."""
        words = ["busybox", "ping", "-c", "2", "-i", "0.2", "-W", "1"]
        words += ["-I", source] if source else []

        def begin() -> subprocess.Popen:
            out = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            return subprocess.Popen([*words, address], text=True, **out)

        with inside(self.namespace, begin) as ping:
            answered = any(" bytes from " in line for line in ping.stdout)
            ping.kill()
        return answered

    def send_frame(self, frame: bytes, *, times: int = 3) -> None:
        """These bytes leave eth0, whatever they are."""
        raw = self.open(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        raw.bind(("eth0", 0))
        for _ in range(times):
            raw.send(frame)

    @contextlib.contextmanager
    def ear(self):
        """Listens to each frame that reaches eth0: `ear.hears(bytes)`."""
        yield Ear(
            self.open(
                lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            )
        )


class Ear:
    """Every frame that a guest's eth0 receives."""

    def __init__(self, raw: socket.socket):
        raw.bind(("eth0", ETH_P_ALL))
        self._raw = raw

    def hears(self, part: bytes, *, seconds: float = 0.5) -> bool:
        """Whether a frame with these bytes in it arrives within that time."""
        return any(part in frame for frame in self._frames(seconds))

    def frames(self, *, seconds: float) -> list[bytes]:
        """All that arrive within that time."""
        return list(self._frames(seconds))

    def _frames(self, seconds: float):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._raw.settimeout(left)
            try:
                frame, (_, _, kind, *_) = self._raw.recvfrom(65_536)
            except TimeoutError:
                return
            if kind != socket.PACKET_OUTGOING:
                yield frame


def inside(namespace, act):
    return namespaces.inside(namespace, act)


def connects(namespace: str, address: str, port: int, *, seconds: float = 0.6) -> bool:
    def connect() -> bool:
        try:
            socket.create_connection((address, port), timeout=seconds).close()
        except OSError:
            return False
        return True

    return inside(namespace, connect)


def run(*words: str, text: str | None = None, check: bool = True):
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done


@contextlib.contextmanager
def _without_filter():
    kept = nft.run("list ruleset")
    nft.run("flush ruleset")
    try:
        yield
    finally:
        nft.run(f"flush ruleset\n{kept}")


def _check(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
