"""Roles in the whole cloud: of users and of groups. Somebody who administers it is always left."""

import contextlib
import uuid
from collections.abc import Iterator

from sqlalchemy import select

from portal.db import session, transaction
from portal.errors import Refused
from portal.models import Group, Role, RoleAssignment, User, held_by
from portal.policies import Actor, authorize
from portal.services import activities, sessions, users


def set_role(actor: Actor, user_id: uuid.UUID, role: Role | None) -> None:
    """The user has this role in the whole cloud, or none, whatever programs gave them with a role
    in a project; what their groups have stays."""
    authorize(actor, "users:change")
    with transaction():
        user = users.find(actor, user_id)
        with kept_by_somebody(user.name):
            change(actor, user, role, wholly=True)


def change(actor: Actor, holder: User | Group, role: Role | None, *, wholly: bool = False) -> None:
    """The user or group has this role in the whole cloud, or none; `wholly`, whatever came with a
    role in a project. For use inside a change, within `kept_by_somebody`."""
    before = _of(holder)
    mine = next((each for each in holder.assignments if each.project_id is None), None)
    if wholly and role is not Role.ADMIN:
        for each in holder.assignments:
            each.of_cloud = False
    if role is None and mine:
        holder.assignments.remove(mine)
    elif role is not None and mine:
        mine.role = role
    elif role is not None:
        holder.assignments.append(RoleAssignment(role=role))
    session.flush()
    after = _of(holder)
    if before and (after is None or after.rank < before.rank):
        sign_out(holder)
    action = f"{holder.__tablename__}:change_role"
    activities.record(actor, action, holder, before={"role": before}, after={"role": after})


@contextlib.contextmanager
def kept_by_somebody(without: str) -> Iterator[None]:
    """Within it roles in the cloud may change, one transaction at a time. Raises Refused where
    nobody who may sign in would administer the cloud afterwards, now that `without` does not."""
    _lock()
    before = _administrators()
    yield
    session.flush()
    if before and not _administrators():
        raise Refused(
            "{user} is the last administrator of the cloud who may sign in. Make somebody "
            "else administrator first.",
            user=without,
            field="role",
        )


@contextlib.contextmanager
def ended_by_who_may(
    actor: Actor, held: RoleAssignment | None, after: Role | None = None
) -> Iterator[None]:
    """Within it a role in a project may become this one, or none. If it was the cloud's too and is
    no more, whoever had it is signed out everywhere: by the cloud's own alone. Raises Forbidden,
    and as `kept_by_somebody`."""
    if held is None or not held.of_cloud or after is Role.ADMIN:
        yield
        return
    authorize(actor, "users:change")
    whom = held.holder
    with kept_by_somebody(whom.name):
        yield
    sign_out(whom)


def sign_out(holder: User | Group) -> None:
    """Whoever had a role by it is signed out everywhere. For use inside a change."""
    for each in [holder] if isinstance(holder, User) else holder.users:
        sessions.revoke_all(each.id)


def of_user(user_id: uuid.UUID) -> Role | None:
    """The role that a user has in the whole cloud, whatever it comes from."""
    query = select(RoleAssignment.role).where(held_by(user_id), RoleAssignment.in_cloud)
    return Role.strongest(session.scalars(query))


def _of(holder: User | Group) -> Role | None:
    """The role in the cloud that was given to this very user or group."""
    return Role.strongest(each.role for each in holder.assignments if each.in_cloud)


def _lock() -> None:
    """Of two who change roles in the cloud, the second waits, and sees what the first has done."""
    query = select(RoleAssignment.id).where(RoleAssignment.in_cloud).with_for_update()
    session.execute(query.order_by(RoleAssignment.id)).all()


def _administrators() -> int:
    """How many users who may sign in administer the cloud, counted no further than one."""
    held = select(RoleAssignment.id).where(
        held_by(User.id), RoleAssignment.in_cloud, RoleAssignment.role == Role.ADMIN
    )
    there = (User.enabled, User.deleted_at.is_(None), held.correlate(User).exists())
    return len(session.scalars(select(User.id).where(*there).limit(1)).all())
