"""Instances as they are: one, whole, or a page of many."""

import uuid

from sqlalchemy import String, case, cast, exists, func, or_, select
from sqlalchemy.orm import defer, joinedload, lazyload, load_only, selectinload

from portal.db import session
from portal.models import (
    FixedIp,
    Host,
    Instance,
    Network,
    Operation,
    Port,
    Power,
    SecurityGroup,
)
from portal.policies import Actor, authorize
from portal.services import finding
from portal.services.listing import Query, like, ordered

SORTS = ("name", "created_at", "memory_mib", "vcpus")
STATES = {
    "running": Instance.observed == Power.RUNNING,
    "stopped": Instance.observed == Power.STOPPED,
    "busy": exists().where(Operation.target_id == Instance.id, Operation.finished_at.is_(None)),
    "error": Instance.fault != "",
}
TOLD = (
    defer(Instance.user_data),
    defer(Instance.public_keys),
    joinedload(Instance.host).load_only(Host.name, Host.zone),
    joinedload(Instance.open_operation).load_only(Operation.action),
    joinedload(Instance.end_of_project).load_only(Operation.action),
    selectinload(Instance.ports).options(
        joinedload(Port.network, innerjoin=True).options(
            load_only(Network.name), lazyload(Network.subnets)
        ),
        selectinload(Port.groups).options(
            load_only(SecurityGroup.name), lazyload(SecurityGroup.rules)
        ),
        joinedload(Port.fixed_ips).load_only(FixedIp.address),
    ),
)


def find(actor: Actor, project_id: uuid.UUID, name_or_id: uuid.UUID | str) -> Instance:
    """The instance. Raises NotFound, Ambiguous."""
    return finding.find(actor, Instance, name_or_id, project_id=project_id)


def find_whole(actor: Actor, project_id: uuid.UUID, name_or_id: uuid.UUID | str) -> Instance:
    """The instance, with everything that its page shows. Raises NotFound, Ambiguous."""
    options = (
        joinedload(Instance.image),
        joinedload(Instance.host),
        joinedload(Instance.placement_group),
        joinedload(Instance.user),
        joinedload(Instance.open_operation),
        joinedload(Instance.end_of_project).load_only(Operation.action),
        selectinload(Instance.ports),
    )
    return finding.find(actor, Instance, name_or_id, project_id=project_id, options=options)


def listed(actor: Actor, project_id: uuid.UUID, wanted: Query) -> tuple[list[Instance], int]:
    """A page of the project's instances, with their addresses, and how many there are in all.

    `wanted.text` is a part of a name, an address or an id; `wanted.state` a key of STATES."""
    authorize(actor, "instances:read", project_id)
    query = select(Instance).where(Instance.project_id == project_id, Instance.deleted_at.is_(None))
    if wanted.text:
        pattern = like(wanted.text)
        query = query.where(
            or_(
                Instance.name.ilike(pattern, escape="\\"),
                cast(Instance.id, String).ilike(pattern.replace("-", ""), escape="\\"),
                exists().where(
                    Port.owner_id == Instance.id,
                    FixedIp.port_id == Port.id,
                    FixedIp.address == wanted.text,
                ),
            )
        )
    if wanted.state in STATES:
        query = query.where(STATES[wanted.state])
    total = session.scalar(query.with_only_columns(func.count()))
    columns = {name: getattr(Instance, name) for name in (*SORTS, "id")}
    rows = session.scalars(
        ordered(query, wanted, columns).options(
            defer(Instance.user_data),
            defer(Instance.public_keys),
            joinedload(Instance.open_operation).load_only(Operation.action),
            joinedload(Instance.end_of_project).load_only(Operation.action),
            selectinload(Instance.ports).options(
                load_only(Port.owner_id),
                joinedload(Port.fixed_ips).load_only(FixedIp.address),
                *(lazyload(each) for each in (Port.network, Port.groups)),
            ),
        )
    )
    return list(rows), total


def told(actor: Actor, project_id: uuid.UUID | None, instance_id: uuid.UUID) -> Instance:
    """The instance, with all that programs are told of it. Raises NotFound."""
    return finding.find(actor, Instance, instance_id, project_id=project_id, options=TOLD)


def counts(actor: Actor, project_id: uuid.UUID) -> dict[str, int]:
    """How many instances the project has, in all and in each of STATES."""
    authorize(actor, "instances:read", project_id)
    row = session.execute(
        select(func.count(), *(func.sum(case((state, 1), else_=0)) for state in STATES.values()))
        .select_from(Instance)
        .where(Instance.project_id == project_id, Instance.deleted_at.is_(None))
    ).one()
    return dict(zip(("all", *STATES), (int(each or 0) for each in row), strict=True))
