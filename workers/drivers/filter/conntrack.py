"""Connections that the kernel keeps passing although the filter would no longer let them begin.

The filter asks its rules only about the first packet of a connection. After a table has become
narrower, each connection on our bridges is held against the rules here once more, and forgotten
when they refuse it: its next packet is then a first one. To forget too many is harmless for the
same reason, so this knows less than the kernel does (no ICMP codes of related packets) and keeps
only what it is sure of.
"""

import ipaddress
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from workers.drivers.filter import firewall_rules
from workers.specs import FilteredPortSpec, FirewallSpec, MemberSpec, RuleSpec

PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}


@dataclass(frozen=True)
class Flow:
    """A connection, seen from the side that began it."""

    zone: int
    protocol: int  # IANA's number
    source: str
    destination: str
    source_port: int | None = None
    port: int | None = None  # of the destination; for ICMP the type
    code: int | None = None  # for ICMP


class Judge:
    """Says of a connection whether a table would let it begin."""

    def __init__(self, spec: FirewallSpec):
        zones = firewall_rules.zones_of(port.segment_id for port in spec.ports)
        self._ports = {
            (zones[port.segment_id], address): port
            for port in spec.ports
            for address in port.addresses
        }
        self._members = {group.id: set(group.members) for group in spec.groups}
        self._segments = {zone: segment for segment, zone in zones.items()}
        self._rules: dict[tuple[str, str], list[RuleSpec]] = defaultdict(list)
        for group in spec.groups:
            for rule in group.rules:
                self._rules[group.id, rule.direction].append(rule)

    def allows(self, flow: Flow) -> bool:
        """Whether an end of it is a guest's, and each end that is a guest's lets it pass."""
        sender = self._ports.get((flow.zone, flow.source))
        receiver = self._ports.get((flow.zone, flow.destination))
        if not sender and not receiver:
            return False
        return (not sender or self._passes(sender, "egress", flow, flow.destination)) and (
            not receiver or self._passes(receiver, "ingress", flow, flow.source)
        )

    def _passes(self, port: FilteredPortSpec, direction: str, flow: Flow, remote: str) -> bool:
        return any(
            self._matches(rule, flow, remote)
            for group in port.groups
            for rule in self._rules[group, direction]
        )

    def _matches(self, rule: RuleSpec, flow: Flow, remote: str) -> bool:
        if rule.remote_group:
            member = MemberSpec(segment_id=self._segments[flow.zone], address=remote)
            if member not in self._members[rule.remote_group]:
                return False
        if rule.remote_cidr:
            network = ipaddress.ip_network(rule.remote_cidr, strict=False)
            if ipaddress.ip_address(remote) not in network:
                return False
        if not rule.protocol:
            return True
        if PROTOCOLS.get(flow.protocol) != rule.protocol:
            return False
        if rule.protocol == "icmp":
            return rule.port_min in (None, flow.port) and rule.port_max in (None, flow.code)
        low = 0 if rule.port_min is None else rule.port_min
        high = 65_535 if rule.port_max is None else rule.port_max
        return flow.port is not None and low <= flow.port <= high


def narrows(old: FirewallSpec, new: FirewallSpec) -> bool:
    """Whether `new` may refuse anything that `old` lets pass. Errs towards yes."""
    groups = {group.id: group for group in new.groups}
    ports = {port.id: port for port in new.ports}
    zones = [firewall_rules.zones_of(port.segment_id for port in spec.ports) for spec in (old, new)]
    for group in old.groups:
        now = groups.get(group.id)
        if now is None or set(group.rules) - set(now.rules):
            return True
        if set(group.members) - set(now.members):
            return True
    for port in old.ports:
        now = ports.get(port.id)
        if now is None or port.segment_id != now.segment_id or port.mac != now.mac:
            return True
        if set(port.addresses) - set(now.addresses) or set(port.groups) - set(now.groups):
            return True
        if zones[0][port.segment_id] != zones[1][port.segment_id]:
            return True
    return False


def forget_refused(spec: FirewallSpec, *, zones: Iterable[int]) -> int:
    """The kernel keeps no connection in these zones that the table would not let begin.
    Returns how many were forgotten. Every other zone is left alone."""
    judge, zones = Judge(spec), set(zones)
    refused = [flow for flow in flows() if flow.zone in zones and not judge.allows(flow)]
    if refused:
        with tempfile.NamedTemporaryFile("w", prefix="portico-", suffix=".flows") as batch:
            batch.writelines(f"{deletion(flow)}\n" for flow in refused)
            batch.flush()
            # what ended by itself meanwhile is no error to conntrack(8) in a batch
            subprocess.run(
                ["conntrack", "-R", batch.name], check=True, capture_output=True, timeout=60
            )
    return len(refused)


def flows() -> list[Flow]:
    """Every IPv4 connection of this network namespace that is in a zone."""
    listed = subprocess.run(
        ["conntrack", "-L", "-f", "ipv4"], check=True, capture_output=True, text=True, timeout=60
    )
    return [flow for line in listed.stdout.splitlines() if (flow := parse(line))]


def parse(line: str) -> Flow | None:
    """A line of `conntrack -L`; None for a connection in no zone."""
    zone = re.search(r" zone=(\d+)", line)
    number = re.match(r"\S+\s+(\d+) ", line)
    if not zone or not number:
        return None
    first = {}
    for key, value in re.findall(r" (src|dst|sport|dport|type|code)=(\S+)", line):
        first.setdefault(key, value)  # the second of each belongs to the reply
    target = first.get("dport", first.get("type"))
    return Flow(
        zone=int(zone[1]),
        protocol=int(number[1]),
        source=first["src"],
        destination=first["dst"],
        source_port=int(first["sport"]) if "sport" in first else None,
        port=int(target) if target else None,
        code=int(first["code"]) if "code" in first else None,
    )


def deletion(flow: Flow) -> str:
    """What conntrack(8) is told to forget the connection."""
    words = f"-D -w {flow.zone} -p {flow.protocol} -s {flow.source} -d {flow.destination}"
    if flow.protocol in (6, 17):
        words += f" --sport {flow.source_port} --dport {flow.port}"
    return words
