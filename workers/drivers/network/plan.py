"""What a network is made of on a host, as data. Touches nothing.

    host                                      namespace pnet-<id>
      bridge pbr<segment> ── pdhcp<segment> ═══ dhcp      dnsmasq listens here
             │    │
             │    └───────── pgate<segment> ═══ gateway   namespace prouter-<id>
           taps of guests    pout<segment>  ═══ outside   routing and source NAT
                                  │
                              the world

All subnets of a network share its segment and its legs: `dhcp` and `gateway` have an address in
each. The host has no address on the bridge and speaks no IPv6 on any of it. A VXLAN device will be
one more port of the bridge.
"""

import dataclasses
import hashlib
import re
from collections import Counter
from dataclasses import dataclass

from workers.drivers import names
from workers.drivers.filter.readable import shortened
from workers.drivers.router import nat_rules
from workers.errors import Permanent
from workers.specs import NetworkSpec, SubnetSpec
from workers.specs.networks import is_host, is_mac, is_name

# pyroute2's names; ip-link(8) shows them without br_
BRIDGE = {
    "br_stp_state": 0,
    "br_forward_delay": 0,  # hundredths of a second; a new port forwards at once
    "br_mcast_snooping": 0,
    "br_nf_call_iptables": 1,  # this bridge alone calls the filter, see firewall_rules
}


@dataclass(frozen=True, kw_only=True)
class Link:
    """A device in the namespace of the host."""

    name: str
    kind: str  # "bridge" or "veth"
    mtu: int
    bridge: str = ""  # that it is a port of
    addresses: tuple[str, ...] = ()  # IPv4, with prefix length
    up: bool = True  # and, of a pair, the other end too
    silent: bool = True  # the host speaks no IPv6 on it
    settings: tuple[tuple[str, int], ...] = ()  # of a bridge


@dataclass(frozen=True, kw_only=True)
class Leg:
    """A pair of devices from the host into a namespace."""

    host: Link
    name: str  # of the end inside
    addresses: tuple[str, ...]  # of the end inside, IPv4, with prefix length
    mac: str = ""  # of the end inside; empty: the kernel's choice


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """A namespace and all that is in it."""

    name: str
    legs: tuple[Leg, ...]
    forwards: bool = False
    default_gateway: str = ""
    rules: str = ""  # its whole nftables table


def namespaces(spec: NetworkSpec) -> tuple[Namespace, ...]:
    """The namespaces of a network. The default route of dnsmasq's is for the questions that it
    asks other resolvers, by way of the oldest subnet."""
    bridge = names.bridge(spec.segment_id)
    dhcp = Leg(
        host=Link(name=names.dhcp_leg(spec.segment_id), kind="veth", mtu=spec.mtu, bridge=bridge),
        name="dhcp",
        addresses=tuple(f"{each.dhcp_address}/{each.network.prefixlen}" for each in spec.subnets),
        mac=dhcp_mac(spec.id),
    )
    gateway = Leg(
        host=Link(
            name=names.gateway_leg(spec.segment_id), kind="veth", mtu=spec.mtu, bridge=bridge
        ),
        name="gateway",
        addresses=tuple(f"{each.gateway}/{each.network.prefixlen}" for each in spec.subnets),
        mac=spec.gateway_mac,
    )
    transit = nat_rules.transit(spec.segment_id)
    outside = Leg(
        host=Link(
            name=names.outside_leg(spec.segment_id),
            kind="veth",
            mtu=spec.mtu,
            addresses=(f"{transit.host}/31",),
        ),
        name="outside",
        addresses=(f"{transit.router}/31",),
    )
    return (
        Namespace(
            name=names.network_namespace(spec.id),
            legs=(dhcp,),
            default_gateway=spec.subnets[0].gateway,
        ),
        Namespace(
            name=names.router_namespace(spec.id),
            legs=(gateway, outside) if spec.nat else (gateway,),
            forwards=True,
            default_gateway=transit.host if spec.nat else "",
            rules=nat_rules.router_rules(spec),
        ),
    )


def bridge(segment_id: int, mtu: int) -> Link:
    """The bridge of a network."""
    settings = tuple(sorted((name.removeprefix("br_"), value) for name, value in BRIDGE.items()))
    return Link(name=names.bridge(segment_id), kind="bridge", mtu=mtu, settings=settings)


def links(spec: NetworkSpec) -> tuple[Link, ...]:
    """Every device of a network in the namespace of the host."""
    legs = (leg.host for namespace in namespaces(spec) for leg in namespace.legs)
    return (bridge(spec.segment_id, spec.mtu), *legs)


def dhcp_mac(network_id: str) -> str:
    """The MAC of dnsmasq: the same after every repair, so that no guest has to ask for it anew.
    Locally administered (IEEE 802)."""
    octets = hashlib.sha256(f"dhcp {network_id}".encode()).digest()[:5]
    return "0a:" + ":".join(f"{octet:02x}" for octet in octets)


def check(spec: NetworkSpec) -> None:
    """Refuse a network that cannot be, or that would not be what it seems in a file. What may be
    wrong with single rows of its table is for `readable`."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", spec.id):
        raise Permanent(f"{spec.id!r} is no id of a network")
    nat_rules.transit(spec.segment_id)
    if not 576 <= spec.mtu <= 65_535:
        raise Permanent(f"MTU {spec.mtu} is not between 576 and 65535")
    if not is_mac(spec.gateway_mac):
        raise Permanent(f"{spec.gateway_mac!r} is no MAC address of one device")
    if not is_name(spec.dns_domain):
        raise Permanent(f"{spec.dns_domain!r} is no DNS domain")


def readable(spec: NetworkSpec) -> tuple[NetworkSpec, tuple[str, ...]]:
    """The table without the subnets, leases and names that make no sense by themselves or beside
    others, and what is wrong with those, in sentences. Raises `Permanent` if no subnet is left:
    then there is nothing to serve."""
    left_out: list[str] = []
    subnets = _sound_subnets(spec.subnets, left_out)
    if not subnets:
        raise Permanent("; ".join(left_out) or "the network has no subnet")
    taken = Counter(each.address for each in (*spec.leases, *spec.names))
    taken.update(own for each in subnets for own in (each.gateway, each.dhcp_address))
    ranges = [each.network for each in subnets]

    def sound(what: str, rows: tuple) -> tuple:
        kept = []
        for row in rows:
            problem = row.problem
            if not problem and not any(is_host(row.address, each) for each in ranges):
                ours = " or ".join(map(str, ranges))
                problem = f"{row.address!r} is no address of a host in {ours}"
            if not problem and taken[row.address] > 1:
                problem = "another one has the same address"
            if problem:
                left_out.append(f"the {what} of {row.hostname!r} ({row.address}): {problem}")
            else:
                kept.append(row)
        return tuple(kept)

    leases, names_ = sound("lease", spec.leases), sound("name", spec.names)
    whole = dataclasses.replace(spec, subnets=subnets, leases=leases, names=names_)
    return whole, shortened(left_out)


def _sound_subnets(subnets: tuple[SubnetSpec, ...], left_out: list[str]) -> tuple[SubnetSpec, ...]:
    """The subnets that a host can serve. Of two that overlap, the older one stays: guests may be
    on it already."""
    kept: list[SubnetSpec] = []
    for each in subnets:
        problem = each.problem or next(
            (f"it overlaps {old.cidr}" for old in kept if old.network.overlaps(each.network)), ""
        )
        if problem:
            left_out.append(f"the subnet {each.cidr!r}: {problem}")
        else:
            kept.append(each)
    return tuple(kept)
