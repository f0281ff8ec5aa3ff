"""Networks as a host serves them."""

import dataclasses

from workers.specs.spec import Spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeaseSpec:
    """An address that DHCP gives to one MAC and to no other."""

    mac: str
    address: str
    hostname: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class NameSpec:
    """A name that DNS knows on the network."""

    hostname: str
    address: str


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
    nat: bool = True  # whether guests reach the outside by source NAT
    leases: tuple[LeaseSpec, ...] = ()  # of the guests on this host; DNS knows them too
    names: tuple[NameSpec, ...] = ()  # of the network's guests on other hosts
