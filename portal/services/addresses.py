"""MAC and IPv4 addresses of ports. Unique constraints decide, not checks.

Finding free addresses costs the same whether ten are taken or sixty thousand. Of a small subnet
all addresses are looked at, and the lowest free ones taken; of a large one as many by chance as
are enough unless it is nearly full. Only then the database looks through all that are taken.
"""

import dataclasses
import ipaddress
import itertools
import random
import secrets
import uuid
from collections.abc import Collection

from sqlalchemy import BigInteger, String, Uuid, bindparam, func, literal, select, union_all

from portal.db import session, write
from portal.errors import Conflict, Refused
from portal.models import FixedIp, Network, Port, Subnet
from portal.models.port import port_groups
from portal.services import names
from workers.specs.networks import is_host, is_mac

OUI = (0xFA, 0x16, 0x3E)  # locally administered, as OpenStack's guests have it
SMALL = 256  # a subnet of so many addresses is looked at whole
LOOKS = 128  # at so many of a large one, and at more
LOOKS_EACH = 32  # for several addresses: at so many for each

_held = select(FixedIp.number, literal(None, String)).where(
    FixedIp.subnet_id == bindparam("subnet_id", type_=Uuid)
)
# Numbers are written into the text: so many parameters cost PostgreSQL a millisecond.
_held_among = _held.where(
    FixedIp.number.in_(bindparam("numbers", expanding=True, literal_execute=True))
)
_borne = select(literal(None, BigInteger), Port.mac).where(
    Port.network_id == bindparam("network_id", type_=Uuid),
    Port.mac.in_(bindparam("macs", expanding=True)),
)
_called = select(literal(None, BigInteger), Port.dns_name).where(
    Port.network_id == bindparam("network_id", type_=Uuid),
    Port.dns_name.in_(bindparam("names", expanding=True)),
)
TAKEN = union_all(_held, _borne, _called)
TAKEN_AMONG = union_all(_held_among, _borne, _called)


@dataclasses.dataclass(frozen=True)
class Place:
    """An address that nobody on its subnet holds, and a MAC that nobody on its network bears."""

    subnet: Subnet
    number: int
    address: str
    mac: str


def find(network: Network, name: str, ids: list[uuid.UUID]) -> tuple[list[Place], list[str]]:
    """Places and DNS names for so many guests that are made at once by this name, none of which
    anybody has on `network`; by one statement as a rule. Raises Conflict when there are fewer
    addresses. Call it under the lock of the network's project."""
    wanted = names.hostnames(name, ids)
    places, borne = free(network, len(ids), wanted)
    if borne:
        every = select(Port.dns_name).where(Port.network_id == network.id, Port.dns_name != "")
        wanted = names.hostnames(name, ids, taken=set(session.scalars(every)))
    return places, wanted


def free(
    network: Network, count: int, wanted: Collection[str] = ()
) -> tuple[list[Place], set[str]]:
    """`count` places, of the network's subnets in their order, and which of these DNS names
    somebody bears there. Raises Conflict when there are fewer addresses."""
    if not network.subnets:
        raise Conflict(
            "The network {network} has no range of addresses yet. Give it a subnet, or choose "
            "another network.",
            network=network.called,
        )
    found: list[Place] = []
    for subnet in network.subnets:
        first = ipaddress.ip_network(subnet.cidr)[0]
        known = {each.mac for each in found}
        numbers, macs, borne = _look(network, subnet, count - len(found), wanted, avoid=known)
        found += [
            place(subnet, str(first + number), mac)
            for number, mac in zip(numbers, macs, strict=False)
        ]
        if len(found) == count:
            return found, borne
    raise Conflict(
        "Every address of {ranges:all} on the network {network} is taken. Choose another network, "
        "or delete an instance there.",
        ranges=[each.cidr for each in network.subnets],
        network=network.called,
    )


def free_in(network: Network, subnet: Subnet, mac: str) -> Place:
    """A place in this subnet of the network for a port that bears this MAC. Raises Conflict."""
    numbers, _, _ = _look(network, subnet, 1, (), avoid=set())
    if not numbers:
        raise Conflict(
            "Every address of {cidr} on the network {network} is taken. Choose another subnet.",
            cidr=subnet.cidr,
            network=network.called,
        )
    return place(subnet, str(block(subnet)[numbers[0]]), mac)


def is_held(place: Place) -> bool:
    """Whether a port has the address, or the subnet itself."""
    there = select(FixedIp.id).where(
        FixedIp.subnet_id == place.subnet.id, FixedIp.number == place.number
    )
    return place.number in _kept(place.subnet) or session.scalar(there) is not None


def block(subnet: Subnet) -> ipaddress.IPv4Network:
    """The range of the subnet."""
    return ipaddress.IPv4Network(subnet.cidr)


def new_mac() -> str:
    """A random MAC of ours."""
    return ":".join(f"{byte:02x}" for byte in (*OUI, *secrets.token_bytes(3)))


def place(subnet: Subnet, address: str, mac: str) -> Place:
    """The place at this address, for a port that bears this MAC. Raises Refused for an address
    that no host could give to a guest there, or a MAC that no host could give to one device."""
    if not is_host(address, block(subnet)):
        raise Refused(
            "{address} is no address for an instance in {block}. Choose one from it.",
            address=address,
            block=subnet.cidr,
            field="address",
        )
    if not is_mac(mac):
        raise Refused(
            "{mac} is no MAC address of one device. Write it like fa:16:3e:00:00:01.",
            mac=mac,
            field="mac",
        )
    return Place(subnet, _number(subnet, address), address, mac)


def refuse_taken(place: Place, *, also: Collection[str] = ()) -> None:
    """Return when a port may have the place, and `also` has not its address. Raises Refused. Call
    it under the lock of the network's project."""
    held = select(FixedIp.id).where(
        FixedIp.subnet_id == place.subnet.id, FixedIp.number == place.number
    )
    kept = place.number in _kept(place.subnet) or place.address in also
    if kept or session.scalar(held) is not None:
        raise Refused(
            "{address} is taken. Choose another address, or none.",
            address=place.address,
            field="address",
        )


def write_ports(
    network: Network,
    owners: list,
    places: list[Place],
    group_ids: list[uuid.UUID],
    *,
    named: bool = True,
) -> None:
    """Each of the owners, which may be of any noun that has a hostname, has its place on `network`,
    in these groups, and, if it shall be `named`, is found there by that name."""
    ports = [
        {
            "id": uuid.uuid4(),
            "network_id": network.id,
            "owner_type": owner.__tablename__,
            "owner_id": owner.id,
            "mac": each.mac,
            "dns_name": owner.hostname if named else "",
        }
        for owner, each in zip(owners, places, strict=True)
    ]
    write(Port, ports)
    fixed_ips = [
        {
            "port_id": port["id"],
            "subnet_id": each.subnet.id,
            "address": each.address,
            "number": each.number,
        }
        for port, each in zip(ports, places, strict=True)
    ]
    write(FixedIp, fixed_ips)
    write(
        port_groups,
        [{"port_id": port["id"], "group_id": each} for port in ports for each in group_ids],
    )


def _look(
    network: Network, subnet: Subnet, count: int, wanted: Collection[str], *, avoid: set[str]
) -> tuple[list[int], list[str], set[str]]:
    """Up to `count` numbers of free addresses, fewer only if there are no more, `count` MACs that
    nobody bears, but for those to `avoid`, and who of the `wanted` names is there already; by one
    statement as a rule."""
    allowed, kept = _allowed(subnet), _kept(subnet)
    size = sum(map(len, allowed))
    looks = size if size <= SMALL else max(LOOKS, LOOKS_EACH * count)
    drawn = _drawn(allowed, min(size, looks)) - kept
    macs = _drawn_macs(count, {*avoid, network.gateway_mac})
    named = {"subnet_id": subnet.id, "network_id": network.id, "macs": macs, "names": list(wanted)}
    some = looks < size or bool(subnet.pools)
    rows = session.execute(
        *((TAKEN_AMONG, named | {"numbers": list(drawn)}) if some else (TAKEN, named))
    ).all()
    borne = {text for _, text in rows if text}
    strange = borne.intersection(macs)
    while strange.intersection(macs):
        again = _drawn_macs(count, {*avoid, *macs, *strange})
        macs = [*(mac for mac in macs if mac not in strange), *again][:count]
        still = select(Port.mac).where(Port.network_id == network.id, Port.mac.in_(macs))
        strange = set(session.scalars(still))
    numbers = sorted(drawn.difference(number for number, _ in rows))[:count]
    full = len(numbers) == count or looks >= size
    return (numbers if full else _lowest(subnet, count)), macs, borne.intersection(wanted)


def _drawn_macs(count: int, avoid: set[str]) -> list[str]:
    drawn: list[str] = []
    while len(drawn) < count:
        if (mac := new_mac()) not in avoid and mac not in drawn:
            drawn.append(mac)
    return drawn


def _lowest(subnet: Subnet, count: int) -> list[int]:
    """The lowest free numbers, found in the gaps between those that are taken."""
    held = select(FixedIp.number).where(FixedIp.subnet_id == subnet.id)
    if subnet.pools:
        known = {*session.scalars(held), *_kept(subnet)}
        free_ = (each for part in _allowed(subnet) for each in part if each not in known)
        return list(itertools.islice(free_, count))
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


def _allowed(subnet: Subnet) -> list[range]:
    """The numbers that ports may get: those of the pools, or all."""
    if not subnet.pools:
        return [range(ipaddress.ip_network(subnet.cidr).num_addresses)]
    spans = ((_number(subnet, first), _number(subnet, last)) for first, last in subnet.pools)
    return [range(first, last + 1) for first, last in sorted(spans)]


def _drawn(allowed: list[range], count: int) -> set[int]:
    """So many of these numbers, by chance."""
    if len(allowed) == 1:
        return set(random.sample(allowed[0], count))
    return set(random.sample(list(itertools.chain(*allowed)), count))


def _kept(subnet: Subnet) -> set[int]:
    """The numbers that no port gets: of the subnet itself, of its services, and for broadcasts."""
    last = ipaddress.ip_network(subnet.cidr).num_addresses - 1
    return {0, _number(subnet, subnet.gateway), _number(subnet, subnet.dhcp_address), last}


def _number(subnet: Subnet, address: str) -> int:
    return int(ipaddress.ip_address(address)) - int(ipaddress.ip_network(subnet.cidr)[0])
