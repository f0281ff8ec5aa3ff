"""The filter between guests and everything else, as text for nftables. Touches nothing.

Four steps for each frame, since bridges of this family cannot see connections:

1. `bridge portico`, prerouting: what a guest's tap sends must bear its MAC and one of its
   addresses, or is dropped. The packet mark becomes the number of the sending port.
2. `inet portico`, prerouting (br_netfilter hands the frame over; `iifname` is the bridge): each
   bridge has a conntrack zone of its own, so equal addresses on two networks never meet. The mark
   leads to the egress rules of the port's groups. A member of a group is known by its bridge and
   its address.
3. `bridge portico`, forward: the mark becomes the number of the port that the frame really leaves
   by, 0 for a leg of ours (DHCP, gateway), which is not filtered.
4. `inet portico`, forward: the mark leads to the ingress rules.

A connection that a rule lets begin is counted on its way to the seal: a port may have so many at a
time, and so may all ports of a project. What a guest says to port 67 of UDP reaches its network's
DHCP server and nothing else, whatever its groups say, and speaks for its own MAC.

Whatever steps 2 and 4 let pass is *sealed*: its mark becomes SEAL. A second pair of tables, the
guard, is static and drops each frame from or to a device named ptap* that bears no seal. So a
tap in no table, a table that somebody deleted, or a bridge that does not call step 2 and 4 lets
nothing pass. Guests speak IPv4 and ARP; all else is dropped.
"""

import dataclasses
import hashlib
import ipaddress
from collections.abc import Iterable

from workers.drivers import names
from workers.errors import Permanent
from workers.specs import FilteredPortSpec, FirewallSpec, GroupSpec, RuleSpec

SEAL = 0xFFFFFFFF  # larger than any number of a port
CROWDED_MINUTES = 10  # for so long it is said that a limit of connections was met
ZONES = 65_535  # conntrack zones have 16 bits; 0 is the host's own

GUARD = f"""
table bridge portico_guard {{
    chain from_guests {{
        type filter hook forward priority -210; policy accept;
        iifname "ptap*" meta mark != {SEAL:#x} drop
    }}
    chain to_guests {{
        type filter hook forward priority 210; policy accept;
        oifname "ptap*" meta mark != {SEAL:#x} drop
    }}
    chain to_host {{
        type filter hook input priority -210; policy accept;
        iifname "ptap*" drop
        iifname "pdhcp*" drop
        iifname "pgate*" drop
    }}
    chain from_host {{
        type filter hook output priority -210; policy accept;
        oifname "ptap*" drop
        oifname "pdhcp*" drop
        oifname "pgate*" drop
    }}
}}
table inet portico_guard {{
    chain to_host {{
        type filter hook prerouting priority -310; policy accept;
        iifname "ptap*" drop
    }}
    chain from_host {{
        type filter hook output priority -310; policy accept;
        oifname "ptap*" drop
    }}
}}
"""

CHADDR = "@th,288,48"  # RFC 2131: for whom a message of DHCP speaks, behind 8 bytes of UDP

BRIDGE_CHAINS = f"""
    chain from_guests {{
        type filter hook prerouting priority -300; policy accept;
        iifname != "ptap*" accept
        iifname . ether saddr != @macs drop
        meta mark set iifname map @numbers
        ether type arp goto arp_from_guests
        ether type ip goto ipv4_from_guests
        drop
    }}
    chain arp_from_guests {{
        arp htype != 1 drop
        arp ptype != ip drop
        arp hlen != 6 drop
        arp plen != 4 drop
        iifname . arp saddr ether . arp saddr ip @addresses meta mark set {SEAL:#x} accept
        arp operation request arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs \\
            meta mark set {SEAL:#x} accept
        drop
    }}
    chain ipv4_from_guests {{
        udp sport 67 drop
        udp dport 67 goto dhcp_from_guests
        iifname . ether saddr . ip saddr @addresses accept
        drop
    }}
    chain dhcp_from_guests {{
        udp sport 68 iifname . {CHADDR} @chaddrs goto dhcp_of_oneself
        drop
    }}
    chain dhcp_of_oneself {{
        iifname . ether saddr . ip saddr @addresses accept
        ip saddr 0.0.0.0 ip daddr 255.255.255.255 accept
        drop
    }}
    chain to_guests {{
        type filter hook forward priority -200; policy accept;
        iifname "ptap*" oifname != "pdhcp*" ether type ip udp dport 67 drop
        iifname "ptap*" oifname != "ptap*" meta mark set 0 accept
        oifname != "ptap*" accept
        meta mark set 0
        meta mark set oifname map @numbers
        meta mark 0 drop
        ether type arp meta mark set {SEAL:#x} accept
        ether type ip accept
        drop
    }}
"""

INET_CHAINS = f"""
    chain sealed {{
        meta mark set {SEAL:#x} accept
    }}
    chain crowded {{
        update @crowded_ports {{ meta mark }} drop
    }}
    chain crowded_together {{
        update @crowded_projects {{ ct mark }} drop
    }}
    chain zones_of_bridges {{
        type filter hook prerouting priority raw; policy accept;
        ct zone set iifname map @zones
    }}
"""

INET_HOOKS = """
    chain from_guests {
        type filter hook prerouting priority -150; policy accept;
        iifname != "pbr*" accept
        meta mark 0 accept
        ct state established,related goto sealed
        ct state invalid drop
        udp sport 68 udp dport 67 goto sealed
        meta mark vmap @egress
        drop
    }
    chain to_guests {
        type filter hook forward priority filter; policy accept;
        iifname != "pbr*" accept
        meta mark 0 accept
        ct state established,related goto sealed
        ct state invalid drop
        udp sport 67 udp dport 68 goto sealed
        meta mark vmap @ingress
        drop
    }
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """How many connections there may be at a time, so that nobody fills the kernel's table."""

    port: int = 8_192  # of each port, in both directions
    project: int = 32_768  # of all ports of a project on a host


def ruleset(spec: FirewallSpec, limits: Limits | None = None) -> str:
    """The tables `bridge portico` and `inet portico` for all guests of a host, from a table as
    `readable` leaves it."""
    taps = {port.id: f'"{names.tap(port.id)}"' for port in spec.ports}
    macs = [f"{taps[port.id]} . {port.mac}" for port in spec.ports]
    addresses = [
        f"{taps[port.id]} . {port.mac} . {address}"
        for port in spec.ports
        for address in port.addresses
    ]
    numbers = [f"{taps[port.id]} : {port.number}" for port in spec.ports]
    limits = limits or Limits()
    chaddrs = [f"{taps[port.id]} . 0x{port.mac.replace(':', '')}" for port in spec.ports]
    projects = [
        f"{port.number} : {project_mark(port.project)}" for port in spec.ports if port.project
    ]
    zones = [
        f'"{names.bridge(segment)}" : {zone}' for segment, zone in zones_of(_segments(spec)).items()
    ]
    return "".join(
        (
            "table bridge portico {\n",
            _set("macs", "type ifname . ether_addr", macs),
            _set("addresses", "type ifname . ether_addr . ipv4_addr", addresses),
            _set("chaddrs", f"typeof iifname . {CHADDR}", chaddrs),
            _map("numbers", "type ifname : mark", numbers),
            BRIDGE_CHAINS,
            "}\ntable inet portico {\n",
            _map("zones", "typeof iifname : ct zone", zones),
            _map("projects", "type mark : mark", projects),
            _counted(limits),
            INET_CHAINS,
            *(_group(group) for group in spec.groups),
            *_profiles(spec.ports),
            _map("egress", "type mark : verdict", _verdicts("out", spec.ports)),
            _map("ingress", "type mark : verdict", _verdicts("in", spec.ports)),
            INET_HOOKS,
            "}\n",
        )
    )


def zones_of(segments: Iterable[int]) -> dict[int, int]:
    """A conntrack zone from 1 to 65535 for each segment, and no zone twice.

    A segment has the zone of its own number modulo 65535 and so keeps it whatever else is on the
    host, but where two meet, the larger takes the next free one. Raises `Permanent` for more
    segments than there are zones.
    """
    zones: dict[int, int] = {}
    taken: set[int] = set()
    segments = sorted(set(segments))
    if len(segments) > ZONES:
        raise Permanent(f"a host cannot filter more than {ZONES} networks")
    for segment in segments:
        zone = segment % ZONES or ZONES
        while zone in taken:
            zone = zone % ZONES + 1
        taken.add(zone)
        zones[segment] = zone
    return zones


def project_mark(project: str) -> int:
    """The number of a project in packet marks, which two should not share, but may."""
    return int.from_bytes(hashlib.sha256(project.encode()).digest()[:4]) or 1


def match(rule: RuleSpec) -> str:
    """What a packet must be for the rule to let it pass, in nft(8)'s words; empty for all.

    For ICMP `port_min` is the type and `port_max` the code, as in OpenStack's API."""
    remote = "ip saddr" if rule.direction == "ingress" else "ip daddr"
    parts = []
    if rule.remote_group:
        parts.append(f"iifname . {remote} @members_{_word(rule.remote_group)}")
    elif rule.remote_cidr:
        network = ipaddress.ip_network(rule.remote_cidr, strict=False)
        if network.prefixlen:
            parts.append(f"{remote} {network}")
    low, high = rule.port_min, rule.port_max
    match rule.protocol:
        case "icmp":
            parts.append(f"icmp type {low}" if low is not None else "ip protocol icmp")
            if high is not None:
                parts.append(f"icmp code {high}")
        case "tcp" | "udp" if low is None and high is None:
            parts.append(f"ip protocol {rule.protocol}")
        case "tcp" | "udp":
            low, high = 0 if low is None else low, 65_535 if high is None else high
            parts.append(f"{rule.protocol} dport {low}" + ("" if low == high else f"-{high}"))
    return " ".join(parts)


def _counted(limits: Limits) -> str:
    """Sets in which the kernel counts, which keep their names, and so their counts, for as long
    as the limit is the same; and the chain where what a rule lets begin is counted."""
    ports, projects = f"flows_of_ports_{limits.port}", f"flows_of_projects_{limits.project}"
    return f"""\
    set {ports} {{
        type mark; size 65535; flags dynamic;
    }}
    set {projects} {{
        type mark; size 65535; flags dynamic;
    }}
    set crowded_ports {{
        type mark; size 65535; flags dynamic,timeout; timeout {CROWDED_MINUTES}m;
    }}
    set crowded_projects {{
        type mark; size 65535; flags dynamic,timeout; timeout {CROWDED_MINUTES}m;
    }}
    chain begun {{
        add @{ports} {{ meta mark ct count over {limits.port} }} goto crowded
        ct mark set 0
        ct mark set meta mark map @projects
        ct mark 0 goto sealed
        add @{projects} {{ ct mark ct count over {limits.project} }} goto crowded_together
        goto sealed
    }}
"""


def _segments(spec: FirewallSpec) -> set[int]:
    return {port.segment_id for port in spec.ports}


def _word(group_id: str) -> str:
    """An id as nft(8) allows it in a name: without dashes."""
    return group_id.replace("-", "_")


def _group(group: GroupSpec) -> str:
    chains = {"ingress": [], "egress": []}
    for rule in group.rules:
        if ":" in rule.remote_cidr:
            continue  # IPv6 never gets here
        chains[rule.direction].append(f"        {f'{match(rule)} goto begun'.lstrip()}\n")
    word = _word(group.id)
    members = [f'"{names.bridge(each.segment_id)}" . {each.address}' for each in group.members]
    return (
        _set(f"members_{word}", "type ifname . ipv4_addr", members)
        + f"    chain in_{word} {{\n{''.join(dict.fromkeys(chains['ingress']))}    }}\n"
        + f"    chain out_{word} {{\n{''.join(dict.fromkeys(chains['egress']))}    }}\n"
    )


def _profile(port: FilteredPortSpec) -> str:
    """Ports that are in the same groups share chains of this name."""
    return hashlib.sha256(" ".join(sorted(set(port.groups))).encode()).hexdigest()[:16]


def _profiles(ports: tuple[FilteredPortSpec, ...]) -> list[str]:
    groups = {_profile(port): sorted(set(port.groups)) for port in ports}
    return [
        f"    chain ports_{way}_{profile} {{\n"
        + "".join(f"        jump {way}_{_word(group)}\n" for group in groups[profile])
        + "        drop\n    }\n"
        for profile in sorted(groups)
        for way in ("in", "out")
    ]


def _verdicts(way: str, ports: tuple[FilteredPortSpec, ...]) -> list[str]:
    return [f"{port.number} : goto ports_{way}_{_profile(port)}" for port in ports]


def _set(name: str, kind: str, elements: list[str]) -> str:
    return f"    set {name} {{\n        {kind}\n{_elements(elements)}    }}\n"


def _map(name: str, kind: str, elements: list[str]) -> str:
    return f"    map {name} {{\n        {kind}\n{_elements(elements)}    }}\n"


def _elements(elements: list[str]) -> str:
    """Sorted, so that equal tables are equal texts; nft(8) refuses an empty list."""
    each = ",\n            ".join(sorted(set(elements)))
    return f"        elements = {{\n            {each}\n        }}\n" if each else ""
