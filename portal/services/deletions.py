"""Projects that go with all that they have: what that is, what stands against it, and the end.

It is one operation. What has a life on hosts is wanted gone in its transaction, and the hosts are
told by its tasks; the rows go when the last host has said so. What a host that is away still holds
goes when it returns, as after any other change that failed, and then the project.
"""

import dataclasses
import uuid
from collections.abc import Iterable

from sqlalchemy import delete as delete_rows
from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import joinedload

from portal.changes.firewall import FILTER_TABLE
from portal.changes.instances import GONE
from portal.changes.networks import NETWORK_TABLE
from portal.db import now, session, transaction
from portal.errors import Conflict
from portal.models import (
    AccessKey,
    ApplicationCredential,
    BootLog,
    FlavorGrant,
    Group,
    Idempotency,
    Image,
    ImageMember,
    Instance,
    Network,
    Operation,
    PlacementGroup,
    Power,
    Project,
    Quota,
    RoleAssignment,
    Scope,
    SecurityGroup,
    SecurityGroupRule,
    Token,
    UsageInterval,
    User,
)
from portal.policies import Actor, authorize
from portal.sentences import Sentence
from portal.services import activities, cloud_roles, finding, images, ports, scopes
from portal.services.images import store
from portal.services.instances import ends
from portal.services.operations import Part, open_operation, supersede, table_parts

SHOWN = 20  # of the things that stand against it
AWAITED = (Instance, Network)  # what hosts may hold
ROWS = (  # go with the project's end
    *(Token, ApplicationCredential, AccessKey, SecurityGroup, Quota, Idempotency),
    *(RoleAssignment, UsageInterval, Instance),
    PlacementGroup,  # after the instances that are in it
    ImageMember,
    FlavorGrant,
)

# What is still to be waited for: things that hosts may hold, and changes of them.
LEFT = or_(
    exists().where(Instance.project_id == Project.id, Instance.deleted_at.is_(None)),
    exists().where(Network.project_id == Project.id),
    exists().where(
        Operation.project_id == Project.id,
        Operation.finished_at.is_(None),
        Operation.target_type.in_([each.__tablename__ for each in AWAITED]),
    ),
)
GOING = Project.deletion_asked_at.is_not(None) & Project.deleted_at.is_(None)


@dataclasses.dataclass(frozen=True)
class Belongings:
    """What a project has."""

    instances: int
    disk_gib: int
    networks: int
    images: int
    image_bytes: int
    groups: int
    members: list[str]


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """Something of a project that stands against its end."""

    thing: Instance | Image
    why: Sentence  # it does, and what can be done


def belongings(actor: Actor, project_id: uuid.UUID) -> Belongings:
    """What goes with the project."""
    authorize(actor, "projects:delete")
    wanted = (Instance.project_id == project_id, Instance.desired != Power.ABSENT)
    kept = (Image.project_id == project_id, Image.deleted_at.is_(None))
    there = (Network.project_id == project_id, Network.deleted_at.is_(None))
    return Belongings(
        instances=_count(Instance, *wanted),
        disk_gib=_sum(Instance.disk_gib, *wanted),
        networks=_count(Network, *there),
        images=_count(Image, *kept),
        image_bytes=_sum(Image.size_bytes, *kept),
        groups=_count(SecurityGroup, SecurityGroup.project_id == project_id),
        members=_members(project_id),
    )


def obstacles(actor: Actor, project_id: uuid.UUID) -> list[Obstacle]:
    """What stands against the end of the project, as far as it is shown, by name."""
    authorize(actor, "projects:delete")
    locked = select(Instance).where(
        Instance.project_id == project_id, Instance.locked, Instance.desired != Power.ABSENT
    )
    own = (Image.project_id == project_id, Image.deleted_at.is_(None))
    elsewhere = exists().where(
        Instance.image_id == Image.id,
        Instance.project_id != project_id,
        Instance.desired != Power.ABSENT,
    )
    found = [
        *(
            Obstacle(each, Sentence("{name} is locked. Unlock it in its settings.", name=each.name))
            for each in _first(locked, Instance)
        ),
        *(
            Obstacle(
                each,
                Sentence("{name} is protected from deletion. End its protection.", name=each.name),
            )
            for each in _first(select(Image).where(*own, Image.protected), Image)
        ),
        *(
            Obstacle(
                each,
                Sentence(
                    "Instances of other projects were made from {name}. Delete this image by "
                    "itself: those that have started go on without it.",
                    name=each.name,
                ),
            )
            for each in _first(select(Image).where(*own, elsewhere), Image)
        ),
    ]
    return found[:SHOWN]


def delete(actor: Actor, project_id: uuid.UUID) -> Operation:
    """The project shall be gone with all that it has. From now on its members are out of it and
    nothing new comes into it; its images, and what hosts do not hold, are gone at once. Raises
    Conflict, with what stands against it."""
    authorize(actor, "projects:delete")
    with store.turn():
        with transaction():
            project = _lock(actor, project_id)
            if project.going:
                raise Conflict("{project} is being deleted already.", project=project.name)
            kept, _ = _lock_images(project.id), _lock_instances(project)
            if found := obstacles(actor, project_id):
                _refuse(found)
            had = _names(project, kept)
            project.deletion_asked_at = now()
            for image in kept:
                image.deleted_at = now()
            with cloud_roles.kept_by_somebody(project.name):
                session.execute(delete_rows(RoleAssignment).where(_of(RoleAssignment, project)))
            operation = _open(actor, project)
            activities.record(actor, "projects:delete", project, before=had, operation=operation)
        images.drop(kept)
    return operation


def _refuse(found: list[Obstacle]) -> None:
    """Raises Conflict, with how many stand against it as far as they were looked for."""
    why, others = found[0].why, len(found) - 1
    if not others:
        raise Conflict("This stands against it: {why}", why=why)
    if len(found) == SHOWN:
        raise Conflict(
            "This stands against it: {why} So do at least {others} more.", why=why, others=others
        )
    raise Conflict(
        "This stands against it: {why} So does 1 more."
        if others == 1
        else "This stands against it: {why} So do {others} more.",
        why=why,
        others=others,
    )


def retry(actor: Actor, project_id: uuid.UUID) -> Operation:
    """What is left of the project is told to its hosts once more, with the deadline anew. Raises
    Conflict while that is under way, and for a project that is not to go."""
    authorize(actor, "projects:delete")
    with transaction():
        project = _lock(actor, project_id)
        if not project.going:
            raise Conflict("{project} is not being deleted.", project=project.name)
        operation = _open(actor, project)
        activities.record(actor, "projects:retry", project, operation=operation)
    return operation


def bury(project_ids: Iterable[uuid.UUID]) -> None:
    """Of these projects, those that are wanted gone and of which no host holds anything any more
    are gone. Their rows stay, for the record to name. Called by the conductor, inside its
    transaction."""
    for project in session.scalars(
        select(Project)
        .where(Project.id.in_(project_ids), GOING)
        .order_by(Project.id)
        .with_for_update(of=Project, key_share=True)
    ).all():
        if not session.scalar(select(Project.id).where(Project.id == project.id, LEFT)):
            _bury(project)


def _bury(project: Project) -> None:
    groups = select(SecurityGroup.id).where(_of(SecurityGroup, project))
    used = exists().where(Instance.image_id == Image.id)
    guests = select(Instance.id).where(_of(Instance, project))
    session.execute(delete_rows(SecurityGroupRule).where(SecurityGroupRule.group_id.in_(groups)))
    session.execute(delete_rows(BootLog).where(BootLog.instance_id.in_(guests)))
    for model in ROWS:
        session.execute(delete_rows(model).where(_of(model, project)))
    own = select(Image.id).where(_of(Image, project))
    session.execute(delete_rows(ImageMember).where(ImageMember.image_id.in_(own)))
    # an image that others' instances were made from keeps its row, like any that was deleted
    session.execute(delete_rows(Image).where(_of(Image, project), ~used))
    project.deleted_at = now()


def _open(actor: Actor, project: Project) -> Operation:
    """All that the project has is wanted gone, and one operation says so to the hosts that hold
    any of it. Changes of its things that were under way have ended."""
    rows = _lock_instances(project)
    _supersede_others(project)
    for instance in rows:
        instance.desired, instance.fault = Power.ABSENT, ""
        instance.generation += 1
        if instance.host_id is None:
            ends.bury(instance)
    held = [each for each in rows if each.host_id is not None]
    nets = session.scalars(select(Network).where(_of(Network, project))).all()
    ports.drop_of([each.id for each in nets])
    for network in nets:
        network.deleted_at = network.deleted_at or now()
    tables = _want_gone({each.host_id for each in held}, [each.id for each in nets])
    parts = {GONE.job: [Part(each.host_id, each.id) for each in held], **table_parts(tables)}
    names = {str(each.id): each.name for each in (*held, *nets)}
    return open_operation(
        actor,
        project,
        "delete",
        parts,
        before={"names": names},
        tables=tables,
        project_id=project.id,
    )


def _want_gone(host_ids: set[uuid.UUID], network_ids: list[uuid.UUID]) -> list[scopes.Raised]:
    """No host shall hold these networks, and the filters of these hosts are wanted anew. Groups of
    a project are named by its own ports alone, so that no other host has to hear of it."""
    places = [(host_id, FILTER_TABLE, host_id) for host_id in host_ids]
    nets = (Scope.kind == NETWORK_TABLE) & Scope.target_id.in_(network_ids)
    found = scopes.at(places, nets)
    return [
        *scopes.want([each for each in found if each.kind == FILTER_TABLE]),
        *scopes.want([each for each in found if each.kind == NETWORK_TABLE], needed=False),
    ]


def _supersede_others(project: Project) -> None:
    under_way = session.scalars(
        select(Operation)
        .where(
            _of(Operation, project),
            Operation.finished_at.is_(None),
            Operation.target_type.in_([each.__tablename__ for each in AWAITED]),
        )
        .order_by(Operation.id)
        .with_for_update(of=Operation)
    )
    for each in under_way.all():
        supersede(each, f"the deletion of {project.name} was asked for")


def _lock(actor: Actor, project_id: uuid.UUID) -> Project:
    project = finding.find(actor, Project, project_id)
    session.refresh(project, with_for_update={"key_share": True, "of": Project})
    return project


def _lock_images(project_id: uuid.UUID) -> list[Image]:
    """Whoever starts something from one of them has done it, or will not find it."""
    query = select(Image).where(Image.project_id == project_id, Image.deleted_at.is_(None))
    return list(session.scalars(query.order_by(Image.id).with_for_update(of=Image)))


def _lock_instances(project: Project) -> list[Instance]:
    query = select(Instance).where(_of(Instance, project), Instance.deleted_at.is_(None))
    return list(session.scalars(query.order_by(Instance.id).with_for_update(of=Instance)))


def _names(project: Project, kept: list[Image]) -> dict:
    """What went with the project, for the record."""
    wanted = (_of(Instance, project), Instance.desired != Power.ABSENT)
    there = (_of(Network, project), Network.deleted_at.is_(None))
    return {
        "instances": list(session.scalars(select(Instance.name).where(*wanted))),
        "networks": list(session.scalars(select(Network.name).where(*there))),
        "images": [each.name for each in kept],
        "members": _members(project.id),
    }


def _members(project_id: uuid.UUID) -> list[str]:
    name = func.coalesce(User.name, Group.name)
    held = select(name).select_from(RoleAssignment)
    held = held.outerjoin(RoleAssignment.user).outerjoin(RoleAssignment.group)
    there = held.where(RoleAssignment.project_id == project_id)
    return list(session.scalars(there.order_by(name)))


def _first(query, model) -> Iterable:
    options = (joinedload(model.open_operation),)
    ordered = query.options(*options).order_by(model.name, model.id).limit(SHOWN)
    return session.scalars(ordered).unique().all()


def _of(model, project: Project):
    return model.project_id == project.id


def _count(model, *conditions) -> int:
    return session.scalar(select(func.count(model.id)).where(*conditions))


def _sum(column, *conditions) -> int:
    return int(session.scalar(select(func.coalesce(func.sum(column), 0)).where(*conditions)))
