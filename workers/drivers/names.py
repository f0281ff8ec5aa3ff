"""What things of ours are called on a host. Interface names are at most 15 bytes (IFNAMSIZ)."""

from pathlib import Path

TAP = "ptap"


def domain(instance_id: str) -> str:
    """The libvirt domain of an instance."""
    return f"instance-{instance_id}"


def bridge(segment_id: int) -> str:
    """The bridge of a network: at most 3 + 8 digits, since a VXLAN id has 24 bits (RFC 7348)."""
    return f"pbr{segment_id}"


def tap(port_id: str) -> str:
    """The tap of a port. The filter takes everything that begins with TAP for a guest's."""
    return f"{TAP}{port_id.replace('-', '')[:11]}"


def network_namespace(network_id: str) -> str:
    """Where dnsmasq of a network lives."""
    return f"pnet-{network_id}"


def router_namespace(network_id: str) -> str:
    """Where the gateway of a network lives."""
    return f"prouter-{network_id}"


def vnc_socket(runtime_directory: Path, instance_id: str) -> Path:
    """Where QEMU serves a guest's screen. A path of ours is given whole: under its own state
    directory libvirt turns a socket into an open TCP port without a password."""
    return runtime_directory / "vnc" / f"{instance_id}.sock"


def dhcp_leg(segment_id: int) -> str:
    """The end on the bridge of the pair that leads to dnsmasq."""
    return f"pdhcp{segment_id}"


def gateway_leg(segment_id: int) -> str:
    """The end on the bridge of the pair that leads to the gateway."""
    return f"pgate{segment_id}"


def outside_leg(segment_id: int) -> str:
    """The host's end of the pair that leads from the gateway to the outside."""
    return f"pout{segment_id}"
