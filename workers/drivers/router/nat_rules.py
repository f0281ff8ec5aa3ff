"""The way out of a network, as text for nftables. Touches nothing.

Between the gateway of a network and its host lies a transit: a pair of devices with two addresses
that follow from the segment id, so there is nothing to allocate and nothing to lose. The gateway
gives what leaves its own transit address (networks may have equal addresses behind it), and the
host gives that its own towards the world. They are of 100.64.0.0/10 (RFC 6598), which holds
2,097,151 segments, or of the range that the host's settings name, should it use those itself.
"""

import ipaddress
from dataclasses import dataclass

from workers.errors import Permanent
from workers.specs import NetworkSpec

ADMIN_PROHIBITED = "reject with icmp type admin-prohibited"  # RFC 1812, section 5.2.7.1


_range = ipaddress.IPv4Network("100.64.0.0/10")  # until a host's settings are known


def lay_in(network: str) -> None:
    """The transits of this process's host lie in this range."""
    global _range
    _range = ipaddress.IPv4Network(network)


def transits() -> ipaddress.IPv4Network:
    """The range of all transits."""
    return _range


@dataclass(frozen=True)
class Transit:
    """The two ends of the link between a host and a gateway: a /31, RFC 3021."""

    host: str
    router: str


def transit(segment_id: int) -> Transit:
    """The addresses of the link to the gateway of this segment. Raises `Permanent` for a segment
    that the range has no room for."""
    most = _range.num_addresses // 2 - 1
    if not 1 <= segment_id <= most:
        raise Permanent(f"segment {segment_id} is not between 1 and {most}")
    first = _range.network_address + 2 * segment_id
    return Transit(host=str(first), router=str(first + 1))


def router_rules(spec: NetworkSpec) -> str:
    """The table `ip portico` of the namespace that holds the gateway.

    Guests reach the other subnets of their network, and the outside, if the network has a way out,
    and nobody begins to speak to a guest from there. The gateway itself answers pings and nothing
    else."""
    ranges = f"{{ {', '.join(str(each.network) for each in spec.subnets)} }}"
    passing = ""
    if len(spec.subnets) > 1:
        passing += f"""
        iifname "gateway" oifname "gateway" ip saddr {ranges} ip daddr {ranges} accept"""
    if spec.nat:
        passing += f"""
        tcp flags syn tcp option maxseg size set rt mtu
        iifname "outside" oifname "gateway" ct state established,related accept
        iifname "gateway" oifname "outside" ip saddr {ranges} accept
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname "outside" snat to {transit(spec.segment_id).router}"""
    return f"""
table ip portico {{
    chain input {{
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        ct state established,related accept
        icmp type echo-request accept
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;{passing}
    }}
}}
"""


def outside_rules(
    *,
    resolvers: tuple[str, ...],
    lent_resolver: str = "",
    refused: tuple[str, ...] = (),
    allowed: tuple[str, ...] = (),
) -> str:
    """The table `ip portico_outside` of a host: the world's side of every transit.

    Gateways reach the world by the host's address, not each other, and of the host itself only
    its end of the transit by ping, and DNS: at `resolvers`, and at `lent_resolver` by the host's
    end of each transit. The world begins to speak to none of them. Nor do they reach the networks
    `refused`, but for the resolvers, and for what is `allowed`; neither may name an address twice.
    """
    answer_dns = ""
    if resolvers:
        addresses = ", ".join(sorted(set(resolvers)))
        answer_dns = f"""
        ip daddr {{ {addresses} }} meta l4proto {{ tcp, udp }} th dport 53 accept"""
    lend_resolver = ""
    if lent_resolver:
        answer_dns += """
        ct status dnat meta l4proto { tcp, udp } th dport 53 accept"""
        lend_resolver = f"""
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        iifname "pout*" fib daddr . iif type local meta l4proto {{ tcp, udp }} th dport 53 \\
            dnat to {lent_resolver}
    }}"""
    return f"""
table ip portico_outside {{
    chain loopback {{
        type filter hook prerouting priority raw; policy accept;
        iifname "pout*" ip daddr 127.0.0.0/8 drop
    }}{lend_resolver}
    chain input {{
        type filter hook input priority filter; policy accept;
        iifname != "pout*" accept
        ct state established,related accept
        icmp type echo-request fib daddr . iif type local accept{answer_dns}
        drop
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname "pout*" oifname "pout*" drop
        iifname "pout*" ip saddr {_range} goto outward
        iifname "pout*" drop
        oifname "pout*" ct state established,related accept
        oifname "pout*" drop
    }}
    chain outward {{{answer_dns}{_verdicts(allowed, "accept")}{_verdicts(refused, ADMIN_PROHIBITED)}
        accept
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        iifname "pout*" ip saddr {_range} masquerade
    }}
}}
"""


def _verdicts(networks: tuple[str, ...], verdict: str) -> str:
    return f"\n        ip daddr {{ {', '.join(networks)} }} {verdict}" if networks else ""
