"""Who may do what: one literal table, one check for acts, one filter for queries.

A permission is `<noun>:<verb>`. It needs a role in the project that the thing belongs to, or, for
what belongs to no project, in the whole cloud. A role of the cloud counts in every project.
"""

import dataclasses
import uuid
from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, or_, select

from portal.errors import Forbidden, NotFound
from portal.models import Acceptance, Image, ImageMember, Role, Visibility

PROJECT = {
    "projects:read": Role.READER,
    "instances:read": Role.READER,
    "instances:create": Role.MEMBER,
    "instances:rename": Role.MEMBER,
    "instances:describe": Role.MEMBER,
    "instances:change_groups": Role.MEMBER,
    "instances:lock": Role.MEMBER,
    "instances:change_locked": Role.ADMIN,
    "instances:start": Role.MEMBER,
    "instances:stop": Role.MEMBER,
    "instances:force_stop": Role.MEMBER,
    "instances:reboot": Role.MEMBER,
    "instances:resume": Role.MEMBER,
    "instances:retry": Role.MEMBER,
    "instances:cancel": Role.MEMBER,
    "instances:delete": Role.MEMBER,
    "instances:console": Role.MEMBER,
    "flavors:read": Role.READER,
    "images:read": Role.READER,
    "images:create": Role.MEMBER,
    "images:change": Role.MEMBER,
    "images:delete": Role.MEMBER,
    "images:share": Role.MEMBER,
    "images:read_bytes": Role.MEMBER,
    "images:accept": Role.MEMBER,
    "networks:read": Role.READER,
    "networks:create": Role.MEMBER,
    "networks:describe": Role.MEMBER,
    "networks:add_subnet": Role.MEMBER,
    "networks:change_subnet": Role.MEMBER,
    "networks:remove_subnet": Role.MEMBER,
    "networks:delete": Role.MEMBER,
    "placement_groups:read": Role.READER,
    "placement_groups:create": Role.MEMBER,
    "placement_groups:delete": Role.MEMBER,
    "security_groups:create": Role.MEMBER,
    "security_groups:change": Role.MEMBER,
    "security_groups:delete": Role.MEMBER,
    "ports:create": Role.MEMBER,
    "ports:change": Role.MEMBER,
    "ports:delete": Role.MEMBER,
    "operations:read": Role.READER,
    "activities:read": Role.READER,
    "members:read": Role.READER,
    "members:change": Role.ADMIN,
}

SYSTEM = {
    "hosts:read": Role.READER,
    "hosts:change": Role.ADMIN,
    "hosts:clean": Role.ADMIN,
    "aggregates:read": Role.READER,
    "aggregates:change": Role.ADMIN,
    "flavors:change": Role.ADMIN,
    "images:publish": Role.ADMIN,
    "projects:change": Role.ADMIN,
    "projects:delete": Role.ADMIN,
    "quotas:change": Role.ADMIN,
    "users:read": Role.READER,
    "users:change": Role.ADMIN,
    "users:delete": Role.ADMIN,
    "groups:read": Role.READER,
    "groups:change": Role.ADMIN,
    "cloud:read": Role.READER,
}

ACCOUNT = {  # everybody's own; the role that a credential of theirs needs for it, None: they alone
    "account:read": Role.READER,
    "key_pairs:change": Role.MEMBER,
    "sessions:revoke": None,
    "password:change": None,
    "application_credentials:read": Role.READER,
    "application_credentials:change": None,
    "access_keys:read": None,
    "access_keys:change": None,
}


@dataclasses.dataclass(frozen=True)
class Actor:
    """Somebody who acts, with the roles they have at this moment and where they are.

    Whoever speaks through a program does so for one project, or for the whole cloud: lists show
    what is there. A page says for each thing in which project it looks.
    """

    user_id: uuid.UUID | None
    user_name: str
    system: Role | None = None
    projects: dict[uuid.UUID, Role] = dataclasses.field(default_factory=dict)
    address: str = ""
    request_id: str = ""
    project_id: uuid.UUID | None = None  # for which a program speaks
    credential: Role | None = None  # the role of the credential by which it does

    def role(self, project_id: uuid.UUID) -> Role | None:
        """The strongest of the roles that count in this project."""
        roles = [role for role in (self.system, self.projects.get(project_id)) if role]
        return max(roles, key=lambda role: role.rank, default=None)

    def may(self, permission: str, project_id: uuid.UUID | None = None) -> bool:
        """Whether a page should offer what needs this permission. `authorize` is what decides."""
        if permission in ACCOUNT:
            return self.credential is None or _reaches(self.credential, ACCOUNT[permission])
        held = self.role(project_id) if permission in PROJECT else self.system
        needed = PROJECT.get(permission) or SYSTEM[permission]
        return _reaches(held, needed)

    def no_more_than(self, other: "Actor") -> "Actor":
        """This actor with those roles that the other has too: a program may speak for less than
        the person whose it is."""
        return dataclasses.replace(
            self,
            system=_weaker(self.system, other.system),
            projects={
                project_id: role
                for project_id, held in self.projects.items()
                if (role := _weaker(held, other.projects.get(project_id)))
            },
        )


def _weaker(one: Role | None, other: Role | None) -> Role | None:
    return min(one, other, key=lambda role: role.rank) if one and other else None


# whoever may run commands beside the database may do everything
COMMAND_LINE = Actor(user_id=None, user_name="the command line", system=Role.ADMIN)


def authorize(actor: Actor, permission: str, project_id: uuid.UUID | None = None) -> None:
    """Return when `actor` may. Raises NotFound where they may not even know that there is such
    a thing, Forbidden where they may look and not touch."""
    if actor.may(permission, project_id):
        return
    if permission in ACCOUNT:
        raise Forbidden(
            "An application credential may not do this. Do it yourself, signed in by password."
        )
    if permission in PROJECT and actor.role(project_id) is None:
        raise NotFound("There is no such project, or you have no part in it.")
    needed = PROJECT.get(permission) or SYSTEM[permission]
    raise Forbidden(
        "This needs the role “{role}” in this project, which you do not have. Ask an administrator "
        "of the project to do it, or to give you that role."
        if permission in PROJECT
        else "This needs the role “{role}” of the cloud, which you do not have. Ask an "
        "administrator of the cloud to do it, or to give you that role.",
        role=needed,
    )


def _reaches(held: Role | None, needed: Role | None) -> bool:
    return held is not None and needed is not None and held.rank >= needed.rank


def visible_images(actor: Actor, query: Select) -> Select:
    """Narrow `query` to the images that `actor` may know of."""
    if actor.system:
        return query
    return query.where(
        or_(
            Image.visibility == Visibility.PUBLIC,
            Image.user_id == actor.user_id,
            (Image.visibility == Visibility.SHARED)
            & or_(Image.project_id.in_(actor.projects), _shared_with(actor.projects)),
        )
    )


def concealed_images(actor: Actor, project_id: uuid.UUID | None) -> Select | None:
    """The query for the ids of images of the project that are private to somebody else, deleted
    ones too; None for who may know of all."""
    if actor.system or project_id is None:
        return None
    return select(Image.id).where(
        Image.project_id == project_id,
        Image.visibility == Visibility.PRIVATE,
        Image.user_id.is_distinct_from(actor.user_id),
    )


def offered_images(
    actor: Actor,
    project_id: uuid.UUID | None,
    *,
    said: Collection[Acceptance] = (Acceptance.ACCEPTED,),
) -> Select:
    """The query for images that the project has, that are shared with it and to which it has
    `said` one of these, or that everybody is offered, as this actor may see them; without a
    project, for those of all. What a publisher's image is before it is there is shown to those who
    may fetch it, and to nobody else."""
    query = select(Image).where(Image.deleted_at.is_(None))
    if project_id:
        query = query.where(open_to(project_id, said))
    if not actor.may("images:publish"):
        query = query.where(or_(Image.ready, Image.published_as == ""))
    return visible_images(actor, query)


def known_images(actor: Actor, project_id: uuid.UUID | None) -> Select:
    """As `offered_images`, with all that is shared with the project, whatever it says to that."""
    return offered_images(actor, project_id, said=tuple(Acceptance))


def open_to(project_id, said: Collection[Acceptance] = tuple(Acceptance)) -> ColumnElement[bool]:
    """Whether instances of the project may start from an image, as far as whose it is decides.
    `project_id` may be a parameter of a statement."""
    return or_(
        Image.project_id == project_id,
        Image.visibility == Visibility.PUBLIC,
        (Image.visibility == Visibility.SHARED) & _shared_with([project_id], said),
    )


def _shared_with(
    project_ids: Collection, said: Collection[Acceptance] = tuple(Acceptance)
) -> ColumnElement[bool]:
    members = select(ImageMember.image_id).where(ImageMember.project_id.in_(project_ids))
    return Image.id.in_(members.where(ImageMember.status.in_(said)))
