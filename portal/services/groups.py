"""Groups: people who have roles together. Administrators of the cloud say who is in which."""

import uuid
from collections.abc import Mapping

from sqlalchemy import exists, func, select
from sqlalchemy.orm import selectinload

from portal.db import session, transaction
from portal.errors import Conflict, NotFound, Refused
from portal.models import Domain, Group, GroupMember, Role, RoleAssignment, User
from portal.models.named import reads_as
from portal.policies import Actor, authorize
from portal.services import activities, cloud_roles, finding, names, users
from portal.services.listing import Query, Stretch, always, like, page, stretch

SORTS = ("name", "created_at")


def create(actor: Actor, name: str, *, description: str = "") -> Group:
    """There is a group of this name, with nobody in it and no role."""
    authorize(actor, "groups:change")
    label = names.distinct(name)
    with transaction():
        _check_free(label)
        group = Group(
            domain_id=session.scalar(select(Domain.id).where(Domain.name == users.DEFAULT_DOMAIN)),
            name=label,
            description=description,
        )
        session.add(group)
        session.flush()
        activities.record(actor, "groups:create", group, after={"name": label})
    return group


def update(actor: Actor, group_id: uuid.UUID, changes: Mapping) -> Group:
    """The group has this "name" and this "description", as far as they are given."""
    authorize(actor, "groups:change")
    values = dict(changes)
    if "name" in values:
        values["name"] = names.distinct(values["name"])
    with transaction():
        group = find(actor, group_id)
        if "name" in values:
            _check_free(values["name"], but=group.id)
            group.reads_as = reads_as(values["name"])
        activities.alter(actor, "groups:change", group, values)
    return group


def add(actor: Actor, group_id: uuid.UUID, user: uuid.UUID | str) -> str:
    """The user of this id or name is in the group, and has all of its roles. Returns their name."""
    authorize(actor, "groups:change")
    with transaction():
        group = _locked(actor, group_id)
        joining = _somebody(actor, user)
        if joining not in group.users:
            group.users.append(joining)
            activities.record(actor, "groups:add", group, after={"members": [joining.name]})
    return joining.name


def remove(actor: Actor, group_id: uuid.UUID, user_id: uuid.UUID) -> str:
    """The user is in the group no more, and has none of its roles by it. Returns their name."""
    authorize(actor, "groups:change")
    with transaction():
        group = _locked(actor, group_id)
        leaving = _member(group, user_id)
        with cloud_roles.kept_by_somebody(leaving.name):
            group.users.remove(leaving)
        if group.cloud_role:
            cloud_roles.sign_out(leaving)
        activities.record(actor, "groups:remove", group, before={"members": [leaving.name]})
    return leaving.name


def delete(actor: Actor, group_id: uuid.UUID) -> str:
    """The group is gone with its roles; whoever was in it stays. Returns its name."""
    authorize(actor, "groups:change")
    with transaction():
        group = _locked(actor, group_id)
        had = {"members": [each.name for each in group.users], "roles": roles(group)}
        activities.record(actor, "groups:delete", group, before=had)
        with cloud_roles.kept_by_somebody(group.name):
            if group.cloud_role:
                cloud_roles.sign_out(group)
            group.users.clear()
            session.delete(group)
    return group.name


def set_cloud_role(actor: Actor, group_id: uuid.UUID, role: Role | None) -> None:
    """The group has this role in the whole cloud, or none, whatever programs gave it with a role
    in a project."""
    authorize(actor, "users:change")
    with transaction():
        group = _locked(actor, group_id)
        with cloud_roles.kept_by_somebody(group.name):
            cloud_roles.change(actor, group, role, wholly=True)


def find(actor: Actor, group: uuid.UUID | str) -> Group:
    """The group of this id or name. Raises NotFound."""
    return finding.find(actor, Group, group)


def held(actor: Actor, group_id: uuid.UUID, user_id: uuid.UUID) -> User:
    """Somebody who is in the group. Raises NotFound."""
    return _member(find(actor, group_id), user_id)


def listed(actor: Actor, wanted: Query) -> tuple[list[Group], int]:
    """A page of all groups, with who is in them and their roles, and how many there are.
    `wanted.text` is a part of a name."""
    authorize(actor, "groups:read")
    query = select(Group)
    if wanted.text:
        query = query.where(Group.name.ilike(like(wanted.text), escape="\\"))
    columns = {name: getattr(Group, name) for name in (*SORTS, "id")}
    return page(query, wanted, columns, (selectinload(Group.assignments),))


def walk(actor: Actor, wanted: Stretch) -> tuple[list[Group], bool]:
    """A stretch of all groups, and whether there are more."""
    authorize(actor, "groups:read")
    columns = {name: getattr(Group, name) for name in (*SORTS, "id")}
    filters = {"domain_id": always(users.DEFAULT_DOMAIN)}
    return stretch(select(Group), wanted, columns, filters=filters)


def members(actor: Actor, group_id: uuid.UUID, wanted: Stretch) -> tuple[list[User], bool]:
    """A stretch of who is in the group, and whether there are more. Raises NotFound."""
    found = find(actor, group_id)
    there = exists().where(GroupMember.user_id == User.id, GroupMember.group_id == found.id)
    columns = {name: getattr(User, name) for name in ("name", "enabled", "id")}
    return stretch(select(User).where(there), wanted, columns)


def of_user(actor: Actor, user_id: uuid.UUID) -> list[Group]:
    """The groups that a user is in, by name; one's own are told to everybody."""
    return users.seen(actor, user_id).groups


def sizes(group_ids: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many people are in each of the groups."""
    counted = session.execute(
        select(GroupMember.group_id, func.count())
        .where(GroupMember.group_id.in_(group_ids))
        .group_by(GroupMember.group_id)
    )
    return dict.fromkeys(group_ids, 0) | dict(map(tuple, counted))


def of_project(actor: Actor, project_id: uuid.UUID) -> list[RoleAssignment]:
    """The roles that groups have in the project, by the groups' names, with who is in them."""
    authorize(actor, "members:read", project_id)
    query = (
        select(RoleAssignment)
        .join(RoleAssignment.group)
        .where(RoleAssignment.project_id == project_id)
        .options(selectinload(RoleAssignment.group).selectinload(Group.users))
    )
    return list(session.scalars(query.order_by(Group.name)))


def roles(group: Group) -> dict[str, str]:
    """What its roles are, by the name of the project, or "the cloud"."""
    return {
        each.project.name if each.project else "the cloud": each.role.value
        for each in group.assignments
    }


def _somebody(actor: Actor, user: uuid.UUID | str) -> User:
    """Raises NotFound for an id that nobody has, and Refused for a name."""
    if isinstance(user, uuid.UUID):
        return users.find(actor, user)
    named = (User.name == user.strip(), User.deleted_at.is_(None))
    found = session.scalar(select(User).where(*named))
    if found is None:
        raise Refused("There is no user of that name.", field="user_name")
    return found


def _locked(actor: Actor, group_id: uuid.UUID) -> Group:
    """The group, in which nobody else puts or takes anybody meanwhile."""
    return finding.locked(find(actor, group_id))


def _member(group: Group, user_id: uuid.UUID) -> User:
    for each in group.users:
        if each.id == user_id:
            return each
    raise NotFound("They are not in this group.")


def _check_free(name: str, *, but: uuid.UUID | None = None) -> None:
    """Raises Conflict when the name of another group than `but` reads like this one."""
    taken = session.scalar(select(Group).where(Group.reads_as == reads_as(name)))
    if taken is not None and taken.id != but:
        raise Conflict.saying(names.taken("group", name, taken.name), field="name")
