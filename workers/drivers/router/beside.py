"""What stands beside a host: the networks that it reaches by themselves, and not by its way to
everything else. Guests have no business there unless an administrator says so."""

import ipaddress
import json
import subprocess
from collections.abc import Iterable

# this host, its links, and what has no single place: RFC 1122, 3927, 5771, 1112
NEVER = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")
OURS = ("pbr", "pdhcp", "pgate", "pout", "ptap")
SHORTEST_PREFIX = 8  # of a route: shorter ones are halves of everything, as VPNs lay them


def subnets() -> tuple[str, ...]:
    """The IPv4 networks that this host has routes to, but for those of guests, now."""
    shown = subprocess.run(
        ["ip", "-json", "-4", "route", "show", "table", "all"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    found = set()
    for route in json.loads(shown or "[]"):
        if route.get("type", "unicast") != "unicast" or route.get("dst") == "default":
            continue
        network = ipaddress.IPv4Network(route["dst"])
        if network.prefixlen >= SHORTEST_PREFIX and not route.get("dev", "").startswith(OURS):
            found.add(str(network))
    return tuple(sorted(found))


def obstacle(transits: ipaddress.IPv4Network) -> tuple[str, str] | None:
    """What keeps the links to gateways from working, and what mends it: others use their range."""
    others = [each for each in subnets() if ipaddress.IPv4Network(each).overlaps(transits)]
    if not others:
        return None
    return (
        f"this host has routes to {', '.join(others)}, in the range {transits} of its links to "
        "gateways: guests may have no way out, or no names",
        "Set transit_range in the host's settings to a range that nothing uses, and start its "
        "worker and agent anew",
    )


def collapsed(cidrs: Iterable[str]) -> tuple[str, ...]:
    """These addresses in networks that do not overlap, as a set of nftables wants them."""
    return tuple(map(str, ipaddress.collapse_addresses(map(ipaddress.IPv4Network, cidrs))))
