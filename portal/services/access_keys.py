"""Access keys: what programs sign single requests with, as EC2 and S3 want it.

Each is of one user in one project, and is as strong as they are there. The secret is shown to
nobody but its user: whoever has it signs as they would.
"""

import secrets
import uuid

from sqlalchemy import Select, select
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import joinedload

from portal import keys
from portal.db import session, transaction
from portal.errors import Forbidden, NotFound, Refused
from portal.models import AccessKey, User
from portal.policies import Actor, authorize
from portal.services import activities, idempotency, quotas

MOST = 100  # of one user
DESCRIPTION_LONGEST = 255


def create(
    actor: Actor,
    user_id: uuid.UUID,
    project_id: uuid.UUID,
    *,
    description: str = "",
    key: str = "",
) -> AccessKey:
    """The user, who is the actor, can sign requests by it from now on. The same `key` again
    answers with the one that it made the first time."""
    idempotency.check(key)
    authorize(actor, "access_keys:change")
    if user_id != actor.user_id:
        raise Forbidden("An access key is made by the user whose it is.")
    if actor.role(project_id) is None:
        raise NotFound("There is no such project, or you have no part in it.")
    with transaction():
        quotas.lock(project_id)
        known = (
            *(project_id, key, "access_keys:create"),
            idempotency.body_hash((actor.user_id, description)),
        )
        if made := idempotency.earlier(*known):
            return _one(_of(actor, user_id), made[0])
        session.get_one(User, actor.user_id, with_for_update=True)
        mine = select(AccessKey.id).where(AccessKey.user_id == actor.user_id)
        if len(session.scalars(mine.limit(MOST)).all()) == MOST:
            raise Refused(
                "You have {most} access keys. Delete one that is not used any more.", most=MOST
            )
        made = AccessKey(
            user_id=actor.user_id,
            project_id=project_id,
            description=description[:DESCRIPTION_LONGEST],
            access=secrets.token_hex(16),
            sealed_secret=keys.sealed(secrets.token_hex(32)),
        )
        session.add(made)
        session.flush()
        idempotency.remember(*known, [made.id])
        activities.record(actor, "access_keys:create", made, after={"access": made.access})
    return made


def of_user(actor: Actor, user_id: uuid.UUID) -> list[AccessKey]:
    """The keys of a user, the oldest first; others' are for who may see users."""
    return list(session.scalars(_of(actor, user_id).order_by(AccessKey.created_at, AccessKey.id)))


def find(actor: Actor, user_id: uuid.UUID, key: uuid.UUID | str) -> AccessKey:
    """The user's key of this id, or of the name that it shows in requests. Raises NotFound."""
    return _one(_of(actor, user_id), key)


def secret_of(actor: Actor, key: AccessKey) -> str | None:
    """What requests are signed with; None for who is not the key's user."""
    return keys.opened(key.sealed_secret) if key.user_id == actor.user_id else None


def delete(actor: Actor, user_id: uuid.UUID, key: uuid.UUID | str) -> None:
    """No request that is signed with it counts any more."""
    authorize(actor, "access_keys:change")
    if user_id != actor.user_id:
        authorize(actor, "users:change")
    with transaction():
        gone = _one(_of(actor, user_id), key)
        activities.record(actor, "access_keys:delete", gone, before={"access": gone.access})
        session.delete(gone)


def end_all(user_id: uuid.UUID) -> None:
    """The user has none any more. For use inside a change."""
    session.execute(delete_rows(AccessKey).where(AccessKey.user_id == user_id))


def _one(query: Select, key: uuid.UUID | str) -> AccessKey:
    """Raises NotFound for none; no database looks for what is no name at all."""
    by_id = isinstance(key, uuid.UUID)
    known = AccessKey.id == key if by_id else AccessKey.access == key
    found = session.scalar(query.where(known)) if by_id or key.isalnum() else None
    if found is None:
        raise NotFound("There is no such access key. It may have been deleted.")
    return found


def _of(actor: Actor, user_id: uuid.UUID) -> Select:
    authorize(actor, "access_keys:read")
    if user_id != actor.user_id:
        authorize(actor, "users:read")
    query = select(AccessKey).options(joinedload(AccessKey.project))
    return query.where(AccessKey.user_id == user_id)
