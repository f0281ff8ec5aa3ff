"""Tables of networks and filters, as tests give them to a host."""

import uuid
from ipaddress import ip_address

from workers.specs import (
    FirewallSpec,
    GroupSpec,
    Held,
    NetworkSpec,
    RuleSpec,
    SubnetSpec,
)


def network(segment: int, *cidrs: str, **changes) -> NetworkSpec:
    """The table of a network without guests; its one subnet is 10.0.0.0/24 unless others are
    named."""
    whole = {
        "id": str(uuid.uuid4()),
        "generation": 1,
        "segment_id": segment,
        "mtu": 1450,
        "gateway_mac": f"0a:00:00:00:00:{segment % 256:02x}",
        "dns_domain": "shop.internal",
        "subnets": tuple(map(subnet, cidrs or ("10.0.0.0/24",))),
    }
    return NetworkSpec(**{**whole, **changes})


def subnet(cidr: str = "10.0.0.0/24", **changes) -> SubnetSpec:
    """A subnet whose first address is its gateway, and whose second answers DHCP and DNS."""
    start = cidr.split("/")[0].rsplit(".", 1)[0]
    whole = {"cidr": cidr, "gateway": f"{start}.1", "dhcp_address": f"{start}.2"}
    return SubnetSpec(**{**whole, **changes})


def subnet_of(network: NetworkSpec, address: str) -> SubnetSpec:
    """The subnet that has this address."""
    [found] = (each for each in network.subnets if ip_address(address) in each.network)
    return found


def held(spec: NetworkSpec) -> Held:
    """What a host says that holds the table."""
    return Held(kind="networks", id=spec.id, generation=spec.generation)


def firewall(generation: int, ports, *groups: GroupSpec) -> FirewallSpec:
    return FirewallSpec(id="ptest", generation=generation, ports=tuple(ports), groups=groups)


def group(group_id: str, *rules: RuleSpec, members=()) -> GroupSpec:
    return GroupSpec(id=group_id, rules=rules, members=tuple(members))


OUT = RuleSpec(direction="egress")


def opening(protocol: str, port: int | None = None, **remote) -> RuleSpec:
    return RuleSpec(direction="ingress", protocol=protocol, port_min=port, port_max=port, **remote)
