"""Ranges of addresses on networks."""

import dataclasses
import uuid

from sqlalchemy import Select, select
from sqlalchemy.orm import contains_eager

from portal.changes.networks import NETWORK_TABLE
from portal.db import session, transaction
from portal.errors import Conflict, NotFound, Refused
from portal.models import FixedIp, Network, Scope, Subnet
from portal.policies import Actor, authorize
from portal.services import activities, names, networks, quotas, scopes
from portal.services.details import Details, checked
from portal.services.listing import Stretch, always, stretch

COLUMNS = {
    "id": Subnet.id,
    "name": Subnet.name,
    "cidr": Subnet.cidr,
    "gateway": Subnet.gateway,
    "network_id": Subnet.network_id,
    "project_id": Network.project_id,
    "description": Subnet.description,
    "created_at": Subnet.created_at,
    "updated_at": Subnet.updated_at,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewSubnet:
    """A range that a network shall have, and what it is called, if anything."""

    network_id: uuid.UUID
    cidr: str
    name: str = ""
    description: str = ""
    gateway: str | None = None  # the first address of the range, and no other


def create(actor: Actor, new: NewSubnet) -> Subnet:
    """The network has this range too, and hosts that carry it hear of it. Raises Refused,
    NotFound."""
    block = networks.parse_cidr(new.cidr)
    details = checked(Details(description=new.description))
    if new.gateway not in (None, str(block.network_address + 1)):
        raise Refused(
            "The gateway of {block} is its first address, {first}.",
            block=block,
            first=block.network_address + 1,
            field="gateway",
        )
    name = names.label(new.name) if new.name else ""
    with transaction():
        network = _network(actor, "networks:add_subnet", new.network_id)
        networks.refuse_overlap(network.project_id, block)
        subnet = networks.subnet_of(block, network=network, name=name, **details)
        session.add(subnet)
        session.flush()
        _tell_hosts(network)
        activities.record(actor, "networks:add_subnet", network, after={"cidr": subnet.cidr})
    return subnet


def delete(actor: Actor, subnet_id: uuid.UUID) -> None:
    """The network has the range no more. Raises Conflict while a port has an address of it."""
    network_id = find(actor, subnet_id).network_id
    with transaction():
        network = _network(actor, "networks:remove_subnet", network_id)
        subnet = find(actor, subnet_id)
        if session.scalar(select(FixedIp.id).where(FixedIp.subnet_id == subnet.id).limit(1)):
            raise Conflict(
                "An instance on the network {network} has an address of {cidr}. Delete it first.",
                network=network.name,
                cidr=subnet.cidr,
            )
        _tell_hosts(network)
        activities.record(actor, "networks:remove_subnet", network, before={"cidr": subnet.cidr})
        session.delete(subnet)


def listed(actor: Actor, wanted: Stretch) -> tuple[list[Subnet], bool]:
    """A stretch of the subnets that the actor looks at, each with its network, and whether there
    are more."""
    filters = {"version": always(4), "dhcp": always(True), "shared": always(False)}
    return stretch(_there(actor), wanted, COLUMNS, filters=filters)


def find(actor: Actor, subnet_id: uuid.UUID) -> Subnet:
    """The subnet, with its network. Raises NotFound."""
    found = session.scalar(_there(actor).where(Subnet.id == subnet_id))
    if found is None:
        raise NotFound("There is no such subnet in this project. It may have been deleted.")
    return found


def _network(actor: Actor, permission: str, network_id: uuid.UUID) -> Network:
    """The network, nobody else's to change while its project is locked."""
    network = networks.find(actor, actor.project_id, network_id)
    authorize(actor, permission, network.project_id)
    quotas.lock(network.project_id)
    return networks.find(actor, actor.project_id, network_id)


def _tell_hosts(network: Network) -> None:
    """Hosts that carry the network shall serve what it has become."""
    carried = (Scope.kind == NETWORK_TABLE) & (Scope.target_id == network.id) & Scope.needed
    scopes.want(scopes.at([], carried))


def _there(actor: Actor) -> Select:
    """The query for what is where the actor looks: in one project, or in the whole cloud."""
    authorize(actor, "networks:read", actor.project_id)
    query = select(Subnet).join(Subnet.network).where(Network.deleted_at.is_(None))
    if actor.project_id:
        query = query.where(Network.project_id == actor.project_id)
    return query.options(contains_eager(Subnet.network).lazyload(Network.subnets))
