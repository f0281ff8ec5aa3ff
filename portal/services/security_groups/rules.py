"""What a rule of a security group may say, judged before any host hears of it.

The sentences are those of Neutron, where clients look for its words.
https://docs.openstack.org/api-ref/network/v2/#create-security-group-rule
"""

import ipaddress

from portal.errors import Refused
from portal.models import SecurityGroupRule
from workers.specs import RuleSpec

DIRECTIONS = ("ingress", "egress")
NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}  # IANA, protocol numbers
ICMP_OF_IPV6 = ("icmpv6", "ipv6-icmp")
KNOWN = ("icmp", "tcp", "udp", *ICMP_OF_IPV6)
LONGEST_NETWORK = 43  # characters: of an IPv6 network that is written out
LARGEST_PORT, LARGEST_OF_ICMP = 65_535, 255


def plain_protocol(protocol: str) -> str:
    """The protocol by the name that hosts know it by; empty for any."""
    name = NUMBERS.get(protocol, protocol)
    return "icmp" if name in ICMP_OF_IPV6 else name


def check_rule(rule: SecurityGroupRule) -> None:
    """Return when every host can filter by the rule. Raises Refused. For use before it is
    written."""
    _check_direction(rule.direction)
    _check_protocol(rule)
    _check_ports(rule)
    _check_remote(rule)
    if problem := rule_spec(rule).problem:
        raise Refused(
            "No host can filter by this rule: {problem}. Correct it and try again.", problem=problem
        )


def rule_spec(rule: SecurityGroupRule) -> RuleSpec:
    """The rule as hosts are told of it."""
    return RuleSpec(
        direction=rule.direction,
        protocol=plain_protocol(rule.protocol or ""),
        port_min=rule.port_min,
        port_max=rule.port_max,
        remote_cidr=rule.remote_cidr or "",
        remote_group=str(rule.remote_group_id) if rule.remote_group_id else "",
    )


def network_of(prefix: str) -> str:
    """A remote network as it is kept: as it was written, an address alone with its length. Raises
    Refused."""
    try:
        network = ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        network = None
    strange = prefix.isdigit() or "%" in prefix or len(prefix) > LONGEST_NETWORK
    if network is None or strange:
        raise Refused(
            "'{prefix}' is no network: write it like 10.0.0.0/24.",
            prefix=prefix,
            field="remote_cidr",
        )
    return prefix if "/" in prefix else str(network)


def _check_direction(direction: str) -> None:
    if direction not in DIRECTIONS:
        raise Refused(
            "'{direction}' is no direction: {known:list}.",
            direction=direction,
            known=DIRECTIONS,
            field="direction",
        )


def _check_protocol(rule: SecurityGroupRule) -> None:
    protocol = rule.protocol or ""
    name = NUMBERS.get(protocol, protocol)
    if name and name not in KNOWN:
        raise Refused(
            "Security group rule protocol {protocol} not supported. Only protocol values "
            "{known:list} are supported.",
            protocol=protocol,
            known=[*KNOWN, *NUMBERS],
            field="protocol",
        )
    if name in ICMP_OF_IPV6 and rule.version == 4:
        raise Refused(
            "Invalid ethertype {ethertype} for protocol {protocol}.",
            ethertype="IPv4",
            protocol=protocol,
            field="protocol",
        )


def _check_ports(rule: SecurityGroupRule) -> None:
    low, high = rule.port_min, rule.port_max
    if low is high is None:
        return
    if not rule.protocol:
        raise Refused("Must also specify protocol if port range is given.", field="port_min")
    for port in (low, high):
        if port is not None and not 0 <= port <= LARGEST_PORT:
            raise Refused("Invalid value for port {port}", port=port, field="port_min")
    if plain_protocol(rule.protocol) == "icmp":
        _check_icmp(low, high)
    elif low is None or high is None or low > high:
        raise Refused(
            "For TCP/UDP protocols, port_range_min must be <= port_range_max", field="port_min"
        )


def _check_icmp(kind: int | None, code: int | None) -> None:
    for name, value in (("type", kind), ("code", code)):
        if value is not None and value > LARGEST_OF_ICMP:
            raise Refused(
                "Invalid value for ICMP {name} {value}. It must be 0 to {most}.",
                name=name,
                value=value,
                most=LARGEST_OF_ICMP,
                field="port_min",
            )
    if kind is None:
        raise Refused(
            "ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is "
            "missing.",
            code=code,
            field="port_min",
        )


def _check_remote(rule: SecurityGroupRule) -> None:
    if not rule.remote_cidr:
        return
    if rule.remote_group_id:
        raise Refused(
            "Only remote_ip_prefix or remote_group_id may be provided.", field="remote_cidr"
        )
    network = ipaddress.ip_network(network_of(rule.remote_cidr), strict=False)
    if network.version != (rule.version or 4):
        raise Refused(
            "Conflicting value ethertype {ethertype} for CIDR {cidr}",
            ethertype=f"IPv{rule.version or 4}",
            cidr=rule.remote_cidr,
            field="remote_cidr",
        )
