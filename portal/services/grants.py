"""Roles that are given and taken one by one, as programs do it, and who has which where.

A user or a group has one role in a project, or in the whole cloud: the strongest that was given,
which implies the others. In a project the strongest of all is an administrator's who administers
the whole cloud as well.
"""

import dataclasses
import uuid

from sqlalchemy import func, or_, select
from sqlalchemy.orm import contains_eager

from portal.db import session, transaction
from portal.errors import Conflict, NotFound, Refused
from portal.models import Group, GroupMember, Role, RoleAssignment, User
from portal.policies import Actor, authorize
from portal.services import cloud_roles, projects


@dataclasses.dataclass(frozen=True)
class Holder:
    """A user, or a group, by its id."""

    kind: type[User] | type[Group]
    id: uuid.UUID

    @property
    def column(self):
        """Which of a role's columns names it."""
        return RoleAssignment.user_id if self.kind is User else RoleAssignment.group_id


@dataclasses.dataclass(frozen=True)
class Level:
    """A role as it is given: in a project perhaps as one who administers the whole cloud too."""

    role: Role
    of_cloud: bool = False

    @property
    def strength(self) -> int:
        """The stronger of two implies the other."""
        return self.role.rank + self.of_cloud


def listed(
    actor: Actor,
    *,
    project_id: uuid.UUID | None = None,
    user_id: uuid.UUID | None = None,
    group_id: uuid.UUID | None = None,
    of_cloud: bool = False,
    effective: bool = False,
) -> list[tuple[RoleAssignment, User | None]]:
    """Who has which role where: in this project, or `of_cloud` in the cloud, of this user, or of
    this group; without any of them all. `effective` ones are shown with whoever has them by a
    group, one by one. One's own are shown to everybody, a project's to its members, others to who
    may see users."""
    if project_id is not None:
        authorize(actor, "members:read", project_id)
    elif user_id != actor.user_id:
        authorize(actor, "users:read")
    query = (
        select(RoleAssignment, User)
        .outerjoin(RoleAssignment.group)
        .options(contains_eager(RoleAssignment.group))
        .order_by(func.coalesce(User.name, Group.name), RoleAssignment.id, User.id)
    )
    if effective:
        members = GroupMember.group_id == RoleAssignment.group_id
        theirs = or_(User.id == RoleAssignment.user_id, User.id == GroupMember.user_id)
        query = query.outerjoin(GroupMember, members).join(User, theirs)
    else:
        query = query.outerjoin(User, User.id == RoleAssignment.user_id)
    if project_id is not None:
        query = query.where(RoleAssignment.project_id == project_id)
    if of_cloud:
        query = query.where(RoleAssignment.project_id.is_(None))
    if user_id is not None:
        query = query.where(User.id == user_id)
    if group_id is not None:
        query = query.where(RoleAssignment.group_id == group_id)
    return [tuple(row) for row in session.execute(query)]


def of_holder(actor: Actor, project_id: uuid.UUID | None, holder: Holder) -> RoleAssignment | None:
    """What the user or group was given in the project, or, without one, in the cloud."""
    _authorize(actor, "members:read", "users:read", project_id)
    return _assignment(project_id, holder)


def held(actor: Actor, project_id: uuid.UUID | None, holder: Holder, level: Level) -> None:
    """Returns if the user or group was given at least this role there. Raises NotFound."""
    found = of_holder(actor, project_id, holder)
    if found is None or _level(found).strength < level.strength:
        raise NotFound("They do not have this role there.")


def set_group(actor: Actor, project_id: uuid.UUID, group_name: str, role: Role) -> None:
    """The group has this role in the project, whatever it had before."""
    authorize(actor, "members:change", project_id)
    with transaction():
        project = projects.lock(project_id)
        named = select(Group).where(Group.name == group_name.strip())
        group = session.scalar(named.with_for_update(read=True))
        if group is None:
            raise Refused(
                "There is no group of that name. An administrator of the cloud makes groups.",
                field="group_name",
            )
        mine = _assignment(project_id, Holder(Group, group.id))
        with cloud_roles.ended_by_who_may(actor, mine, role):
            projects.assign(actor, project, group, mine, role)


def remove_group(actor: Actor, project_id: uuid.UUID, group_id: uuid.UUID) -> None:
    """The group has no role in the project. Raises NotFound."""
    take(actor, project_id, Holder(Group, group_id), _level(of_group(actor, project_id, group_id)))


def of_group(actor: Actor, project_id: uuid.UUID, group_id: uuid.UUID) -> RoleAssignment:
    """The role that the group has in the project. Raises NotFound."""
    found = of_holder(actor, project_id, Holder(Group, group_id))
    if found is None:
        raise NotFound("This group is not in this project.")
    return found


def give(actor: Actor, project_id: uuid.UUID | None, holder: Holder, level: Level) -> None:
    """The user or group has at least this role there. Raises NotFound, Conflict for a project that
    is being deleted."""
    _authorize_change(actor, project_id, level)
    with transaction():
        project = projects.lock(project_id) if project_id else None
        whom = _find(holder)
        mine = _assignment(project_id, holder)
        if mine is not None and _level(mine).strength >= level.strength:
            return
        if project is None:
            with cloud_roles.kept_by_somebody(whom.name):
                cloud_roles.change(actor, whom, level.role)
            return
        projects.assign(actor, project, whom, mine, level.role, of_cloud=level.of_cloud)


def take(actor: Actor, project_id: uuid.UUID | None, holder: Holder, level: Level) -> None:
    """The user or group has no role there, if it was this one. Raises NotFound, and Conflict for a
    role that comes with a stronger one."""
    _authorize_change(actor, project_id, level)
    with transaction():
        project = projects.lock(project_id) if project_id else None
        mine = _assignment(project_id, holder)
        if mine is None or _level(mine).strength < level.strength:
            raise NotFound("They do not have this role there.")
        if _level(mine) != level:
            raise Conflict("It comes with a stronger role that they have: take that one away.")
        whom = mine.holder
        if project is None:
            with cloud_roles.kept_by_somebody(whom.name):
                cloud_roles.change(actor, whom, None)
            return
        with cloud_roles.ended_by_who_may(actor, mine):
            projects.leave(actor, project, mine)


def _authorize(actor: Actor, in_project: str, in_cloud: str, project_id: uuid.UUID | None) -> None:
    authorize(actor, in_project if project_id else in_cloud, project_id)


def _authorize_change(actor: Actor, project_id: uuid.UUID | None, level: Level) -> None:
    """Raises Forbidden: whoever makes administrators of the cloud is one."""
    _authorize(actor, "members:change", "users:change", project_id)
    if level.of_cloud:
        authorize(actor, "users:change")


def _find(holder: Holder) -> User | Group:
    query = select(holder.kind).where(holder.kind.id == holder.id)
    if holder.kind is User:
        query = query.where(User.deleted_at.is_(None))
    found = session.scalar(query.with_for_update(read=True))
    if found is None:
        raise NotFound(
            "There is no such user." if holder.kind is User else "There is no such group."
        )
    return found


def _assignment(project_id: uuid.UUID | None, holder: Holder) -> RoleAssignment | None:
    there = RoleAssignment.project_id
    there = there.is_(None) if project_id is None else there == project_id
    query = select(RoleAssignment).where(there, holder.column == holder.id)
    return session.scalar(query.execution_options(populate_existing=True))


def _level(held: RoleAssignment) -> Level:
    return Level(held.role, held.of_cloud)
