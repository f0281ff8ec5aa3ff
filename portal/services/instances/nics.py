"""On which networks an instance that is wished for is, and at which addresses: on none, one or
several."""

import dataclasses
import ipaddress
import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import select

from portal.db import session
from portal.errors import Conflict, Refused
from portal.models import Network, Port
from portal.services import addresses, names, quotas
from portal.services.addresses import Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nic:
    """One place on a network that an instance shall have."""

    network_id: uuid.UUID | None = None
    address: str = ""  # any that is free
    port_id: uuid.UUID | None = None  # instead of both: one that is there already


@dataclasses.dataclass(frozen=True)
class Seats:
    """The places of instances that are made at once, one each, on one network. Where a name that
    they bear is taken there, they are found by none of their own. With `port`, the one that was
    there already."""

    network: Network
    places: list[Place]
    named: bool = True
    port: Port | None = None

    def address(self, number: int) -> str:
        """Of one of the instances; "" at a port that has none."""
        if self.port is not None:
            return ", ".join(self.port.addresses)
        return self.places[number].address


def find(
    wished: Sequence[Nic],
    first: Network | None,
    project_id: uuid.UUID,
    *,
    name: str,
    ids: list[uuid.UUID],
) -> tuple[list[Seats], list[str]]:
    """Where so many guests of this name are that are made at once, and the DNS names that they
    bear. `first` is the network of the first wish, if it was found. Raises Refused, Conflict. Call
    it under the lock of the project."""
    if len(ids) > 1 and any(each.address or each.port_id for each in wished):
        raise Refused("One address or port is for one instance: name none, or ask for one.")
    networks = _networks([each for each in wished if not each.port_id], first, project_id)
    seats: list[Seats] = []
    hostnames: list[str] = []
    for wish in wished:
        if wish.port_id:
            port = _free_port(wish.port_id, project_id, seats)
            hostnames = hostnames or names.hostnames(name, ids)
            named = not _on(port.network, seats) and not _borne(port.network, hostnames)
            seats.append(Seats(port.network, [], named, port))
            continue
        network = networks[wish.network_id]
        if not seats:
            places, hostnames = addresses.find(network, name, ids)
            seats.append(Seats(network, _at(wish, network, places)))
            continue
        seats.append(_beside(wish, network, seats, hostnames))
    return seats, hostnames or names.hostnames(name, ids)


def write_ports(seats: Sequence[Seats], instances: list, group_ids: list[uuid.UUID]) -> None:
    """Each of the instances has its place in all of these, in these groups; a port that was there
    already stays in its own."""
    for each in seats:
        if each.port is None:
            addresses.write_ports(each.network, instances, each.places, group_ids, named=each.named)
            continue
        [instance] = instances
        each.port.owner_type, each.port.owner_id = instance.__tablename__, instance.id
        each.port.dns_name = instance.hostname if each.named else ""
        session.flush()


def groups_of(seats: Sequence[Seats], group_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """The groups that instances are in that have these places, and are put into these groups."""
    of_ports = [group.id for each in seats if each.port for group in each.port.groups]
    given = group_ids if any(each.port is None for each in seats) else ()
    return list(dict.fromkeys([*given, *of_ports]))


def _beside(wish: Nic, network: Network, seats: Sequence[Seats], hostnames: list[str]) -> Seats:
    """One more place of each of the guests that have these already."""
    beside = [place for seat in seats for place in seat.places if seat.network is network]
    places, borne = addresses.free(network, len(hostnames) + len(beside), hostnames)
    taken = {each.address for each in beside}
    left = [each for each in places if each.address not in taken][: len(hostnames)]
    named = not _on(network, seats) and not borne
    return Seats(network, _at(wish, network, left, taken), named)


def _on(network: Network, seats: Sequence[Seats]) -> bool:
    """Whether one of these places is on the network, which knows a guest by one name at a time."""
    return any(each.network is network for each in seats)


def _borne(network: Network, hostnames: Collection[str]) -> bool:
    """Whether somebody on the network bears one of these names."""
    there = select(Port.id).where(Port.network_id == network.id, Port.dns_name.in_(hostnames))
    return session.scalar(there.limit(1)) is not None


def _networks(
    wished: Sequence[Nic], first: Network | None, project_id: uuid.UUID
) -> dict[uuid.UUID | None, Network]:
    """The networks of the wishes, by their ids."""
    known = {first.id: first} if first else {}
    missing = {each.network_id for each in wished} - known.keys()
    if missing:
        theirs = select(Network).where(
            Network.id.in_(missing - {None}),
            Network.project_id == project_id,
            Network.deleted_at.is_(None),
        )
        known |= {each.id: each for each in session.scalars(theirs)}
    if any(each.network_id not in known for each in wished):
        quotas.check(project_id)  # of a project that is being deleted it is told so
        raise Refused(
            "This network was not found in the project. Choose another.", field="network_id"
        )
    return known


def _at(
    wish: Nic, network: Network, places: list[Place], taken: Collection[str] = ()
) -> list[Place]:
    """The place at the address that is wished for, or else these."""
    if not wish.address:
        return places
    try:
        address = ipaddress.IPv4Address(wish.address)
    except ValueError:
        raise Refused(
            "{address} is no IPv4 address.", address=wish.address, field="address"
        ) from None
    for subnet in network.subnets:
        if address in ipaddress.ip_network(subnet.cidr):
            place = addresses.place(subnet, str(address), places[0].mac)
            addresses.refuse_taken(place, also=taken)
            return [place]
    raise Refused(
        "{address} is in no range of the network {network}.",
        address=wish.address,
        network=network.name,
        field="address",
    )


def _free_port(port_id: uuid.UUID, project_id: uuid.UUID, seats: Sequence[Seats]) -> Port:
    """The port of the project, which hangs on nothing yet. Raises Refused, Conflict."""
    theirs = select(Port).join(Port.network).where(Network.project_id == project_id)
    port = session.scalar(theirs.where(Port.id == port_id))
    if port is None:
        raise Refused("Port id {port} could not be found.", port=port_id, field="network_id")
    if port.owner_id or any(each.port is port for each in seats):
        raise Conflict("Port {port} is still in use.", port=port_id, field="network_id")
    if not port.admin_up:  # its host is told of no port that lets nothing pass
        raise Refused(
            "The port {port} is switched off. Switch it on first.",
            port=port.called,
            field="network_id",
        )
    return port
