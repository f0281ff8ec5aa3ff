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


def free(subnet: Subnet) -> Iterator[tuple[str, str]]:
    """The addresses of a subnet that nobody holds, lowest first, each with a MAC that nobody on
    its network bears. Raises Conflict when the last one has been taken. Call it under the lock of
    the network's project."""
    macs, taken = {subnet.gateway_mac}, {subnet.gateway, subnet.dhcp_address}
    for mac, address in session.execute(
        select(Port.mac, Port.address).where(Port.network_id == subnet.network_id)
    ):
        macs.add(mac)
        taken.add(address)
    for address in ipaddress.ip_network(subnet.cidr).hosts():
        if str(address) not in taken:
            while (mac := new_mac()) in macs:
                pass
            macs.add(mac)
            yield str(address), mac
    raise Conflict(
        f"Every address of {subnet.cidr} on the network {subnet.network.name} is taken. "
        "Choose another network, or delete an instance there."
    )


def new_mac() -> str:
    """A random MAC of ours."""
    return ":".join(f"{byte:02x}" for byte in (*OUI, *secrets.token_bytes(3)))


def new_port(
    subnet: Subnet, instance_id: uuid.UUID, *, address: str, mac: str, groups: list
) -> Port:
    """A place on `subnet` for an instance."""
    return Port(
        network_id=subnet.network_id,
        subnet_id=subnet.id,
        instance_id=instance_id,
        mac=mac,
        address=address,
        groups=groups,
    )
