"""People who leave: what goes with them, and what stays by their name."""

import dataclasses
import uuid

from sqlalchemy import func, or_, select
from sqlalchemy.orm import aliased

from portal.db import now, session, transaction
from portal.errors import NotFound, Refused
from portal.models import (
    GroupMember,
    Image,
    Instance,
    Power,
    Role,
    RoleAssignment,
    User,
    Visibility,
    held_by,
)
from portal.policies import Actor, authorize
from portal.services import (
    access_keys,
    activities,
    application_credentials,
    cloud_roles,
    passwords,
    sessions,
    users,
)


@dataclasses.dataclass(frozen=True)
class Belongings:
    """What a person has and has made."""

    keys: int
    roles: dict[str, str]  # by the name of the project, or "the cloud"
    groups: list[str]  # that they are in, by name
    alone_in: list[str]  # projects that have no other admin
    instances: int
    private_images: int  # that nobody else sees but administrators of the cloud


def belongings(actor: Actor, user_id: uuid.UUID) -> Belongings:
    """What would go with the user, and what would stay. Raises NotFound."""
    authorize(actor, "users:delete")
    user = users.find(actor, user_id)
    private = (Image.visibility == Visibility.PRIVATE, Image.deleted_at.is_(None))
    return Belongings(
        keys=len(user.key_pairs),
        roles=_roles(user),
        groups=[each.name for each in user.groups],
        alone_in=_alone_in(user),
        instances=_count(Instance, user, Instance.desired != Power.ABSENT),
        private_images=_count(Image, user, *private),
    )


def delete(actor: Actor, user_id: uuid.UUID) -> str:
    """The user is gone: their sessions, credentials, SSH keys and roles have ended, and their name
    is free for somebody else. What they made stays, and says who made it. Returns the name."""
    authorize(actor, "users:delete")
    with transaction():
        user = session.scalar(
            select(User)
            .where(User.id == user_id, User.deleted_at.is_(None))
            .with_for_update(key_share=True)
        )
        if user is None:
            raise NotFound("There is no such user. They may have been deleted.")
        if user.id == actor.user_id:
            raise Refused("You cannot delete yourself. Ask another administrator of the cloud.")
        had = {
            "roles": _roles(user),
            "user_groups": [each.name for each in user.groups],
            "keys": [each.name for each in user.key_pairs],
        }
        with cloud_roles.kept_by_somebody(user.name):
            user.deleted_at, user.enabled, user.password_hash = now(), False, ""
            user.email = user.project_note = ""
            user.assignments.clear()
            user.groups.clear()
        user.key_pairs.clear()
        passwords.forget_used(user.id)
        access_keys.end_all(user.id)
        application_credentials.end_all(user.id)
        sessions.end_all(user.id)
        activities.record(actor, "users:delete", user, before=had)
    return user.name


def _roles(user: User) -> dict[str, str]:
    return {
        each.project.name if each.project else "the cloud": each.role.value
        for each in user.assignments
    }


def _alone_in(user: User) -> list[str]:
    other = aliased(RoleAssignment)
    in_groups = select(GroupMember.group_id).where(GroupMember.user_id != user.id)
    others = select(other.id).where(
        other.project_id == RoleAssignment.project_id,
        other.role == Role.ADMIN,
        or_(other.user_id != user.id, other.group_id.in_(in_groups)),
    )
    lonely = session.scalars(
        select(RoleAssignment).where(
            held_by(user.id),
            RoleAssignment.project_id.is_not(None),
            RoleAssignment.role == Role.ADMIN,
            ~others.exists(),
        )
    )
    return sorted({each.project.name for each in lonely})


def _count(model, user: User, *conditions) -> int:
    query = select(func.count()).select_from(model).where(model.user_id == user.id, *conditions)
    return session.scalar(query)
