"""MAC and IPv4 addresses of ports. Unique constraints decide, not checks."""

import ipaddress
import secrets
import uuid
from collections.abc import Iterator

from sqlalchemy import select

from portal.db import session
from portal.errors import Conflict
from portal.models import Port, Subnet

OUI = (0xFA, 0x16, 0x3E)  # locally administered, as OpenStack's guests have it


def free(subnet: Subnet) -> Iterator[str]:
    """The addresses of a subnet that nobody holds, lowest first. Raises Conflict when the last one
    has been taken. Call it under the lock of the network's project."""
    taken = set(session.scalars(select(Port.address).where(Port.subnet_id == subnet.id)))
    taken |= {subnet.gateway, subnet.dhcp_address}
    for address in ipaddress.ip_network(subnet.cidr).hosts():
        if str(address) not in taken:
            yield str(address)
    raise Conflict(
        f"Every address of {subnet.cidr} on the network {subnet.network.name} is taken. "
        "Choose another network, or delete an instance there."
    )


def new_mac() -> str:
    """A random MAC of ours: 24 bits of chance, and a constraint that catches the rest."""
    return ":".join(f"{byte:02x}" for byte in (*OUI, *secrets.token_bytes(3)))


def new_port(subnet: Subnet, instance_id: uuid.UUID, address: str, groups: list) -> Port:
    """A place on `subnet` for an instance."""
    return Port(
        network_id=subnet.network_id,
        subnet_id=subnet.id,
        instance_id=instance_id,
        mac=new_mac(),
        address=address,
        groups=groups,
    )
