"""Places on networks, whoever holds them."""

import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import contains_eager, selectinload

from portal.db import session
from portal.errors import NotFound
from portal.models import FixedIp, Instance, Network, Port, Power, SecurityGroup
from portal.policies import Actor, authorize
from portal.services.listing import Stretch, stretch

COLUMNS = {
    "id": Port.id,
    "name": Port.name,
    "mac": Port.mac,
    "network_id": Port.network_id,
    "owner_id": Port.owner_id,
    "owner_type": Port.owner_type,
    "admin_up": Port.admin_up,
    "project_id": Network.project_id,
    "description": Port.description,
    "created_at": Port.created_at,
    "updated_at": Port.updated_at,
}
UP = exists().where(Instance.id == Port.owner_id, Instance.observed == Power.RUNNING)


def listed(actor: Actor, wanted: Stretch) -> tuple[list[Port], bool]:
    """A stretch of the ports that the actor looks at, each with its network, and whether there are
    more. Filters are the columns, "up" (whether a guest runs there), "address", "subnet_id" and
    "group_id"."""
    filters = {
        "up": lambda values: or_(*(UP if each else ~UP for each in values)),
        "address": lambda values: _holds(FixedIp.address.in_(values)),
        "subnet_id": lambda values: _holds(FixedIp.subnet_id.in_(values)),
        "group_id": lambda values: Port.groups.any(SecurityGroup.id.in_(values)),
    }
    return stretch(_there(actor), wanted, COLUMNS, filters=filters)


def find(actor: Actor, port_id: uuid.UUID) -> Port:
    """The port, with its network. Raises NotFound."""
    found = session.scalar(_there(actor).where(Port.id == port_id))
    if found is None:
        raise NotFound("There is no such port in this project. It may have been deleted.")
    return found


def up(ports: Sequence[Port]) -> Collection[uuid.UUID]:
    """The ids of those of these ports whose guest runs."""
    ids = [each.id for each in ports]
    return set(session.scalars(select(Port.id).where(Port.id.in_(ids), UP)))


def _holds(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return Port.fixed_ips.any(condition)


def _there(actor: Actor) -> Select:
    """The query for what is where the actor looks: in one project, or in the whole cloud."""
    authorize(actor, "networks:read", actor.project_id)
    query = select(Port).join(Port.network).where(Network.deleted_at.is_(None))
    if actor.project_id:
        query = query.where(Network.project_id == actor.project_id)
    return query.options(
        contains_eager(Port.network).lazyload(Network.subnets),
        selectinload(Port.groups).lazyload(SecurityGroup.rules),
    )
