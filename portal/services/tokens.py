"""What programs show instead of a password. They hold 256 random bits; the table their SHA-256.

A token says who speaks and for what. What they may do there is read with it, by one statement,
whenever it is shown: so a role, a project or a person that is no more needs no sweeping, and a
token is worth nothing from that moment on.
"""

import dataclasses
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, or_, select, update

from portal import config, keys
from portal.db import now, session, transaction
from portal.errors import NotFound, Refused
from portal.models import (
    ApplicationCredential,
    Project,
    Role,
    RoleAssignment,
    Token,
    User,
    held_by,
)
from portal.policies import Actor, authorize
from portal.services import activities

LONGEST_HOURS = 12
CLOUD = "cloud"  # instead of a project: the token is for all of it

SHOWN = (
    select(
        Token.id,
        Token.user_id,
        Token.project_id,
        Token.of_cloud,
        Token.credential_id,
        Token.methods,
        Token.audit_ids,
        Token.created_at,
        Token.expires_at,
        User.name.label("user_name"),
        Project.name.label("project_name"),
        ApplicationCredential.role.label("credential_role"),
        ApplicationCredential.of_cloud.label("credential_of_cloud"),
        ApplicationCredential.name.label("credential_name"),
        RoleAssignment.in_cloud.label("held_in_cloud"),
        RoleAssignment.role.label("held"),
    )
    .join(User, (User.id == Token.user_id) & User.enabled & User.deleted_at.is_(None))
    .outerjoin(Project, (Project.id == Token.project_id))
    .outerjoin(ApplicationCredential, ApplicationCredential.id == Token.credential_id)
    .outerjoin(
        RoleAssignment,
        held_by(Token.user_id)
        & or_(RoleAssignment.in_cloud, RoleAssignment.project_id == Token.project_id),
    )
    .where(
        Token.id_hash == bindparam("id_hash"),
        Token.expires_at > bindparam("moment"),
        Token.expires_at <= bindparam("newest"),  # else it is of a clock that was wrong
        or_(
            Token.project_id.is_(None),
            Project.enabled & Project.deletion_asked_at.is_(None) & Project.deleted_at.is_(None),
        ),
        or_(
            ApplicationCredential.expires_at.is_(None),
            ApplicationCredential.expires_at > bindparam("moment"),
        ),
    )
)


@dataclasses.dataclass(frozen=True)
class Grant:
    """A token that is good at this moment, and what it is good for."""

    token_id: uuid.UUID
    user_id: uuid.UUID
    user_name: str
    project_id: uuid.UUID | None
    project_name: str | None
    of_cloud: bool
    role: Role | None  # in the project
    cloud_role: Role | None  # in the whole cloud, as far as the token reaches
    credential_id: uuid.UUID | None
    credential_name: str | None
    methods: tuple[str, ...]
    audit_ids: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime

    def actor(self, *, address: str = "", request_id: str = "") -> Actor:
        """Who speaks, with the roles that count for what the token is for."""
        return Actor(
            user_id=self.user_id,
            user_name=self.user_name,
            system=self.cloud_role,
            projects={self.project_id: self.role} if self.project_id else {},
            address=address,
            request_id=request_id,
            project_id=self.project_id,
            credential=self.role if self.credential_id else None,
        )


def issue(
    user: User,
    scope: uuid.UUID | str | None,
    *,
    methods: Sequence[str],
    address: str = "",
    request_id: str = "",
    earlier: Grant | None = None,
    credential: ApplicationCredential | None = None,
) -> tuple[str, Grant]:
    """The user has a token for `scope`: a project's id, CLOUD, or None for nothing but to say who
    they are. It lasts no longer than the `earlier` one that it comes from. Returns the token, and
    what it is good for. Raises Refused where they have no role there, or are not who they were
    when their password was judged."""
    credential_id = credential.id if credential else None
    token, moment, judged = secrets.token_urlsafe(32), now(), user.password_hash
    expires_at = moment + timedelta(hours=min(config.current().token_hours, LONGEST_HOURS))
    with transaction():
        _refuse_if_changed(user.id, judged)
        there = select(Project.id).where(Project.id == scope)
        project_id = session.scalar(there) if isinstance(scope, uuid.UUID) else None
        row = Token(
            id_hash=keys.digest(token),
            user_id=user.id,
            project_id=project_id,
            of_cloud=scope == CLOUD,
            credential_id=credential_id,
            methods=list(methods),
            audit_ids=[secrets.token_urlsafe(16), *(earlier.audit_ids[-1:] if earlier else ())],
            expires_at=min(expires_at, earlier.expires_at) if earlier else expires_at,
            created_at=moment,
        )
        session.add(row)
        if credential_id:
            used = update(ApplicationCredential).values(used_at=moment)
            session.execute(used.where(ApplicationCredential.id == credential_id))
        session.flush()
        grant = find(token)
        if grant is None or scope not in (grant.project_id, CLOUD):
            raise Refused("You have no role there, or there is no such place.")
        if earlier is None and credential_id is None:
            actor = grant.actor(address=address, request_id=request_id)
            activities.record(actor, activities.SIGN_IN, user)
    return token, grant


def find(token: str) -> Grant | None:
    """What the token is good for; None for one that is unknown, too old or revoked, or whose user
    has no role any more in what it is for."""
    return _good(keys.digest(token))


def still(token_id: uuid.UUID) -> Grant | None:
    """What the token with this id in the table is good for at this moment; None for nothing."""
    id_hash = session.scalar(select(Token.id_hash).where(Token.id == token_id))
    return _good(id_hash) if id_hash else None


def subject(actor: Actor, grant: Grant | None) -> Grant:
    """The grant, of a token that the actor asks about: their own, or, for who may see users, of
    anybody. Raises NotFound where there is none."""
    if grant is None:
        raise NotFound("This token is unknown, too old, or was revoked.")
    if grant.user_id != actor.user_id:
        authorize(actor, "users:read")
    return grant


def project_named(name: str) -> uuid.UUID | None:
    """The id of the project of this name, for whoever wants to speak for it; None without one."""
    return session.scalar(
        select(Project.id).where(Project.name == name, Project.deleted_at.is_(None))
    )


def end(actor: Actor, grant: Grant) -> None:
    """The token is worth nothing any more, wherever it was copied to."""
    if grant.user_id != actor.user_id:
        authorize(actor, "users:change")
    with transaction():
        session.execute(delete(Token).where(Token.id == grant.token_id))
        user = session.get_one(User, grant.user_id)
        activities.record(actor, activities.SIGN_OUT, user)


def end_all(user_id: uuid.UUID) -> None:
    """No token of the user is worth anything any more. For use inside a change."""
    session.execute(delete(Token).where(Token.user_id == user_id))


def end_of(credential_id: uuid.UUID) -> None:
    """No token that was got by this credential is worth anything any more. For use inside a
    change."""
    session.execute(delete(Token).where(Token.credential_id == credential_id))


def forget() -> None:
    """Tokens that are too old are gone. For use inside a change."""
    session.execute(delete(Token).where(Token.expires_at <= now()))


def _refuse_if_changed(user_id: uuid.UUID, judged: str) -> None:
    """Raises Refused for a user whose password was changed while it was being judged."""
    held = session.scalar(select(User.password_hash).where(User.id == user_id))
    if held != judged:
        raise Refused("Your password was changed just now. Sign in with the new one.")


def _good(id_hash: str) -> Grant | None:
    moment = now()
    values = {
        "id_hash": id_hash,
        "moment": moment,
        "newest": moment + timedelta(hours=LONGEST_HOURS),
    }
    rows = session.execute(SHOWN, values).all()
    return _grant(rows) if rows else None


def _grant(rows: Sequence) -> Grant | None:
    first = rows[0]
    role = Role.strongest(row.held for row in rows if row.held)
    cloud_role = Role.strongest(row.held for row in rows if row.held and row.held_in_cloud)
    if first.credential_id:
        role = min(role, first.credential_role, key=lambda each: each.rank) if role else None
        cloud_role = cloud_role if first.credential_of_cloud else None
    if first.project_id:  # of the roles in the cloud, an administrator's alone goes beyond it
        cloud_role = cloud_role if cloud_role is Role.ADMIN else None
    else:
        role, cloud_role = None, cloud_role if first.of_cloud else None
    if (first.project_id and role is None) or (first.of_cloud and cloud_role is None):
        return None
    return Grant(
        token_id=first.id,
        user_id=first.user_id,
        user_name=first.user_name,
        project_id=first.project_id,
        project_name=first.project_name,
        of_cloud=first.of_cloud,
        role=role,
        cloud_role=cloud_role,
        credential_id=first.credential_id,
        credential_name=first.credential_name,
        methods=tuple(first.methods),
        audit_ids=tuple(first.audit_ids),
        issued_at=first.created_at,
        expires_at=first.expires_at,
    )
