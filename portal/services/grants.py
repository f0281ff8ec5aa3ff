"""Roles that are given and taken one by one, as programs do it, and who has which where.

A user has one role in a project: the strongest that was given, which implies the others.
"""

import uuid

from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from portal.db import session, transaction
from portal.errors import Conflict, NotFound
from portal.models import Role, RoleAssignment, User
from portal.policies import Actor, authorize
from portal.services import projects


def listed(
    actor: Actor, *, project_id: uuid.UUID | None = None, user_id: uuid.UUID | None = None
) -> list[RoleAssignment]:
    """Who has which role where: in this project, of this user, or, without either, all. One's own
    are shown to everybody, a project's to its members, others to who may see users."""
    if project_id is not None:
        authorize(actor, "members:read", project_id)
    elif user_id != actor.user_id:
        authorize(actor, "users:read")
    query = (
        select(RoleAssignment)
        .join(RoleAssignment.user)
        .options(contains_eager(RoleAssignment.user))
        .order_by(User.name, RoleAssignment.id)
    )
    if project_id is not None:
        query = query.where(RoleAssignment.project_id == project_id)
    if user_id is not None:
        query = query.where(RoleAssignment.user_id == user_id)
    return list(session.scalars(query))


def held(actor: Actor, project_id: uuid.UUID, user_id: uuid.UUID, role: Role) -> None:
    """Returns if the user has at least this role in the project. Raises NotFound."""
    authorize(actor, "members:read", project_id)
    found = projects.assignment(project_id, user_id)
    if found is None or found.role.rank < role.rank:
        raise NotFound("They do not have this role there.")


def give(actor: Actor, project_id: uuid.UUID, user_id: uuid.UUID, role: Role) -> None:
    """The user has at least this role in the project. Raises NotFound, Conflict for a project
    that is being deleted."""
    authorize(actor, "members:change", project_id)
    with transaction():
        project = projects.lock(project_id)
        named = (User.id == user_id, User.deleted_at.is_(None))
        user = session.scalar(select(User).where(*named).with_for_update(read=True))
        if user is None:
            raise NotFound("There is no such user.")
        mine = projects.assignment(project_id, user_id)
        if mine is None or mine.role.rank < role.rank:
            projects.assign(actor, project, user, mine, role)


def take(actor: Actor, project_id: uuid.UUID, user_id: uuid.UUID, role: Role) -> None:
    """The user has no role in the project, if it was this one. Raises NotFound, and Conflict for a
    role that comes with a stronger one."""
    authorize(actor, "members:change", project_id)
    with transaction():
        project = projects.lock(project_id)
        mine = projects.assignment(project_id, user_id)
        if mine is None or mine.role.rank < role.rank:
            raise NotFound("They do not have this role there.")
        if mine.role is not role:
            raise Conflict("It comes with a stronger role that they have: take that one away.")
        projects.leave(actor, project, mine)
