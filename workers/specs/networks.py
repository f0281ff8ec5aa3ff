"""Networks as a host serves them."""

import dataclasses
import ipaddress
import re

from workers.specs.spec import Spec

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"  # RFC 1123


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeaseSpec:
    """An address that DHCP gives to one MAC and to no other."""

    mac: str
    address: str
    hostname: str

    @property
    def problem(self) -> str:
        """Why no host can give it, whatever its network; empty if nothing is wrong with it."""
        if not is_mac(self.mac):
            return f"{self.mac!r} is no MAC address of one device"
        return _problem_of_name(self.hostname)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NameSpec:
    """A name that DNS knows on the network."""

    hostname: str
    address: str

    @property
    def problem(self) -> str:
        """Why no host can know it, whatever its network; empty if nothing is wrong with it."""
        return _problem_of_name(self.hostname)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RouteSpec:
    """A way that DHCP tells guests of: to `cidr` by the router at `gateway`."""

    cidr: str
    gateway: str

    @property
    def problem(self) -> str:
        """Why nobody can go there; empty if nothing is wrong with it."""
        try:
            ipaddress.IPv4Network(self.cidr)
        except ValueError:
            return f"{self.cidr!r} is no IPv4 network"
        return "" if is_address(self.gateway) else f"{self.gateway!r} is no IPv4 address"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubnetSpec:
    """A range of addresses on a network, where in it the host answers, and what DHCP tells guests
    there."""

    cidr: str
    gateway: str
    dhcp_address: str  # where dnsmasq listens
    routed: bool = True  # whether guests are told of the gateway
    dhcp: bool = True  # whether guests are told anything
    resolvers: tuple[str, ...] = ()  # whom guests ask for names; none: this host
    routes: tuple[RouteSpec, ...] = ()

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The range. Raises ValueError for what is none."""
        return ipaddress.IPv4Network(self.cidr)

    @property
    def problem(self) -> str:
        """Why no host can serve it, whatever its network; empty if nothing is wrong with it."""
        try:
            network = self.network
        except ValueError:
            return f"{self.cidr!r} is no IPv4 network"
        for address in (self.gateway, self.dhcp_address):
            if not is_host(address, network):
                return f"{address!r} is no address of a host in {network}"
        if self.gateway == self.dhcp_address:
            return "gateway and DHCP have the same address"
        for address in self.resolvers:
            if not is_address(address):
                return f"{address!r} is no IPv4 address"
        return next(filter(None, (each.problem for each in self.routes)), "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkSpec(Spec):
    """A network's whole table on one host: bridge, DHCP, DNS, and the way out.

    `generation` is the revision of the table. The gateways of all subnets are one device with one
    MAC, the same on every host.
    """

    segment_id: int
    mtu: int
    gateway_mac: str
    dns_domain: str
    subnets: tuple[SubnetSpec, ...]  # oldest first
    nat: bool = True  # whether guests reach the outside by source NAT
    leases: tuple[LeaseSpec, ...] = ()  # of the guests on this host, oldest first; DNS knows them
    names: tuple[NameSpec, ...] = ()  # of the network's guests on other hosts


def is_mac(text: str) -> bool:
    """Whether it is the MAC address of one device (IEEE 802: the first octet is even)."""
    return bool(re.fullmatch(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", text))


def is_name(text: str) -> bool:
    """Whether it is a DNS name."""
    return len(text) <= 200 and bool(re.fullmatch(rf"{LABEL}(\.{LABEL})*", text))


def is_address(text: str) -> bool:
    """Whether it is an IPv4 address."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def is_host(text: str, network: ipaddress.IPv4Network) -> bool:
    """Whether it is the IPv4 address of a host in this network."""
    try:
        found = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return found in network and found not in (network.network_address, network.broadcast_address)


def _problem_of_name(hostname: str) -> str:
    sound = is_name(hostname) and "." not in hostname
    return "" if sound else f"{hostname!r} is no host name"
