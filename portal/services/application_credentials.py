"""Application credentials: what a program signs in with instead of its user's password.

Each is for one project and for a role there that is not above its user's own, which it follows:
what the user loses, the credential loses with them. The secret has 256 random bits, is said once,
and is kept as its SHA-256.
"""

import dataclasses
import hmac
import secrets
import uuid
from datetime import datetime

from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy.orm import contains_eager, joinedload

from portal import keys
from portal.db import now, session, transaction
from portal.errors import Conflict, Forbidden, NotFound, Refused
from portal.models import ApplicationCredential, Project, Role, User
from portal.policies import Actor, authorize
from portal.services import activities, names, tokens
from portal.services.listing import Stretch, stretch

SECRET_SHORTEST, SECRET_LONGEST = 32, 255  # characters of one that somebody brings
MOST = 100  # of one user


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewCredential:
    """What a credential shall be. Without a role it is as strong as whoever makes it."""

    project_id: uuid.UUID
    name: str
    role: Role | None = None
    of_cloud: bool = False  # as an administrator of the cloud
    expires_at: datetime | None = None
    description: str = ""
    secret: str | None = None  # that a program brings; else one is made


def create(
    actor: Actor, user_id: uuid.UUID, new: NewCredential
) -> tuple[ApplicationCredential, str]:
    """A program can sign in as this user by it from now on, who is the actor: nobody makes one for
    somebody else. Returns it, and its secret, which nobody can be told again."""
    authorize(actor, "application_credentials:change")
    if user_id != actor.user_id:
        raise Forbidden("An application credential is made by the user whose it is.")
    held = actor.role(new.project_id)
    if held is None:
        raise NotFound("There is no such project, or you have no part in it.")
    role = new.role or held
    if role.rank > held.rank or (new.of_cloud and actor.system is not Role.ADMIN):
        raise Forbidden("A credential is at most as strong as you are in that project.")
    label, secret = names.label(new.name), _secret(new.secret)
    if new.expires_at is not None and new.expires_at <= now():
        raise Refused("It would have expired already.", field="expires_at")
    with transaction():
        session.get_one(User, actor.user_id, with_for_update=True)
        mine = session.scalars(
            select(ApplicationCredential.name).where(ApplicationCredential.user_id == actor.user_id)
        ).all()
        if label in mine:
            raise Conflict("You have a credential named {name} already.", name=label, field="name")
        if len(mine) >= MOST:
            raise Refused(
                "You have {most} credentials. Delete one that is not used any more.", most=MOST
            )
        credential = ApplicationCredential(
            user_id=actor.user_id,
            project_id=new.project_id,
            name=label,
            description=new.description,
            secret_hash=keys.digest(secret),
            role=role,
            of_cloud=new.of_cloud,
            expires_at=new.expires_at,
        )
        session.add(credential)
        session.flush()
        activities.record(
            actor,
            "application_credentials:create",
            credential,
            after={"name": label, "role": role, "expires_at": str(new.expires_at or "never")},
        )
    return credential, secret


def listed(
    actor: Actor, user_id: uuid.UUID, wanted: Stretch
) -> tuple[list[ApplicationCredential], bool]:
    """The credentials of a user, and whether there are more; others' are for who may see users."""
    query = _of(actor, user_id)
    columns = {name: getattr(ApplicationCredential, name) for name in ("name", "created_at", "id")}
    return stretch(query, wanted, columns, options=(joinedload(ApplicationCredential.project),))


def find(actor: Actor, user_id: uuid.UUID, credential_id: uuid.UUID) -> ApplicationCredential:
    """The credential. Raises NotFound."""
    query = _of(actor, user_id).where(ApplicationCredential.id == credential_id)
    found = session.scalar(query.options(joinedload(ApplicationCredential.project)))
    if found is None:
        raise NotFound("There is no such application credential. It may have been deleted.")
    return found


def delete(actor: Actor, user_id: uuid.UUID, credential_id: uuid.UUID) -> None:
    """Nobody signs in by it any more, and the tokens that it got are worth nothing."""
    authorize(actor, "application_credentials:change")
    with transaction():
        credential = find(actor, user_id, credential_id)
        if credential.user_id != actor.user_id:
            authorize(actor, "users:change")
        activities.record(
            actor,
            "application_credentials:delete",
            credential,
            before={"name": credential.name},
        )
        end(credential)


def prove(
    secret: str, *, id_: uuid.UUID | None = None, name: str = "", user_name: str = ""
) -> ApplicationCredential:
    """The credential whose secret this is, with its user: known by its id, or by its name and its
    user's. Raises Refused, alike for one that does not exist, has expired, or is another's."""
    query = (
        select(ApplicationCredential)
        .join(ApplicationCredential.user)
        .join(ApplicationCredential.project)
        .options(contains_eager(ApplicationCredential.user))
        .where(User.enabled, User.deleted_at.is_(None), Project.enabled)
        .execution_options(populate_existing=True)
    )
    if id_ is not None:
        query = query.where(ApplicationCredential.id == id_)
    else:
        query = query.where(ApplicationCredential.name == name, User.name == user_name)
    found = session.scalar(query)
    known = found.secret_hash if found else keys.digest("")
    right = hmac.compare_digest(known, keys.digest(secret))
    if found is None or not right or (found.expires_at and found.expires_at <= now()):
        raise Refused("There is no such application credential, or its secret is another one.")
    return found


def end_all(user_id: uuid.UUID) -> None:
    """The user has none any more, and no token either. For use inside a change."""
    tokens.end_all(user_id)
    session.execute(
        delete_rows(ApplicationCredential).where(ApplicationCredential.user_id == user_id)
    )


def end(credential: ApplicationCredential) -> None:
    """It is gone, with its tokens. For use inside a change."""
    tokens.end_of(credential.id)
    session.delete(credential)


def _of(actor: Actor, user_id: uuid.UUID):
    if user_id != actor.user_id:
        authorize(actor, "users:read")
    authorize(actor, "application_credentials:read")
    return select(ApplicationCredential).where(ApplicationCredential.user_id == user_id)


def _secret(brought: str | None) -> str:
    if brought is None:
        return secrets.token_urlsafe(32)
    if not SECRET_SHORTEST <= len(brought) <= SECRET_LONGEST:
        raise Refused(
            "A secret of your own has from {shortest} to {longest} characters. Leave it out, and a "
            "good one is made.",
            shortest=SECRET_SHORTEST,
            longest=SECRET_LONGEST,
            field="secret",
        )
    return brought
