"""People: who may sign in, and what is known of them."""

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator, Mapping

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from portal import throttle
from portal.db import session, transaction
from portal.errors import Busy, Conflict, Forbidden, NotFound, Refused
from portal.models import Domain, Project, Role, RoleAssignment, User
from portal.models.named import reads_as
from portal.policies import Actor, authorize
from portal.services import activities, cloud_roles, finding, names, passwords, sessions
from portal.services.listing import Query, Stretch, always, like, page, stretch

SORTS = ("name", "created_at")
DEFAULT_DOMAIN = "default"
UNTOLD = {"reads_as", "default_project_id"}  # nothing that the record would say to people


@dataclasses.dataclass(frozen=True, kw_only=True)
class About:
    """What may be known of somebody beside their name."""

    description: str = ""
    email: str = ""
    default_project_id: uuid.UUID | None = None  # for which their programs speak if they say none
    project_note: str = ""
    enabled: bool = True


def verify(name: str, password: str) -> User | None:
    """The user, if there is one of this name with this password who may sign in.

    Takes as long for a name that does not exist, so that nobody learns which names do.
    """
    user = session.scalar(select(User).where(User.name == name, User.deleted_at.is_(None)))
    right = passwords.fits(password, user.password_hash if user else "")
    return user if right and user.enabled else None


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
    actor: Actor,
    name: str,
    password: str,
    *,
    must_change: bool = True,
    about: About = About(),
) -> User:
    """There is a user of this name, who has no part in any project yet."""
    authorize(actor, "users:change")
    label = names.distinct(name)
    passwords.check(password, label)
    hashed = passwords.hashed(password)
    with transaction():
        _check_free(label)
        _check_project(about.default_project_id)
        user = User(
            domain_id=session.scalar(select(Domain.id).where(Domain.name == DEFAULT_DOMAIN)),
            name=label,
            password_hash=hashed,
            must_change_password=must_change,
            **dataclasses.asdict(about),
        )
        session.add(user)
        session.flush()
        activities.record(actor, "users:create", user, after={"name": label})
    return user


def update(actor: Actor, user_id: uuid.UUID, changes: Mapping) -> User:
    """All of `changes` are made, or none: "name", "password", and fields of About. Whoever has
    another password, or may no longer sign in, is signed out everywhere."""
    authorize(actor, "users:change")
    user, values = find(actor, user_id), dict(changes)
    if "name" in values:
        values["name"] = names.distinct(values["name"])
        values["reads_as"] = reads_as(values["name"])
    password = values.pop("password", None)
    if password is not None:
        passwords.check(password, values.get("name", user.name))
        hashed = passwords.hashed(password)
    with transaction():
        user = find(actor, user_id)
        if "name" in values:
            _check_free(values["name"], but=user.id)
        _check_project(values.get("default_project_id"))
        with _let_in_or_kept_out(actor, user, enabled=values.get("enabled", True)):
            _alter(actor, user, values)
        if password is not None:
            passwords.keep(user, hashed)
            user.must_change_password = False
            activities.record(actor, "users:reset_password", user, after={"password": "reset"})
        if password is not None or not user.enabled:
            sessions.revoke_all(user.id)
    return user


def change_password(
    actor: Actor,
    current: str,
    new: str,
    *,
    user_id: uuid.UUID | None = None,
    keep_session: uuid.UUID | None = None,
) -> None:
    """The actor, or whoever is `user_id` to an administrator who was told their password, signs in
    with `new` from now on; all their sessions but one have ended. A wrong `current` counts like
    one of a sign-in."""
    authorize(actor, "password:change")
    user_id = user_id or actor.user_id
    if user_id != actor.user_id and not actor.may("users:change"):
        raise Forbidden("Only they themselves change their password by the one that they have.")
    user = standing(user_id)
    if prove(user.name, current, address=actor.address) is None:
        raise Refused("That is not your present password.", field="current")
    if current == new:
        raise Refused("Choose a password that differs from the present one.", field="new")
    passwords.check(new, user.name)
    passwords.refuse_used(user, new)
    hashed = passwords.hashed(new)
    with transaction():
        user = session.get_one(User, user_id)
        passwords.keep(user, hashed)
        user.must_change_password = False
        sessions.revoke_all(user.id, but=keep_session)
        activities.record(actor, "password:change", user)


def reset_password(
    actor: Actor, user_id: uuid.UUID, password: str, *, must_change: bool = True
) -> None:
    """The user has this password; if they must change it, until their next sign-in."""
    authorize(actor, "users:change")
    user = find(actor, user_id)
    passwords.check(password, user.name)
    hashed = passwords.hashed(password)
    with transaction():
        user = find(actor, user_id)
        passwords.keep(user, hashed)
        user.must_change_password = must_change
        sessions.revoke_all(user.id)
        activities.record(actor, "users:reset_password", user, after={"password": "reset"})


def enable(actor: Actor, user_id: uuid.UUID, *, enabled: bool) -> None:
    """The user may, or may no longer, sign in; in the latter case every session has ended."""
    authorize(actor, "users:change")
    with transaction():
        user = find(actor, user_id)
        verb = "enable" if enabled else "disable"
        with _let_in_or_kept_out(actor, user, enabled=enabled):
            activities.alter(actor, f"users:{verb}", user, {"enabled": enabled})
        if not enabled:
            sessions.revoke_all(user.id)


def listed(actor: Actor, wanted: Query) -> tuple[list[User], int]:
    """A page of all users, with their roles, and how many there are. `wanted.text` is a part of
    a name."""
    authorize(actor, "users:read")
    query = select(User).where(User.deleted_at.is_(None))
    if wanted.text:
        query = query.where(User.name.ilike(like(wanted.text), escape="\\"))
    columns = {name: getattr(User, name) for name in (*SORTS, "id")}
    return page(query, wanted, columns, (selectinload(User.roles),))


def walk(actor: Actor, wanted: Stretch) -> tuple[list[User], bool]:
    """A stretch of all users, and whether there are more."""
    authorize(actor, "users:read")
    query = select(User).where(User.deleted_at.is_(None))
    columns = {name: getattr(User, name) for name in (*SORTS, "enabled", "id")}
    filters = {"domain_id": always(DEFAULT_DOMAIN)}
    return stretch(query, wanted, columns, filters=filters)


def seen(actor: Actor, user_id: uuid.UUID) -> User:
    """The user: oneself, or, for who may see users, anybody. Raises NotFound."""
    return standing(user_id) if user_id == actor.user_id else find(actor, user_id)


def find(actor: Actor, name_or_id: uuid.UUID | str) -> User:
    """The user, for whoever may see all users. Raises NotFound, Ambiguous."""
    return finding.find(actor, User, name_or_id)


def actor_of(user: User, *, address: str = "", request_id: str = "") -> Actor:
    """The user as an actor, with the roles that they had when they were read."""
    open_to = {each.project_id for each in user.roles if each.project and each.project.enabled}
    return Actor(
        user_id=user.id,
        user_name=user.name,
        system=user.cloud_role,
        projects={
            project_id: Role.strongest(
                each.role for each in user.roles if each.project_id == project_id
            )
            for project_id in open_to
        },
        address=address,
        request_id=request_id,
    )


def as_now(actor: Actor) -> Actor:
    """The actor with those of their roles that they have at this moment, which stay until the
    transaction ends: none, where they may no longer sign in. For use inside a change that was long
    in coming."""
    if actor.user_id is None:
        return actor
    there = (User.id == actor.user_id, User.deleted_at.is_(None), User.enabled)
    user = session.scalar(select(User).where(*there).with_for_update(read=True, of=User))
    if user is None:
        return dataclasses.replace(actor, system=None, projects={})
    return actor.no_more_than(actor_of(user))


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
        password_hash=passwords.hashed(password),
        must_change_password=must_change,
    )
    user.assignments.append(RoleAssignment(role=Role.ADMIN))
    session.add(user)
    session.flush()
    return user


def _check_free(name: str, *, but: uuid.UUID | None = None) -> None:
    """Raises Conflict when the name of somebody else than `but` reads like this one."""
    same = select(User).where(User.reads_as == reads_as(name), User.deleted_at.is_(None))
    held = session.scalar(same)
    if held is not None and held.id != but:
        raise Conflict.saying(names.taken("user", name, held.name), field="name")


def _check_project(project_id: uuid.UUID | None) -> None:
    """Raises Refused for a project that is not there."""
    there = (Project.id == project_id, Project.deleted_at.is_(None))
    if project_id is not None and session.scalar(select(Project.id).where(*there)) is None:
        raise Refused("There is no such project.", field="default_project_id")


@contextlib.contextmanager
def _let_in_or_kept_out(actor: Actor, user: User, *, enabled: bool) -> Iterator[None]:
    """Within it whether the user may sign in becomes so. Raises Refused where somebody would lock
    themselves out, or the last one who administers the cloud."""
    if enabled:
        yield
        return
    if user.id == actor.user_id:
        raise Refused("You cannot lock yourself out. Ask another administrator.")
    with cloud_roles.kept_by_somebody(user.name):
        yield


def _alter(actor: Actor, user: User, changes: Mapping) -> None:
    """The user has these values; the record says which of them are others than before."""
    others = {name: value for name, value in changes.items() if getattr(user, name) != value}
    for name in others.keys() & UNTOLD:
        setattr(user, name, others[name])
    if others:
        values = {name: value for name, value in others.items() if name not in UNTOLD}
        activities.alter(actor, "users:change", user, values)
