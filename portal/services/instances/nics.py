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
    they bear is taken there, they are found by none of their own."""

    network: Network
    places: list[Place]
    named: bool = True


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
    for each in wished:
        if each.port_id:
            _refuse_port(each.port_id, project_id)
        if each.address and len(ids) > 1:
            raise Refused("One address is for one instance: ask for no address, or for one.")
    if not wished:
        return [], names.hostnames(name, ids)
    networks = _networks(wished, first, project_id)
    places, hostnames = addresses.find(networks[0], name, ids)
    seats = [Seats(networks[0], _at(wished[0], networks[0], places))]
    for wish, network in zip(wished[1:], networks[1:], strict=True):
        beside = [place for seat in seats for place in seat.places if seat.network is network]
        places, borne = addresses.free(network, len(ids) + len(beside), hostnames)
        taken = {each.address for each in beside}
        left = [each for each in places if each.address not in taken][: len(ids)]
        named = not borne and not beside
        seats.append(Seats(network, _at(wish, network, left, taken), named))
    return seats, hostnames


def write_ports(seats: Sequence[Seats], instances: list, group_ids: list[uuid.UUID]) -> None:
    """Each of the instances has its place in all of these, in these groups."""
    for each in seats:
        addresses.write_ports(each.network, instances, each.places, group_ids, named=each.named)


def _networks(wished: Sequence[Nic], first: Network | None, project_id: uuid.UUID) -> list[Network]:
    """The networks of the wishes, in their order."""
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
    return [known[each.network_id] for each in wished]


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


def _refuse_port(port_id: uuid.UUID, project_id: uuid.UUID) -> None:
    """Every port comes and goes with its instance, so none that is there is free."""
    theirs = select(Port.id).join(Port.network).where(Network.project_id == project_id)
    if session.scalar(theirs.where(Port.id == port_id)) is None:
        raise Refused("Port id {port} could not be found.", port=port_id, field="network_id")
    raise Conflict("Port {port} is still in use.", port=port_id, field="network_id")
