"""What may pass between guests and everything else."""

import dataclasses

from workers.specs.spec import Spec


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
class MemberSpec:
    """An address of a group's member, which means nothing outside of its own network."""

    segment_id: int
    address: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupSpec:
    """A security group: its rules, and its members on all hosts."""

    id: str
    rules: tuple[RuleSpec, ...] = ()
    members: tuple[MemberSpec, ...] = ()


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
