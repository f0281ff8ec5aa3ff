"""Projects and their members."""

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from portal.db import session, transaction
from portal.errors import Conflict, NotFound, Refused
from portal.models import (
    Domain,
    Group,
    GroupMember,
    Project,
    Role,
    RoleAssignment,
    User,
    held_by,
)
from portal.models.named import reads_as
from portal.policies import Actor, authorize
from portal.services import (
    activities,
    cloud_roles,
    finding,
    names,
    networks,
    security_groups,
    users,
)
from portal.services.listing import Query, Stretch, always, like, page, stretch

SORTS = ("name", "created_at")
MOST_TAGS = 80


def create(
    actor: Actor,
    name: str,
    *,
    description: str = "",
    enabled: bool = True,
    tags: Sequence[str] = (),
) -> Project:
    """There is a project of this name with its security groups, a network with a way out, and
    nobody in it."""
    authorize(actor, "projects:change")
    label = names.distinct(name)
    with transaction():
        _check_free(label)
        project = add(label)
        project.description, project.enabled, project.tags = description, enabled, list(tags)
        activities.record(actor, "projects:create", project, after={"name": label})
    return project


def update(actor: Actor, project_id: uuid.UUID, changes: Mapping) -> Project:
    """All of `changes` are made, or none: "name", "description", "tags", and whether it is
    "enabled": its members may work in it. What it runs goes on. Raises NotFound."""
    authorize(actor, "projects:change")
    values = dict(changes)
    if "name" in values:
        values["name"] = names.distinct(values["name"])
    with transaction():
        project = standing(actor, _locked(project_id).id)
        if "name" in values:
            _check_free(values["name"], but=project.id)
            project.reads_as = reads_as(values["name"])
        activities.alter(actor, "projects:change", project, values)
    return project


def tag(actor: Actor, project_id: uuid.UUID, name: str, *, there: bool) -> None:
    """The project has this tag, or has it no more. Raises NotFound where it has not."""
    authorize(actor, "projects:change")
    with transaction():
        project = standing(actor, _locked(project_id).id)
        if not there and name not in project.tags:
            raise NotFound("The project has no such tag.")
        if there and len(project.tags) >= MOST_TAGS:
            raise Refused("A project has at most {most} tags.", most=MOST_TAGS)
        tags = {*project.tags, name} if there else {*project.tags} - {name}
        activities.alter(actor, "projects:change", project, {"tags": sorted(tags)})


def add(name: str) -> Project:
    """A new project with what every project is born with. For use inside a change."""
    domain_id = session.scalar(select(Domain.id).where(Domain.name == users.DEFAULT_DOMAIN))
    project = Project(domain_id=domain_id, name=name)
    session.add(project)
    session.flush()
    security_groups.add_first(project)
    networks.add(project.id, name="default", cidr=networks.FIRST_CIDR, nat=True)
    return project


def find(actor: Actor, name_or_id: uuid.UUID | str) -> Project:
    """The project. Raises NotFound if there is none, or none for this actor."""
    project = finding.find(actor, Project, name_or_id)
    authorize(actor, "projects:read", project.id)
    return project


def standing(actor: Actor, project_id: uuid.UUID) -> Project:
    """The project, as programs see it: one that is being deleted is gone. Raises NotFound."""
    project = find(actor, project_id)
    if project.going:
        raise NotFound.saying(finding.KINDS[Project].missing)
    return project


def listed(actor: Actor, wanted: Query) -> tuple[list[Project], int]:
    """A page of all projects, and how many there are. `wanted.text` is a part of a name."""
    authorize(actor, "cloud:read")
    query = select(Project).where(Project.deleted_at.is_(None))
    if wanted.text:
        query = query.where(Project.name.ilike(like(wanted.text), escape="\\"))
    columns = {name: getattr(Project, name) for name in (*SORTS, "id")}
    return page(query, wanted, columns, (joinedload(Project.open_operation),))


def walk(actor: Actor, wanted: Stretch) -> tuple[list[Project], bool]:
    """A stretch of all projects, and whether there are more."""
    authorize(actor, "cloud:read")
    there = (Project.deleted_at.is_(None), Project.deletion_asked_at.is_(None))
    columns = {each: getattr(Project, each) for each in (*SORTS, "enabled", "id")}
    filters = {
        "domain_id": always(users.DEFAULT_DOMAIN),
        "is_domain": always(False),
        "user_id": lambda ids: or_(*(Project.id.in_(_places(each)) for each in ids)),
    }
    return stretch(select(Project).where(*there), wanted, columns, filters=filters)


def names_of(actor: Actor, project_ids: set[uuid.UUID | None]) -> dict[uuid.UUID, str]:
    """What these projects are called, or were before they were deleted."""
    authorize(actor, "cloud:read")
    found = session.scalars(select(Project).where(Project.id.in_(project_ids)))
    return {project.id: project.label for project in found}


def enable(actor: Actor, project_id: uuid.UUID, *, enabled: bool) -> Project:
    """The project's members may, or may no longer, work in it. What it runs goes on."""
    authorize(actor, "projects:change")
    with transaction():
        project = find(actor, project_id)
        _refuse_going(project)
        verb = "enable" if enabled else "disable"
        activities.alter(actor, f"projects:{verb}", project, {"enabled": enabled})
    return project


def of_actor(actor: Actor) -> list[Project]:
    """The projects that the actor may work in, by name."""
    there = (Project.enabled, Project.deletion_asked_at.is_(None))
    query = select(Project).where(*there).order_by(Project.name)
    if actor.system is None:
        query = query.where(Project.id.in_(actor.projects))
    return list(session.scalars(query))


def open_to(actor: Actor) -> list[Project]:
    """The projects that a program of the actor may speak for, by name, whichever it speaks for
    now: a credential is for its own alone."""
    query = select(Project).where(Project.enabled, Project.deletion_asked_at.is_(None))
    if actor.credential:
        query = query.where(Project.id == actor.project_id)
    elif role_in_cloud(actor) is None:
        query = query.where(Project.id.in_(_places(actor.user_id)))
    return list(session.scalars(query.order_by(Project.name)))


def of_user(actor: Actor, user_id: uuid.UUID) -> list[Project]:
    """The projects that a user has a role in, by name; one's own are those that are open to one."""
    if user_id == actor.user_id:
        return open_to(actor)
    authorize(actor, "users:read")
    there = (Project.deleted_at.is_(None), Project.deletion_asked_at.is_(None))
    query = select(Project).where(Project.id.in_(_places(user_id)), *there)
    return list(session.scalars(query.order_by(Project.name)))


def role_in_cloud(actor: Actor) -> Role | None:
    """The role that the actor has in the whole cloud, whatever they speak for now."""
    if actor.credential:
        return actor.system
    return cloud_roles.of_user(actor.user_id)


def members(actor: Actor, project_id: uuid.UUID) -> list[RoleAssignment]:
    """Who was given a role in the project themselves, by name."""
    authorize(actor, "members:read", project_id)
    return list(
        session.scalars(
            select(RoleAssignment)
            .join(RoleAssignment.user)
            .options(contains_eager(RoleAssignment.user))
            .where(RoleAssignment.project_id == project_id)
            .order_by(User.name)
        )
    )


def member(actor: Actor, project_id: uuid.UUID, user_id: uuid.UUID) -> RoleAssignment:
    """The role that a user has in the project. Raises NotFound."""
    authorize(actor, "members:read", project_id)
    held = assignment(project_id, user_id)
    if held is None:
        raise NotFound("They are not a member of this project.")
    return held


def member_counts(project_ids: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many people have a role in each of the projects, by themselves or by a group."""
    theirs = GroupMember.group_id == RoleAssignment.group_id
    whom = func.coalesce(RoleAssignment.user_id, GroupMember.user_id)
    counted = session.execute(
        select(RoleAssignment.project_id, func.count(whom.distinct()))
        .outerjoin(GroupMember, theirs)
        .where(RoleAssignment.project_id.in_(project_ids))
        .group_by(RoleAssignment.project_id)
    )
    return dict.fromkeys(project_ids, 0) | dict(map(tuple, counted))


def set_member(actor: Actor, project_id: uuid.UUID, user_name: str, role: Role) -> None:
    """The user has this role in the project, whatever they had before. Raises Forbidden where they
    would administer the whole cloud no more, but to who may decide that."""
    authorize(actor, "members:change", project_id)
    with transaction():
        project = lock(project_id)
        named = (User.name == user_name.strip(), User.deleted_at.is_(None))
        user = session.scalar(select(User).where(*named).with_for_update(read=True))
        if user is None:
            raise Refused(
                "There is no user of that name. An administrator of the cloud adds people.",
                field="user_name",
            )
        held = assignment(project_id, user.id)
        with cloud_roles.ended_by_who_may(actor, held, role):
            assign(actor, project, user, held, role)


def assign(
    actor: Actor,
    project: Project,
    holder: User | Group,
    held: RoleAssignment | None,
    role: Role,
    *,
    of_cloud: bool = False,
) -> None:
    """The user or group has this role in the project, in which they `held` another or none; and
    administers the whole cloud by it, if it is `of_cloud`. For use inside a change that has locked
    the project. Raises Refused for its last admin."""
    before = held and _said(held)
    if held and role is not Role.ADMIN:
        _keep_an_admin(actor, project, held)
    if held is None:
        held = RoleAssignment(project_id=project.id)
        holder.assignments.append(held)
    held.role, held.of_cloud = role, of_cloud or (held.of_cloud and role is Role.ADMIN)
    session.add(held)
    activities.record(
        actor,
        "members:change" if before else "members:add",
        project,
        before={holder.name: before},
        after={holder.name: _said(held)},
    )


def remove_member(actor: Actor, project_id: uuid.UUID, user_id: uuid.UUID) -> None:
    """The user has no role in the project, from their next request on and in open consoles. What
    they have elsewhere is not this project's, nor are their sessions. Raises Forbidden as
    `set_member`."""
    authorize(actor, "members:change", project_id)
    with transaction():
        project = _locked(project_id)
        held = assignment(project_id, user_id)
        if held is None:
            raise NotFound("They are not a member of this project.")
        with cloud_roles.ended_by_who_may(actor, held):
            leave(actor, project, held)


def leave(actor: Actor, project: Project, held: RoleAssignment) -> None:
    """Whoever held the role in the project does so no more. For use inside a change that has
    locked the project. Raises Refused for its last admin."""
    _keep_an_admin(actor, project, held)
    before, name = _said(held), held.holder.name
    held.holder.assignments.remove(held)
    activities.record(actor, "members:remove", project, before={name: before}, after={name: None})


def lock(project_id: uuid.UUID) -> Project:
    """The project, to whose members nobody else does anything meanwhile. For use inside a change.
    Raises Conflict for one that is being deleted."""
    project = _locked(project_id)
    _refuse_going(project)
    return project


def _locked(project_id: uuid.UUID) -> Project:
    query = select(Project).where(Project.id == project_id)
    found = session.scalar(query.with_for_update(key_share=True))
    if found is None:
        raise NotFound.saying(finding.KINDS[Project].missing)
    return found


def assignment(project_id: uuid.UUID, user_id: uuid.UUID) -> RoleAssignment | None:
    """What the user is in the project at this moment."""
    query = select(RoleAssignment).where(
        RoleAssignment.project_id == project_id, RoleAssignment.user_id == user_id
    )
    return session.scalar(query.execution_options(populate_existing=True))


def _check_free(name: str, *, but: uuid.UUID | None = None) -> None:
    """Raises Conflict when the name of another project than `but` reads like this one."""
    same = select(Project).where(Project.reads_as == reads_as(name), Project.deleted_at.is_(None))
    held = session.scalar(same)
    if held is not None and held.id != but:
        raise Conflict.saying(names.taken("project", name, held.name), field="name")


def _refuse_going(project: Project) -> None:
    if project.deletion_asked_at:
        raise Conflict(
            "{project} is being deleted: it cannot be changed any more.", project=project.name
        )


def _keep_an_admin(actor: Actor, project: Project, leaving: RoleAssignment) -> None:
    """Raises Refused where nobody would be admin of the project without this role: but to who
    administers the whole cloud, and can let somebody in again."""
    if leaving.role is not Role.ADMIN or actor.system is Role.ADMIN:
        return
    others = (
        RoleAssignment.project_id == project.id,
        RoleAssignment.role == Role.ADMIN,
        RoleAssignment.id != leaving.id,
        or_(
            RoleAssignment.user_id.is_not(None),
            RoleAssignment.group_id.in_(select(GroupMember.group_id)),
        ),
    )
    if session.scalar(select(RoleAssignment.id).where(*others).limit(1)) is None:
        raise Refused(
            "{leaving} is the last admin of {project}. Make somebody else admin first.",
            leaving=leaving.holder.name,
            project=project.name,
        )


def _said(held: RoleAssignment) -> str:
    """A role as the record has it."""
    return f"{held.role} and of the cloud" if held.of_cloud else held.role.value


def _places(user_id: uuid.UUID):
    """The query for the ids of the projects in which a user has a role."""
    return select(RoleAssignment.project_id).where(
        held_by(user_id), RoleAssignment.project_id.is_not(None)
    )
