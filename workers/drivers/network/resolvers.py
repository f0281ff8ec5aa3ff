"""Where the DNS of guests asks further: the resolvers of the host."""

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
        if _remote(file):
            return (f"--resolv-file={file}",)  # followed when it changes
    if loopback():
        return ("--no-resolv", f"--server={nat_rules.transit(spec.segment_id).host}")
    return ("--no-resolv",)


def remote() -> tuple[str, ...]:
    """The IPv4 resolvers that the host asks by an address that others can use too."""
    return next((found for file in FILES if (found := _remote(file))), ())


def loopback() -> str:
    """The resolver on the host's loopback device, where it has no other; else empty."""
    if remote():
        return ""
    return next((each for file in FILES for each in _nameservers(file)), "")


def _remote(file: Path) -> tuple[str, ...]:
    return tuple(each for each in _nameservers(file) if not each.startswith("127."))


def _nameservers(file: Path) -> tuple[str, ...]:
    """The IPv4 ones of resolv.conf(5)."""
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return ()
    words = [line.split() for line in lines]
    return tuple(
        each[1] for each in words if len(each) > 1 and each[0] == "nameserver" and "." in each[1]
    )
