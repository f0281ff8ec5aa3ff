"""Ranges of addresses on networks."""

import uuid

from sqlalchemy import Select, select
from sqlalchemy.orm import contains_eager

from portal.db import session
from portal.errors import NotFound
from portal.models import Network, Subnet
from portal.policies import Actor, authorize
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


def _there(actor: Actor) -> Select:
    """The query for what is where the actor looks: in one project, or in the whole cloud."""
    authorize(actor, "networks:read", actor.project_id)
    query = select(Subnet).join(Subnet.network).where(Network.deleted_at.is_(None))
    if actor.project_id:
        query = query.where(Network.project_id == actor.project_id)
    return query.options(contains_eager(Subnet.network).lazyload(Network.subnets))
