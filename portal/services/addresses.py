"""MAC and IPv4 addresses of ports. Unique constraints decide, not checks.

Finding free addresses costs the same whether ten are taken or sixty thousand. Of a small subnet
all addresses are looked at, and the lowest free ones taken; of a large one as many by chance as
are enough unless it is nearly full. Only then the database looks through all that are taken.
"""

import ipaddress
import random
import secrets

from sqlalchemy import func, literal, select, union_all

from portal.db import session
from portal.errors import Conflict, Refused
from portal.models import FixedIp, Network, Port, SecurityGroup, Subnet
from workers.specs.networks import is_host, is_mac

OUI = (0xFA, 0x16, 0x3E)  # locally administered, as OpenStack's guests have it
LOOKS = 256  # at so many addresses, or so many for each that is wanted, whichever is more
LOOKS_EACH = 32

_chance = random.SystemRandom()


def free(network: Network, count: int) -> list[tuple[Subnet, str]]:
    """`count` addresses that nobody holds, of the network's subnets in their order. Raises
    Conflict when there are fewer. Call it under the lock of the network's project."""
    found: list[tuple[Subnet, str]] = []
    for subnet in network.subnets:
        first = ipaddress.ip_network(subnet.cidr)[0]
        numbers = _free_numbers(subnet, count - len(found))
        found += [(subnet, str(first + number)) for number in numbers]
        if len(found) == count:
            return found
    raise Conflict(
        f"Every address of {' and '.join(each.cidr for each in network.subnets)} on the network "
        f"{network.name} is taken. Choose another network, or delete an instance there."
    )


def free_macs(network: Network, count: int) -> list[str]:
    """`count` MACs that nobody on the network bears."""
    found: list[str] = []
    taken = {subnet.gateway_mac for subnet in network.subnets}
    while len(found) < count:
        drawn: list[str] = []
        while len(found) + len(drawn) < count:
            if (mac := new_mac()) not in taken:
                taken.add(mac)
                drawn.append(mac)
        borne = select(Port.mac).where(Port.network_id == network.id, Port.mac.in_(drawn))
        strange = set(session.scalars(borne))
        found += [mac for mac in drawn if mac not in strange]
    return found


def new_mac() -> str:
    """A random MAC of ours."""
    return ":".join(f"{byte:02x}" for byte in (*OUI, *secrets.token_bytes(3)))


def fixed_ip(subnet: Subnet, address: str) -> FixedIp:
    """An address of `subnet`, for a port of its network. Raises Refused for one that no host could
    give to a guest there."""
    if not is_host(address, ipaddress.IPv4Network(subnet.cidr)):
        raise Refused(
            f"{address} is no address for an instance in {subnet.cidr}. Choose one from it.",
            field="address",
        )
    return FixedIp(subnet_id=subnet.id, address=address, number=_number(subnet, address))


def new_port(
    owner, network: Network, *, mac: str, fixed_ips: list[FixedIp], groups: list[SecurityGroup]
) -> Port:
    """A place on `network` for `owner`, which may be of any noun. Raises Refused for a MAC that no
    host could give to one device."""
    if not is_mac(mac):
        raise Refused(
            f"{mac} is no MAC address of one device. Write it like fa:16:3e:00:00:01.", field="mac"
        )
    return Port(
        network_id=network.id,
        owner_type=owner.__tablename__,
        owner_id=owner.id,
        mac=mac,
        fixed_ips=fixed_ips,
        groups=groups,
    )


def _free_numbers(subnet: Subnet, count: int) -> list[int]:
    """Up to `count` numbers of free addresses, fewer only if there are no more."""
    size, kept = ipaddress.ip_network(subnet.cidr).num_addresses, _kept(subnet)
    looks = min(size, max(LOOKS, LOOKS_EACH * count))
    drawn = set(_chance.sample(range(size), looks)) - kept
    held = select(FixedIp.number).where(FixedIp.subnet_id == subnet.id, FixedIp.number.in_(drawn))
    numbers = sorted(drawn.difference(session.scalars(held)))[:count]
    return numbers if len(numbers) == count or looks == size else _lowest(subnet, count)


def _lowest(subnet: Subnet, count: int) -> list[int]:
    """The lowest free numbers, found in the gaps between those that are taken."""
    held = select(FixedIp.number).where(FixedIp.subnet_id == subnet.id)
    taken = union_all(held, *(select(literal(each)) for each in sorted(_kept(subnet)))).subquery()
    number = taken.c.number
    after = func.lead(number).over(order_by=number).label("after")
    gaps = select(number, after).subquery()
    rows = session.execute(
        select(gaps.c.number, gaps.c.after)
        .where(gaps.c.after - gaps.c.number > 1)
        .order_by(gaps.c.number)
        .limit(count)
    )
    return [each for begin, end in rows for each in range(begin + 1, end)][:count]


def _kept(subnet: Subnet) -> set[int]:
    """The numbers that no port gets: of the subnet itself, of its services, and for broadcasts."""
    last = ipaddress.ip_network(subnet.cidr).num_addresses - 1
    return {0, _number(subnet, subnet.gateway), _number(subnet, subnet.dhcp_address), last}


def _number(subnet: Subnet, address: str) -> int:
    return int(ipaddress.ip_address(address)) - int(ipaddress.ip_network(subnet.cidr)[0])
