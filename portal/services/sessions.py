"""Browsers that are signed in. The cookie holds 256 random bits; the table their SHA-256."""

import contextlib
import secrets
import uuid
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import joinedload

from portal import config, keys
from portal.db import now, session, transaction
from portal.errors import DiskFull
from portal.models import Session, User
from portal.policies import Actor
from portal.services import activities, tokens

SEEN_WRITTEN = timedelta(minutes=1)  # `last_seen` is at most so far behind
WITH_ROLES = (
    select(Session)
    .where(Session.id_hash == bindparam("id_hash"))
    .options(joinedload(Session.user).joinedload(User.roles))
    .execution_options(populate_existing=True)
)


def open_session(user: User, *, address: str, user_agent: str, request_id: str = "") -> str:
    """The user is signed in, which is in the record. Returns what the cookie shall hold."""
    secret = secrets.token_urlsafe(32)
    with transaction():
        session.add(
            Session(
                id_hash=keys.digest(secret),
                user_id=user.id,
                last_seen=now(),
                address=address,
                user_agent=user_agent[:255],
            )
        )
        activities.record(_actor(user, address, request_id), activities.SIGN_IN, user)
    return secret


def find(secret: str) -> Session | None:
    """The session whose cookie this is, if it has not ended: by sign-out, by an hour's silence,
    by its age, or because its user may no longer sign in. Every page begins with it, so the
    user's roles are read by the same statement."""
    found = session.scalars(WITH_ROLES, {"id_hash": keys.digest(secret)}).unique().one_or_none()
    return found if found and _lasts(found) else None


def alive(session_id: uuid.UUID) -> Session | None:
    """The session of this id, if it has not ended."""
    found = session.get(Session, session_id)
    return found if found and _lasts(found) else None


def touch(found: Session) -> None:
    """The session was used just now. Written at most once a minute; on a full disk not at all,
    so that pages go on."""
    if abs(now() - found.last_seen) < SEEN_WRITTEN:
        return
    with contextlib.suppress(DiskFull), transaction():
        session.execute(update(Session).where(Session.id == found.id).values(last_seen=now()))


def of_user(user_id: uuid.UUID) -> list[Session]:
    """The user's sessions that have not been ended, newest first."""
    return list(
        session.scalars(
            select(Session)
            .where(
                Session.user_id == user_id,
                Session.revoked_at.is_(None),
                Session.created_at >= _oldest(),
            )
            .order_by(Session.last_seen.desc())
        )
    )


def sign_out(secret: str, *, address: str = "", request_id: str = "") -> None:
    """The session has ended, here and wherever its cookie was copied to."""
    with transaction():
        ended = session.execute(
            update(Session)
            .where(Session.id_hash == keys.digest(secret), Session.revoked_at.is_(None))
            .values(revoked_at=now())
        )
        if ended.rowcount:
            found = session.scalars(
                select(Session).where(Session.id_hash == keys.digest(secret))
            ).one()
            actor = _actor(found.user, address, request_id)
            activities.record(actor, activities.SIGN_OUT, found.user)


def sign_out_everywhere(actor: Actor) -> None:
    """Every session of the actor has ended."""
    with transaction():
        revoke_all(actor.user_id)
        activities.record(actor, "sessions:revoke", session.get_one(User, actor.user_id))


def revoke_all(user_id: uuid.UUID, *, but: uuid.UUID | None = None) -> None:
    """Every session of the user has ended, except the one named, and no token of theirs is worth
    anything. For use inside a change."""
    others = [] if but is None else [Session.id != but]
    session.execute(
        update(Session)
        .where(Session.user_id == user_id, Session.revoked_at.is_(None), *others)
        .values(revoked_at=now())
    )
    tokens.end_all(user_id)


def end_all(user_id: uuid.UUID) -> None:
    """Nothing is left of the user's sessions. For use inside a change."""
    session.execute(delete(Session).where(Session.user_id == user_id))


def forget() -> None:
    """Sessions that have ended by their age are gone. For use inside a change."""
    session.execute(delete(Session).where(Session.created_at < _oldest()))


def _actor(user: User, address: str, request_id: str) -> Actor:
    return Actor(user_id=user.id, user_name=user.name, address=address, request_id=request_id)


def _oldest() -> datetime:
    return now() - timedelta(hours=config.current().session_hours)


def _lasts(found: Session) -> bool:
    settings, moment = config.current(), now()
    newest = moment + timedelta(hours=settings.session_hours)
    return (
        found.revoked_at is None
        and found.user.enabled
        and found.created_at <= newest  # else it is of a clock that was wrong, and would never end
        and moment - found.last_seen <= timedelta(minutes=settings.session_idle_minutes)
        and found.created_at >= _oldest()
    )
