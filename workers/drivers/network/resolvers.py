"""Where the DNS of guests asks further: the resolvers of the host."""

import contextlib
import ipaddress
from pathlib import Path

from workers.drivers.router import nat_rules
from workers.specs import NetworkSpec

# systemd-resolved listens on 127.0.0.53 and keeps those it asks itself in the second
FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def upstream(spec: NetworkSpec) -> tuple[str, ...]:
    """Arguments of dnsmasq(8). A network without a way out answers only for its own names."""
    if not spec.nat:
        return ("--no-resolv",)
    for file in FILES:
        if _remote(file) and not _within(spec, _remote(file)):
            return (f"--resolv-file={file}",)  # followed when it changes
    if lent():
        return ("--no-resolv", f"--server={nat_rules.transit(spec.segment_id).host}")
    return ("--no-resolv",)


def remote() -> tuple[str, ...]:
    """The IPv4 resolvers that the host asks by an address that others can use too."""
    return next((found for file in FILES if (found := _remote(file))), ())


def lent() -> str:
    """The resolver that the host asks on behalf of networks which cannot: it is on its loopback
    device, or has an address that in a network is a guest's. Empty if there is none."""
    return next((each for file in FILES for each in (*_remote(file), *_nameservers(file))), "")


def obstacle() -> tuple[str, str] | None:
    """What keeps guests from resolving names of the outside, and the way out of it."""
    named = [each for file in FILES for each in _named(file)]
    if lent() or not named:
        return None
    return (
        f"guests resolve no names but their own: of this host's resolvers ({', '.join(named)}) "
        "none has an IPv4 address",
        "Name one that has in /etc/resolv.conf",
    )


def _within(spec: NetworkSpec, resolvers: tuple[str, ...]) -> bool:
    """Whether one of them would be looked for among the network's own guests."""
    ranges = [each.network for each in spec.subnets]
    return any(ipaddress.IPv4Address(each) in network for each in resolvers for network in ranges)


def _remote(file: Path) -> tuple[str, ...]:
    return tuple(each for each in _nameservers(file) if not each.startswith("127."))


def _nameservers(file: Path) -> tuple[str, ...]:
    """The IPv4 ones."""
    found = []
    for each in _named(file):
        with contextlib.suppress(ValueError):
            found.append(str(ipaddress.IPv4Address(each)))
    return tuple(found)


def _named(file: Path) -> tuple[str, ...]:
    """All of resolv.conf(5), whatever is in its remarks."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    return tuple(each[1] for each in words if len(each) > 1 and each[0] == "nameserver")
