"""What may pass between guests and everything else.

Each part of a filter says of itself what is wrong with it (`problem`): the portal refuses it where
it is written, and a host leaves it out, so both judge alike.
"""

import dataclasses
import ipaddress
import re

from workers.specs.spec import Spec

PROTOCOLS = ("tcp", "udp", "icmp")
NUMBERS_END = 2**31  # of ports, and above them the marks that the filter itself uses
SEGMENTS_END = 2**24  # RFC 7348: a VXLAN id has 24 bits


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleSpec:
    """One thing that a security group lets pass; what no rule names is dropped."""

    direction: str  # "ingress" or "egress", seen from the guest
    protocol: str = ""  # "tcp", "udp", "icmp"; empty: any
    port_min: int | None = None  # of ICMP the type
    port_max: int | None = None  # of ICMP the code
    remote_cidr: str = ""  # empty together with remote_group: anywhere
    remote_group: str = ""  # id of a group whose members are meant

    @property
    def problem(self) -> str:
        """Why no host can filter by it; empty if there is nothing wrong with it."""
        if self.direction not in ("ingress", "egress"):
            return f"{self.direction!r} is no direction"
        if self.remote_cidr and self.remote_group:
            return "it names a remote network and a remote group"
        if self.remote_cidr and not _is_network(self.remote_cidr):
            return f"{self.remote_cidr!r} is no network"
        return self._problem_of_ports()

    def _problem_of_ports(self) -> str:
        low, high = self.port_min, self.port_max
        if not self.protocol:
            return "" if low is high is None else "only a protocol has ports"
        if self.protocol not in PROTOCOLS:
            return f"{self.protocol!r} is no protocol"
        largest = 255 if self.protocol == "icmp" else 65_535
        if any(each is not None and not 0 <= each <= largest for each in (low, high)):
            return f"a port of {self.protocol} is from 0 to {largest}"
        if self.protocol == "icmp":
            return "an ICMP code needs an ICMP type" if low is None and high is not None else ""
        if low is not None and high is not None and low > high:
            return f"its first port {low} is above its last, {high}"
        return ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemberSpec:
    """An address of a group's member, which means nothing outside of its own network."""

    segment_id: int
    address: str

    @property
    def problem(self) -> str:
        """Why no host can filter by it; empty if there is nothing wrong with it."""
        return _problem_of_segment(self.segment_id) or _problem_of_address(self.address)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupSpec:
    """A security group: its rules, and its members on all hosts."""

    id: str
    rules: tuple[RuleSpec, ...] = ()
    members: tuple[MemberSpec, ...] = ()

    @property
    def problem(self) -> str:
        """What is wrong with its id; empty if nothing is."""
        return "" if re.fullmatch(r"[0-9A-Za-z-]{1,64}", self.id) else "that is no id of a group"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilteredPortSpec:
    """A port of a guest on this host, what it may send from, and the groups that guard it."""

    id: str
    number: int  # 1 to 2**31, unique on the host: its packet mark
    segment_id: int
    mac: str
    addresses: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    project: str = ""  # whose it is: they share a limit of connections

    @property
    def problem(self) -> str:
        """Why no host can filter by it; empty if there is nothing wrong with it."""
        if not re.fullmatch(r"[0-9a-fA-F-]{11,36}", self.id):
            return "that is no id of a port"
        if not 1 <= self.number <= NUMBERS_END:
            return f"{self.number} is no number of a port"
        if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", self.mac):
            return f"{self.mac!r} is no MAC address"
        addresses = (_problem_of_address(each) for each in self.addresses)
        return _problem_of_segment(self.segment_id) or next(filter(None, addresses), "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FirewallSpec(Spec):
    """The whole filter of one host; `id` is the host's, `generation` the table's revision."""

    ports: tuple[FilteredPortSpec, ...] = ()
    groups: tuple[GroupSpec, ...] = ()


def _problem_of_segment(segment_id: int) -> str:
    return "" if 1 <= segment_id < SEGMENTS_END else f"{segment_id} is no segment of a network"


def _problem_of_address(address: str) -> str:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return f"{address!r} is no IPv4 address"
    return ""


def _is_network(cidr: str) -> bool:
    try:
        return ipaddress.ip_network(cidr, strict=False) is not None
    except ValueError:
        return False
