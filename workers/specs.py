"""What crosses from the portal to a host and back: complete, frozen, nothing but data.

A *spec* says how a thing shall be; an *observation* says how things are. Both are plain
dataclasses of the standard library, both travel as JSON, and this is the only module that both
sides import. `pack` and `unpack` make the bytes that each side seals with the host's key.

A change of meaning raises `VERSION`; a host refuses a spec of another version than its own.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
import zlib

VERSION = 1
MAX_BYTES = 64 * 1024 * 1024  # of unpacked JSON: a table of 100,000 ports is half of it

RUNNING, STOPPED, ABSENT = "running", "stopped", "absent"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """How one thing shall be on one host.

    `generation` orders the specs of a thing: a host that has seen a newer one ignores this.
    """

    id: str
    generation: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSpec(Spec):
    """A disk image that the host's cache shall hold, named by the SHA-256 of its content."""

    sha256: str
    format: str  # "qcow2" or "raw"; said by the portal, never probed
    size_bytes: int
    virtual_size_bytes: int
    url: str = ""  # where the host fetches it, unless it shares the image store
    token: str = ""  # bearer token for that URL


@dataclasses.dataclass(frozen=True, kw_only=True)
class DownloadSpec(Spec):
    """A published disk image that the image store shall hold; `id` is that of the portal's image.

    The sum comes from the publisher's own list, which names the file.
    """

    url: str  # https
    file: str
    sums_url: str  # https
    most_bytes: int
    most_virtual_bytes: int  # of the disk inside


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortSpec:
    """An instance's place on a network."""

    id: str
    network_id: str
    segment_id: int  # names the bridge on the host
    mac: str
    address: str  # IPv4, given by DHCP
    prefix_length: int
    gateway: str
    mtu: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class InstanceSpec(Spec):
    """A virtual machine as its project wants it."""

    name: str
    hostname: str
    project_id: str
    power: str  # RUNNING or STOPPED
    boots: int  # how often it was asked to (re)boot: the host carries out the newest count once
    vcpus: int
    memory_mib: int
    disk_gib: int
    image: ImageSpec
    ports: tuple[PortSpec, ...] = ()
    public_keys: tuple[tuple[str, str], ...] = ()  # (name, OpenSSH public key)
    user_data: str = ""
    grace_seconds: int = 60  # from the ACPI power button to the plug


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeaseSpec:
    """An address that DHCP gives to one MAC and to no other."""

    mac: str
    address: str
    hostname: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkSpec(Spec):
    """A network's whole table on one host: bridge, DHCP, DNS, and the way out.

    `generation` is the revision of the table. The gateway has one MAC per subnet, the same on
    every host.
    """

    segment_id: int
    mtu: int
    cidr: str
    gateway: str
    gateway_mac: str
    dhcp_address: str  # where dnsmasq listens, inside `cidr`
    dns_domain: str
    resolvers: tuple[str, ...] = ()  # upstream DNS; empty: those of the host
    nat: bool = True  # whether guests reach the outside by source NAT
    leases: tuple[LeaseSpec, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleSpec:
    """One thing that a security group lets pass; what no rule names is dropped."""

    direction: str  # "ingress" or "egress", seen from the guest
    protocol: str = ""  # "tcp", "udp", "icmp"; empty: any
    port_min: int | None = None
    port_max: int | None = None
    remote_cidr: str = ""  # empty together with remote_group: anywhere
    remote_group: str = ""  # id of a group whose members are meant


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupSpec:
    """A security group: its rules, and the addresses of its members on all hosts."""

    id: str
    rules: tuple[RuleSpec, ...] = ()
    members: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilteredPortSpec:
    """A port of a guest on this host, what it may send from, and the groups that guard it."""

    id: str
    number: int  # 1 to 2**31, unique on the host: its packet mark
    segment_id: int
    mac: str
    addresses: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class FirewallSpec(Spec):
    """The whole filter of one host; `id` is the host's, `generation` the table's revision."""

    ports: tuple[FilteredPortSpec, ...] = ()
    groups: tuple[GroupSpec, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObserveSpec(Spec):
    """Asks a host for everything it holds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OrphansSpec(Spec):
    """Things that the operator has seen on a host and wants gone; `id` is the host's."""

    strangers: tuple[str, ...] = ()  # in the words of HostFacts.strangers


@dataclasses.dataclass(frozen=True, kw_only=True)
class BootLogSpec(Spec):
    """Asks a host what a guest wrote to its serial port; `id` is the instance's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsoleCall:
    """Asks the agent of a host for a guest's screen: the first line of a stream, sealed like a
    job. It is good once."""

    host: str
    instance_id: str
    nonce: str
    not_after: float  # seconds since 1970


@dataclasses.dataclass(frozen=True, kw_only=True)
class BootLog:
    """What a guest wrote to its serial port, control characters and all: the newest 256 KiB."""

    id: str
    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guest:
    """What a host runs for an instance."""

    id: str
    power: str  # RUNNING or STOPPED
    generation: int  # of the spec that it was last made from
    boots: int  # of one that is off: those that its next boot completes
    reason: str = ""  # why it is off, in libvirt's word: "shutdown", "destroyed", "crashed", ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """The revision of a table that a host holds."""

    kind: str  # "network" or "firewall"
    id: str
    generation: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Download:
    """A published image that a host has put into the image store; `id` is its spec's."""

    id: str
    sha256: str
    format: str  # "qcow2"
    size_bytes: int
    virtual_size_bytes: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What a host is and has."""

    vcpus: int
    memory_mib: int  # of the machine, from /proc/meminfo
    disk_gib: int  # of the file system that holds the guests
    disk_free_gib: int
    accelerator: str  # "kvm" or "qemu"
    accelerator_reason: str
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    strangers: tuple[str, ...] = ()  # what bears our marks and no guest needs: "bridge pbr7"
    obstacles: tuple[tuple[str, str], ...] = ()  # what is in the way of guests, what mends it
    console_address: str = ""  # where the agent takes a ConsoleCall: unix:///path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observation:
    """What a host saw. `sequence` was taken before looking, so a larger one is newer."""

    boot_id: str
    sequence: int
    guests: tuple[Guest, ...] = ()
    absent: tuple[str, ...] = ()  # ids that were looked for and are not there
    held: tuple[Held, ...] = ()
    images: tuple[str, ...] = ()  # SHA-256 of what the cache holds
    downloads: tuple[Download, ...] = ()
    everything: bool = False  # whether what is not named here is not there
    host: HostFacts | None = None
    boot_log: BootLog | None = None


def dump(value) -> dict:
    """The JSON-ready form of a spec or an observation."""
    return dataclasses.asdict(value)


def load(kind: type, data):
    """The inverse of `dump`. Raises ValueError for a key that is missing, unknown or of the
    wrong type, so that a spec is understood whole or not at all."""
    if isinstance(kind, types.UnionType):
        if data is None:
            return None
        kind = next(each for each in typing.get_args(kind) if each is not type(None))
    if dataclasses.is_dataclass(kind):
        return _load_dataclass(kind, data)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and isinstance(data, list | tuple):
        if inner[-1] is Ellipsis:
            return tuple(load(inner[0], each) for each in data)
        return tuple(load(each, value) for each, value in zip(inner, data, strict=True))
    if origin is dict and isinstance(data, dict):
        return dict(data)
    if isinstance(data, bool) is not (kind is bool) or not isinstance(data, origin or kind):
        raise ValueError(f"{data!r} is no {kind}")
    return data


def _load_dataclass(kind: type, data):
    if not isinstance(data, dict):
        raise ValueError(f"{kind.__name__} is an object, not {type(data).__name__}")
    hints = typing.get_type_hints(kind)
    if unknown := data.keys() - hints.keys():
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: load(hints[name], value) for name, value in data.items()})
    except TypeError as error:
        raise ValueError(str(error)) from None


def pack(message: dict) -> bytes:
    """JSON, compressed with zlib: a firewall of 1,000 ports is 144 KB of it."""
    return zlib.compress(json.dumps(message, separators=(",", ":")).encode())


def unpack(packed: bytes) -> dict:
    """The inverse of `pack`. Raises ValueError when it is not that, or larger than MAX_BYTES."""
    try:
        inflater = zlib.decompressobj()
        plain = inflater.decompress(packed, MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"not a packed message: {error}") from None
    if inflater.unconsumed_tail or not inflater.eof:
        raise ValueError("a packed message is cut short or too long")
    return json.loads(plain)
