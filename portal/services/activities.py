"""The record of who did what. Written in the transaction of the change; never altered."""

import uuid

from portal.db import session, transaction
from portal.errors import Refused
from portal.models import Activity, Operation, Project
from portal.policies import Actor


def record(
    actor: Actor,
    action: str,
    target,
    *,
    before: dict | None = None,
    after: dict | None = None,
    operation: Operation | None = None,
) -> None:
    """There is an entry that `actor` did `action` to `target`. `before` and `after` hold no
    secrets: callers pass what may be read by everybody in the project."""
    session.add(
        Activity(
            action=action,
            project_id=_project_of(target),
            user_id=actor.user_id,
            user_name=actor.user_name,
            target_type=target.__tablename__,
            target_id=target.id,
            target_name=getattr(target, "name", ""),
            before=before,
            after=after,
            address=actor.address,
            request_id=actor.request_id,
            operation_id=operation and operation.id,
        )
    )


def record_refusal(
    actor: Actor,
    action: str,
    refused: Refused,
    *,
    project_id: uuid.UUID | None = None,
    target_id: uuid.UUID | None = None,
) -> None:
    """There is an entry that `actor` was refused `action`, and why. A project that the actor
    has no part in is not named, so that nobody's record can be written into by strangers."""
    with transaction():
        known = project_id and actor.role(project_id) and session.get(Project, project_id)
        session.add(
            Activity(
                action=action,
                project_id=known.id if known else None,
                user_id=actor.user_id,
                user_name=actor.user_name,
                target_id=target_id,
                refused=str(refused),
                address=actor.address,
                request_id=actor.request_id,
            )
        )


def _project_of(target) -> uuid.UUID | None:
    return target.id if isinstance(target, Project) else getattr(target, "project_id", None)
