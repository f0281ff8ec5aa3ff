"""People: who may sign in, and with which password."""

import contextlib
import dataclasses
import secrets
import threading
import uuid
from collections.abc import Iterator

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from portal import config, throttle
from portal.db import session, transaction
from portal.errors import Busy, Conflict, Forbidden, NotFound, Refused
from portal.models import Domain, Role, RoleAssignment, User
from portal.models.named import reads_as
from portal.policies import Actor, authorize
from portal.services import activities, finding, names, sessions
from portal.services.listing import Query, Stretch, like, page, stretch

SORTS = ("name", "created_at")
READABLE = "abcdefghjkmnpqrstuvwxyz23456789"  # no two of which look alike
SHORTEST, LONGEST = 12, 128  # characters of a password
JUDGED = 72  # of which the strength is estimated: the estimate takes quadratic time
FOR_LETTERS = "4@8({[<369&#!1|0$5+7%2"  # zxcvbn's L33T_TABLE
KINDS_JUDGED = 6  # of FOR_LETTERS
LEAST_SCORE = 2  # zxcvbn's "somewhat guessable": more than 10**6 guesses
DEFAULT_DOMAIN = "default"

WAITING_MOST = 8  # for a hash, each of them with a thread of the web process
WAIT_SECONDS = 5  # until somebody who was told to wait tries again

_turns: threading.BoundedSemaphore | None = None
_room = threading.BoundedSemaphore(WAITING_MOST)


def verify(name: str, password: str) -> User | None:
    """The user, if there is one of this name with this password who may sign in.

    Takes as long for a name that does not exist, so that nobody learns which names do.
    """
    user = session.scalar(select(User).where(User.name == name, User.deleted_at.is_(None)))
    known = user.password_hash if user else _dummy()
    with _turn():
        try:
            _hasher().verify(known, password[:LONGEST])
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return None
    return user if user and user.enabled else None


def prove(name: str, password: str, *, address: str) -> User | None:
    """The user whose password this is, as `verify` says. Raises TooMany, and OutOfReach, for a try
    that is not allowed: it is counted before it is judged, and not at all if it was right."""
    attempt = throttle.Try(name, address)
    try:
        user = verify(name, password)
    except Busy:
        attempt.was_none()
        raise
    if user is not None:
        attempt.was_none()
    return user


def name_of(user_id: uuid.UUID) -> str:
    """What the user of this id is called; "" for nobody."""
    query = select(User.name).where(User.id == user_id, User.deleted_at.is_(None))
    return session.scalar(query) or ""


def standing(user_id: uuid.UUID) -> User:
    """The user of this id, who may sign in. Raises NotFound."""
    known = (User.id == user_id, User.enabled, User.deleted_at.is_(None))
    found = session.scalar(select(User).where(*known).execution_options(populate_existing=True))
    if found is None:
        raise NotFound("There is no such user.")
    return found


def create(
    actor: Actor, name: str, password: str, *, must_change: bool = True, description: str = ""
) -> User:
    """There is a user of this name, who has no part in any project yet."""
    authorize(actor, "users:change")
    label = names.distinct(name)
    check_password(password, label)
    hashed = hash_password(password)
    with transaction():
        _check_free(label)
        user = User(
            domain_id=session.scalar(select(Domain.id).where(Domain.name == DEFAULT_DOMAIN)),
            name=label,
            password_hash=hashed,
            must_change_password=must_change,
            description=description,
        )
        session.add(user)
        session.flush()
        activities.record(actor, "users:create", user, after={"name": label})
    return user


def change_password(
    actor: Actor,
    current: str,
    new: str,
    *,
    user_id: uuid.UUID | None = None,
    keep_session: uuid.UUID | None = None,
) -> None:
    """The actor, who is `user_id` if that is said, signs in with `new` from now on; all their
    sessions but one have ended. A wrong `current` counts like one of a sign-in."""
    authorize(actor, "password:change")
    if user_id not in (None, actor.user_id):
        raise Forbidden("Only they themselves change their password by the one that they have.")
    user = session.get_one(User, actor.user_id)
    if prove(user.name, current, address=actor.address) is None:
        raise Refused("That is not your present password.", field="current")
    if current == new:
        raise Refused("Choose a password that differs from the present one.", field="new")
    check_password(new, user.name)
    hashed = hash_password(new)
    with transaction():
        user = session.get_one(User, actor.user_id)
        user.password_hash = hashed
        user.must_change_password = False
        sessions.revoke_all(user.id, but=keep_session)
        activities.record(actor, "password:change", user)


def reset_password(
    actor: Actor, user_id: uuid.UUID, password: str, *, must_change: bool = True
) -> None:
    """The user has this password; if they must change it, until their next sign-in."""
    authorize(actor, "users:change")
    user = find(actor, user_id)
    check_password(password, user.name)
    hashed = hash_password(password)
    with transaction():
        user = find(actor, user_id)
        user.password_hash, user.must_change_password = hashed, must_change
        sessions.revoke_all(user.id)
        activities.record(actor, "users:reset_password", user, after={"password": "reset"})


def enable(actor: Actor, user_id: uuid.UUID, *, enabled: bool) -> None:
    """The user may, or may no longer, sign in; in the latter case every session has ended."""
    authorize(actor, "users:change")
    with transaction():
        user = find(actor, user_id)
        if user.id == actor.user_id and not enabled:
            raise Refused("You cannot lock yourself out. Ask another administrator.")
        verb = "enable" if enabled else "disable"
        activities.alter(actor, f"users:{verb}", user, {"enabled": enabled})
        if not enabled:
            sessions.revoke_all(user.id)


def set_cloud_role(actor: Actor, user_id: uuid.UUID, role: Role | None) -> None:
    """The user has this role in the whole cloud, or none. Somebody who may administer it is
    always left."""
    authorize(actor, "users:change")
    with transaction():
        held = cloud_roles()
        user = find(actor, user_id)
        mine = held.pop(user.id, None)
        if role is not Role.ADMIN:
            keep_an_administrator(user, mine, held)
        before = mine and mine.role
        if role is None and mine:
            session.delete(mine)
        elif role is not None:
            mine = mine or RoleAssignment(user_id=user.id)
            mine.role = role
            session.add(mine)
        if before and (role is None or role.rank < before.rank):
            sessions.revoke_all(user.id)
        activities.record(
            actor, "users:change_role", user, before={"role": before}, after={"role": role}
        )


def listed(actor: Actor, wanted: Query) -> tuple[list[User], int]:
    """A page of all users, with their roles, and how many there are. `wanted.text` is a part of
    a name."""
    authorize(actor, "users:read")
    query = select(User).where(User.deleted_at.is_(None))
    if wanted.text:
        query = query.where(User.name.ilike(like(wanted.text), escape="\\"))
    columns = {name: getattr(User, name) for name in (*SORTS, "id")}
    return page(query, wanted, columns, (selectinload(User.assignments),))


def walk(actor: Actor, wanted: Stretch) -> tuple[list[User], bool]:
    """A stretch of all users, and whether there are more."""
    authorize(actor, "users:read")
    query = select(User).where(User.deleted_at.is_(None))
    columns = {name: getattr(User, name) for name in (*SORTS, "enabled", "id")}
    return stretch(query, wanted, columns)


def seen(actor: Actor, user_id: uuid.UUID) -> User:
    """The user: oneself, or, for who may see users, anybody. Raises NotFound."""
    return standing(user_id) if user_id == actor.user_id else find(actor, user_id)


def new_password() -> str:
    """A password that can be read out: 20 random characters, 99 bits."""
    return "-".join("".join(secrets.choice(READABLE) for _ in range(5)) for _ in range(4))


def find(actor: Actor, name_or_id: uuid.UUID | str) -> User:
    """The user, for whoever may see all users. Raises NotFound, Ambiguous."""
    return finding.find(actor, User, name_or_id)


def actor_of(user: User, *, address: str = "", request_id: str = "") -> Actor:
    """The user as an actor, with the roles that they had when they were read."""
    held = user.assignments
    return Actor(
        user_id=user.id,
        user_name=user.name,
        system=next((each.role for each in held if each.project_id is None), None),
        projects={
            each.project_id: each.role
            for each in held
            if each.project is not None and each.project.enabled
        },
        address=address,
        request_id=request_id,
    )


def as_now(actor: Actor) -> Actor:
    """The actor with the roles that they have at this moment, which stay until the transaction
    ends: none, where they may no longer sign in. For use inside a change that was long in coming.
    """
    if actor.user_id is None:
        return actor
    there = (User.id == actor.user_id, User.deleted_at.is_(None), User.enabled)
    user = session.scalar(select(User).where(*there).with_for_update(read=True, of=User))
    if user is None:
        return dataclasses.replace(actor, system=None, projects={})
    return actor_of(user, address=actor.address, request_id=actor.request_id)


def create_administrator(actor: Actor, name: str, password: str) -> User:
    """There is one more administrator of the whole cloud, who chooses a password of their own at
    the first sign-in."""
    authorize(actor, "users:change")
    label = names.distinct(name)
    with transaction():
        _check_free(label)
        user = make_administrator(label, password)
        activities.record(actor, "users:create", user, after={"role": Role.ADMIN})
    return user


def make_administrator(name: str, password: str, *, must_change: bool = True) -> User:
    """There is an administrator of the whole cloud with this password. For use inside a change:
    the beginning of an installation, where there is nobody to ask."""
    domain = session.scalar(select(Domain).where(Domain.name == DEFAULT_DOMAIN))
    if domain is None:
        domain = Domain(name=DEFAULT_DOMAIN)
        session.add(domain)
        session.flush()
    user = User(
        domain_id=domain.id,
        name=name,
        password_hash=hash_password(password),
        must_change_password=must_change,
    )
    user.assignments.append(RoleAssignment(role=Role.ADMIN))
    session.add(user)
    session.flush()
    return user


def check_password(password: str, user_name: str) -> None:
    """Raises Refused for a password that is too short, too long, or soon guessed."""
    from zxcvbn import zxcvbn  # 12 MiB of words, for the rare moment in which they are needed

    if not SHORTEST <= len(password) <= LONGEST:
        raise Refused(
            "A password has from {shortest} to {longest} characters.",
            shortest=SHORTEST,
            longest=LONGEST,
            field="new",
        )
    if zxcvbn(_judged(password), user_inputs=[user_name, "portico"])["score"] < LEAST_SCORE:
        raise Refused(
            "This password would soon be guessed. Take a few words that do not belong together.",
            field="new",
        )


def _judged(password: str) -> str:
    """What of a password is estimated, so that it takes no second: not all of a long one, and of
    what may stand for letters so many kinds, since the estimate tries all ways to read them."""
    kinds = list(dict.fromkeys(each for each in password if each in FOR_LETTERS))[KINDS_JUDGED:]
    return "".join(each for each in password[:JUDGED] if each not in kinds)


def hash_password(password: str) -> str:
    """Argon2id (RFC 9106) with the settings in force. Takes a fifth of a second and 19 MiB, so
    only so many are computed at a time."""
    with _turn():
        return _hasher().hash(password)


def _check_free(name: str) -> None:
    """Raises Conflict when somebody's name reads like this one."""
    same = (User.reads_as == reads_as(name), User.deleted_at.is_(None))
    held = session.scalar(select(User.name).where(*same))
    if held is not None:
        raise Conflict.saying(names.taken("user", name, held), field="name")


def cloud_roles() -> dict[uuid.UUID, RoleAssignment]:
    """Everybody's role in the cloud, the rows locked. For use inside a change."""
    query = select(RoleAssignment).where(RoleAssignment.project_id.is_(None))
    return {
        each.user_id: each for each in session.scalars(query.with_for_update(of=RoleAssignment))
    }


def keep_an_administrator(
    user: User, mine: RoleAssignment | None, others: dict[uuid.UUID, RoleAssignment]
) -> None:
    """Raises Refused when nobody would administer the cloud without the role of this user. For use
    inside a change, with all roles in the cloud locked."""
    if mine and mine.role is Role.ADMIN and not _admins(others):
        raise Refused(
            "{user} is the last administrator of the cloud who may sign in. Make somebody "
            "else administrator first.",
            user=user.name,
            field="role",
        )


def _admins(held: dict[uuid.UUID, RoleAssignment]) -> list[RoleAssignment]:
    return [each for each in held.values() if each.role is Role.ADMIN and each.user.enabled]


def _hasher() -> PasswordHasher:
    settings = config.current()
    return PasswordHasher(
        time_cost=settings.argon2_passes, memory_cost=settings.argon2_memory_kib, parallelism=1
    )


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """Within it one hash may be computed. Raises Busy when too many wait for that already."""
    global _turns
    if _turns is None:
        _turns = threading.BoundedSemaphore(config.current().password_hashes_at_once)
    if not _room.acquire(blocking=False):
        raise Busy("Too many passwords are being checked. Try again.", retry_after=WAIT_SECONDS)
    try:
        with _turns:
            yield
    finally:
        _room.release()


_dummy_hash = ""


def _dummy() -> str:
    global _dummy_hash
    if not _dummy_hash:
        _dummy_hash = _hasher().hash("no password at all")
    return _dummy_hash
