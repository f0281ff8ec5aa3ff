"""What was asked to be done to an instance, and what became of it."""

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import Select, func, select
from sqlalchemy.orm import selectinload

from portal.db import session
from portal.errors import NotFound, Refused
from portal.models import Instance, Operation, Task
from portal.policies import Actor, authorize
from portal.services.listing import Stretch, stretch

NEWEST_FIRST = (("created_at", True),)
_changed_at = func.coalesce(Operation.finished_at, Operation.created_at)
COLUMNS = {"id": Operation.id, "created_at": Operation.created_at}
FILTERS = {
    "changed_since": lambda values: _changed_at >= max(values),
    "changed_before": lambda values: _changed_at <= min(values),
}


def actions(
    actor: Actor,
    instance: Instance,
    *,
    after: str = "",
    limit: int,
    filters: Mapping[str, Sequence] | None = None,
) -> tuple[list[Operation], bool]:
    """What people asked for of the instance, newest first, behind the one whose request had the
    number `after`, and whether there is more. What the cloud did by itself is not among it. Raises
    Refused for an `after` that is not there."""
    mark = session.scalar(_asked(actor, instance, after)) if after else None
    if after and mark is None:
        raise Refused("marker [{marker}] not found", marker=after, field="marker")
    wanted = Stretch(order=NEWEST_FIRST, after=mark and mark.id, limit=limit, filters=filters or {})
    return stretch(_asked(actor, instance), wanted, COLUMNS, filters=FILTERS)


def action(actor: Actor, instance: Instance, request_id: str) -> Operation:
    """What was asked for of the instance by this request, with its tasks. Raises NotFound."""
    query = _asked(actor, instance, request_id).options(selectinload(Operation.tasks))
    found = session.scalar(query) if request_id else None
    if found is None:
        raise NotFound(
            "Action for request_id {request_id} on instance {instance} not found",
            request_id=request_id,
            instance=instance.id,
        )
    return found


def steps(operation: Operation) -> list[Task]:
    """What hosts did for it, in order."""
    return sorted(operation.tasks, key=lambda task: (task.stage, task.created_at, task.id))


def ever(actor: Actor, project_id: uuid.UUID | None, instance_id: uuid.UUID) -> Instance:
    """The instance, also when it is gone by now. Raises NotFound."""
    authorize(actor, *(("instances:read", project_id) if project_id else ("cloud:read",)))
    query = select(Instance).where(Instance.id == instance_id)
    if project_id:
        query = query.where(Instance.project_id == project_id)
    found = session.scalar(query)
    if found is None:
        raise NotFound("There is no such instance in this project.")
    return found


def _asked(actor: Actor, instance: Instance, request_id: str = "") -> Select:
    authorize(actor, "operations:read", instance.project_id)
    query = select(Operation).where(
        Operation.target_id == instance.id, Operation.user_id.is_not(None)
    )
    return query.where(Operation.request_id == request_id) if request_id else query
