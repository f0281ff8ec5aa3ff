"""DHCP and DNS of a network: one dnsmasq(8) in the network's namespace.

It serves all subnets of the network, which share its segment: the address that a MAC has says in
which of them its guest is, and a tag what guests of that subnet are told. It gives each known MAC
its one address and an unknown one nothing, so that it needs no memory: killed and started again it
answers the same. It runs in a session of its own, has none of our processes as parent, and goes on
when all of them are stopped. Addresses and names are files that it reads again on SIGHUP; a name in
them that follows from their content tells, by asking, which files it serves. All else is in its
arguments: a process with others is replaced.
"""

import contextlib
import fcntl
import functools
import hashlib
import ipaddress
import logging
import os
import pwd
import select
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from workers.config import HostConfig
from workers.drivers import names
from workers.drivers.network import namespaces, records, releases, resolvers
from workers.specs import LeaseSpec, NameSpec, NetworkSpec, SubnetSpec

log = logging.getLogger(__name__)

LEASE_SECONDS = 86_400
RELEASED_MOST = 64  # leases at once
ANSWER_SECONDS = 3.0  # until a dnsmasq that was told to read its files serves them
STOP_SECONDS = 3.0


def ensure(config: HostConfig, spec: NetworkSpec) -> None:
    """A dnsmasq serves the network by this table; one that does already is left alone."""
    with _alone(directory(config, spec.id)) as place:
        _ensure(place, spec)


def restart_dead(config: HostConfig) -> tuple[str, ...]:
    """Every network that this host holds has a living dnsmasq. Returns the ids of those that
    had none. To be called every few seconds; costs a look into /proc for each network."""
    restarted = []
    for network_id in records.ids(config):
        record = records.read(config, network_id)
        if not record or not record.held or alive(config, record.spec):
            continue
        with _alone(directory(config, network_id)) as place:
            record = records.read(config, network_id)
            if not record or not record.held:  # it was being removed
                shutil.rmtree(place)
                continue
            log.warning("dnsmasq of network %s was dead", network_id)
            _ensure(place, record.spec)
            restarted.append(network_id)
    return tuple(restarted)


def remove(config: HostConfig, network_id: str) -> None:
    """No dnsmasq serves the network, and its files are gone."""
    with _alone(directory(config, network_id)) as place:
        _stop_all(place)
        shutil.rmtree(place)


def alive(config: HostConfig, spec: NetworkSpec) -> bool:
    """Whether the dnsmasq of this table runs, in the network's namespace of now."""
    return _process(directory(config, spec.id), spec) != 0


def running(config: HostConfig) -> tuple[str, ...]:
    """Id of each network that has a dnsmasq of ours, known to us or not."""
    base = f"--pid-file={config.runtime_directory / 'networks'}/"
    found = set()
    for process in Path("/proc").iterdir():
        for argument in _command(process.name) if process.name.isdigit() else ():
            if argument.startswith(base):
                found.add(Path(argument).parent.name)
    return tuple(sorted(found))


def directory(config: HostConfig, network_id: str) -> Path:
    """Where the files of a network's dnsmasq are. A reboot ends both."""
    return config.runtime_directory / "networks" / network_id


def arguments(place: Path, spec: NetworkSpec, upstream: tuple[str, ...]) -> list[str]:
    """The command that serves the network with the files in `place`."""
    return [
        "dnsmasq",
        "--conf-file=/dev/null",
        f"--pid-file={place / 'pid'}",
        f"--user={_user()}",
        "--interface=dhcp",
        "--except-interface=lo",
        "--no-hosts",
        f"--addn-hosts={place / 'names'}",
        f"--domain={spec.dns_domain}",
        f"--local=/{spec.dns_domain}/",
        "--domain-needed",
        "--bogus-priv",
        *upstream,
        *(f"--dhcp-range={each}" for each in ranges(spec)),
        f"--dhcp-hostsfile={place / 'addresses'}",
        "--dhcp-ignore=tag:!known",
        "--dhcp-ignore-clid",  # a guest's MAC is its own, its id may be that of its image
        "--dhcp-ignore-names",  # a guest does not choose its name: others rely on it
        "--dhcp-authoritative",
        "--dhcp-lease-max=65536",
        "--leasefile-ro",
        *(f"--dhcp-option={option}" for option in options(spec)),
    ]


def ranges(spec: NetworkSpec) -> list[str]:
    """The subnets that have DHCP, none of which has addresses for MACs that are not known."""
    return [
        f"set:{_tag(number)},{each.network.network_address},static,{each.network.netmask},"
        f"{LEASE_SECONDS}"
        for number, each in enumerate(spec.subnets)
        if each.dhcp
    ]


def options(spec: NetworkSpec) -> list[str]:
    """DHCP options, RFC 2132. A client that gets option 121 ignores option 3, so the default
    route is in both (RFC 3442). Without a value option 3 is not sent: else it would name us."""
    of_subnets = [
        f"tag:{_tag(number)},option:{option}"
        for number, each in enumerate(spec.subnets)
        if each.dhcp
        for option in _options(each)
    ]
    return [*of_subnets, f"option:domain-search,{spec.dns_domain}", f"option:mtu,{spec.mtu}"]


def _options(subnet: SubnetSpec) -> list[str]:
    """What guests of one subnet are told."""
    routes = [f"{each.cidr},{each.gateway}" for each in subnet.routes]
    if subnet.routed:
        routes.append(f"0.0.0.0/0,{subnet.gateway}")
    return [
        f"router,{subnet.gateway}" if subnet.routed else "router",
        f"dns-server,{','.join(subnet.resolvers or (subnet.dhcp_address,))}",
        *([f"classless-static-route,{','.join(routes)}"] if routes else ()),
    ]


def addresses(spec: NetworkSpec) -> str:
    """The file that says who gets which address: a MAC with several, its first of a subnet with
    DHCP. A name without its domain might be read as an order or a time: ignore, infinite, 5m."""
    silent = [each.network for each in spec.subnets if not each.dhcp]
    told = [
        each
        for each in spec.leases
        if not any(ipaddress.IPv4Address(each.address) in network for network in silent)
    ]
    first = {each.mac: each for each in reversed(told)}
    lines = sorted(
        f"{each.mac},{each.address},{each.hostname}.{spec.dns_domain}\n" for each in first.values()
    )
    return "".join(lines)


def host_names(spec: NetworkSpec) -> str:
    """The file of names, hosts(5): guests have theirs before they have a lease, and wherever they
    live. Its last line names the content of both files."""
    lines = sorted(map(_line(spec), (*spec.leases, *spec.names)))
    return "".join(lines) + f"{_server(spec)} {revision(spec)}\n"


def revision(spec: NetworkSpec) -> str:
    """A name that only a dnsmasq resolves that has read these leases and names."""
    known = "".join(sorted(map(_line(spec), (*spec.leases, *spec.names))))
    content = f"{_server(spec)}\n{addresses(spec)}{known}"
    return f"{hashlib.sha256(content.encode()).hexdigest()[:40]}.revision.{spec.dns_domain}"


def _tag(number: int) -> str:
    """What dnsmasq calls a subnet; a set of others is other arguments, and so another process."""
    return f"subnet{number}"


def _server(spec: NetworkSpec) -> str:
    """The address at which we ask it ourselves; guests ask at that of their own subnet."""
    return spec.subnets[0].dhcp_address


def _server_of(spec: NetworkSpec, address: str) -> str:
    """Where the guest with this address finds it."""
    address = ipaddress.IPv4Address(address)
    return next(each.dhcp_address for each in spec.subnets if address in each.network)


def _line(spec: NetworkSpec) -> Callable[[LeaseSpec | NameSpec], str]:
    return lambda guest: f"{guest.address} {guest.hostname}.{spec.dns_domain} {guest.hostname}\n"


def _ensure(place: Path, spec: NetworkSpec) -> None:
    if _process(place, spec):
        _release(place, spec)
    for name, content in (("addresses", addresses(spec)), ("names", host_names(spec))):
        _write(place / name, content)
    if process := _process(place, spec):
        if _serves(spec, seconds=0):
            return
        os.kill(process, signal.SIGHUP)
        if _serves(spec, seconds=ANSWER_SECONDS):
            return
        log.warning("dnsmasq of network %s does not answer", spec.id)
    _stop_all(place)
    command = arguments(place, spec, resolvers.upstream(spec))
    started = namespaces.inside(
        names.network_namespace(spec.id),
        lambda: subprocess.run(
            command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60
        ),
    )
    if started.returncode:
        raise RuntimeError(f"dnsmasq of network {spec.id}: {started.stderr.strip()}")
    if not _serves(spec, seconds=ANSWER_SECONDS):
        raise RuntimeError(f"dnsmasq of network {spec.id} does not serve what it was given")


def _release(place: Path, spec: NetworkSpec) -> None:
    """The dnsmasq of this table forgets the leases that its file names and the table does not. It
    is ended if they are many: it might not hear them all."""
    file = place / "addresses"
    lines = file.read_text().splitlines() if file.exists() else ()
    known = {tuple(line.split(",")[:2]) for line in lines}
    gone = sorted(known - {(each.mac, each.address) for each in spec.leases})
    if len(gone) > RELEASED_MOST:
        _stop_all(place)
    elif gone:
        servers = {address: _server_of(spec, address) for _, address in gone}
        leases = [(mac, address, servers[address]) for mac, address in gone]
        act = functools.partial(releases.release, leases, device="dhcp")
        namespaces.inside(names.network_namespace(spec.id), act)


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[Path]:
    """Hold the directory: worker and agent must not start two. It may vanish while we wait."""
    while True:
        place.mkdir(parents=True, exist_ok=True)
        for each in (place, place.parent):
            each.chmod(0o755)  # dnsmasq gives up root before it reads
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if place.exists() and place.stat().st_ino == os.fstat(descriptor).st_ino:
                yield place
                return
        finally:
            os.close(descriptor)


def _write(path: Path, content: str) -> None:
    if path.exists() and path.read_text() == content:
        return
    new = path.with_suffix(".new")
    new.write_text(content)
    new.chmod(0o644)
    os.replace(new, path)


def _process(place: Path, spec: NetworkSpec) -> int:
    """The dnsmasq of exactly this table, in the namespace of now; 0 if there is none. What the
    pid file names is believed only if it is that: pids are used again."""
    try:
        pid = int((place / "pid").read_text())
        namespace = os.stat(f"/proc/{pid}/ns/net").st_ino
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return 0
    if namespace != namespaces.identity(names.network_namespace(spec.id)):
        return 0
    return pid if _command(pid) == arguments(place, spec, resolvers.upstream(spec)) else 0


def _command(pid: int | str) -> list[str]:
    """The arguments of a process; none for a kernel thread, or one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _stop_all(place: Path) -> None:
    """No dnsmasq with files in `place` runs, wherever it was left."""
    mark = f"--pid-file={place / 'pid'}"
    while pids := [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and mark in _command(process.name)
    ]:
        for pid in pids:
            _stop(pid, mark)
    (place / "pid").unlink(missing_ok=True)


def _stop(pid: int, mark: str) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended = select.poll()
        ended.register(process, select.POLLIN)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if mark not in _command(pid):
                return
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, number)
            if ended.poll(STOP_SECONDS * 1000):
                return
    finally:
        os.close(process)


def _serves(spec: NetworkSpec, *, seconds: float) -> bool:
    """Whether dnsmasq answers with the revision of this table, within that time."""

    def ask() -> bool:
        deadline = time.monotonic() + seconds
        while True:
            if _resolves(revision(spec), _server(spec)):
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)

    return namespaces.inside(names.network_namespace(spec.id), ask)


def _resolves(name: str, server: str) -> bool:
    """Whether the DNS server has an address for the name, RFC 1035."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    number = os.urandom(2)
    question = number + struct.pack("!5H", 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        try:
            client.connect((server, 53))
            client.send(question)
            answer = client.recv(512)
        except OSError:
            return False  # nobody is there yet
    return len(answer) > 12 and answer[:2] == number and answer[6:8] != b"\0\0"


def _user() -> str:
    """Whom dnsmasq becomes once it has its sockets."""
    try:
        return pwd.getpwnam("dnsmasq").pw_name
    except KeyError:
        return "nobody"
