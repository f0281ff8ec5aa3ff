"""How much of the cloud a project may hold. Usage is a query in the same transaction, never a
counter, so it cannot drift."""

import dataclasses
import uuid
from collections.abc import Collection

from sqlalchemy import Row, Select, Uuid, bindparam, delete, func, select, true

from portal import config, db
from portal.db import session, transaction
from portal.errors import Conflict, NotFound, OverQuota, Refused
from portal.models import (
    Image,
    Instance,
    Network,
    PlacementGroup,
    Port,
    Power,
    Project,
    Quota,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from portal.policies import Actor, authorize
from portal.sentences import Sentence
from portal.services import activities

GIB = 2**30


NO_LIMIT = -1  # in place of a limit, as in OpenStack's quota sets
LARGEST = 10**9  # that a limit can be
BOUNDLESS = 2**62  # of anything, is left where there is no limit


@dataclasses.dataclass(frozen=True)
class Resource:
    """Something that is counted: what it is called, and in which unit."""

    name: str
    words: str
    unit: str = ""

    @property
    def title(self) -> str:
        """The words of the resource, as a heading."""
        return self.words if self.words.startswith("v") else self.words.capitalize()

    def so_much(self, amount: int) -> Sentence:
        """So much of it, for people."""
        match self.unit:
            case "MiB":
                return Sentence("{amount:memory}", amount=amount)
            case "GiB":
                return Sentence("{amount:disk}", amount=amount)
        return Sentence("{amount}", amount=amount)


RESOURCES = {
    each.name: each
    for each in (
        Resource("instances", "instances"),
        Resource("vcpus", "vCPUs"),
        Resource("memory_mib", "memory", "MiB"),
        Resource("disk_gib", "disk", "GiB"),
        Resource("networks", "networks"),
        Resource("security_groups", "security groups"),
        Resource("security_group_rules", "rules of security groups"),
        Resource("images", "images"),
        Resource("image_gib", "image store", "GiB"),
        Resource("placement_groups", "placement groups"),
        Resource("placement_group_members", "instances of one placement group"),
    )
}


@dataclasses.dataclass(frozen=True)
class Usage:
    """How a project stands with one resource."""

    resource: Resource
    used: int
    limit: int | None  # None: as much as there is

    @property
    def written(self) -> int:
        """The limit as it is written: NO_LIMIT for none."""
        return NO_LIMIT if self.limit is None else self.limit

    @property
    def left(self) -> int:
        """How much more it may have; BOUNDLESS without a limit."""
        return BOUNDLESS if self.limit is None else max(0, self.limit - self.used)


def usage(project_id: uuid.UUID) -> dict[str, Usage]:
    """What the project uses and may use, for every resource."""
    return _usage(_rows(project_id))


def standing(actor: Actor, project_id: uuid.UUID) -> dict[str, Usage]:
    """What the project uses and may use, for who may look at it. Raises NotFound."""
    authorize(actor, "projects:read", project_id)
    return usage(project_id)


def _rows(project_id: uuid.UUID) -> list[Row]:
    return session.execute(STANDING, {"project_id": project_id}).all()


def _usage(rows: list[Row]) -> dict[str, Usage]:
    limits = {row.resource: None if row.limit == NO_LIMIT else row.limit for row in rows}
    used = {name: int(amount) for name, amount in rows[0]._mapping.items() if name in COUNTED}
    used["image_gib"] = -(-used["image_bytes"] // GIB)
    settings = config.current()
    return {
        name: Usage(resource, used[name], limits.get(name, getattr(settings, f"quota_{name}")))
        for name, resource in RESOURCES.items()
    }


def lock(project_id: uuid.UUID) -> None:
    """Until the transaction ends nobody else counts or changes what the project holds.

    The conductor does not wait for it: `key_share` lets rows that name the project be written."""
    if not db.alone_at_once():
        session.connection().execute(LOCK, {"project_id": project_id})


def check(project_id: uuid.UUID, **amounts: int) -> None:
    """Return when the project may hold so much more. Raises OverQuota with the numbers, and
    Conflict for a project that is being deleted. Call it under `lock`: then of any number of
    parallel requests exactly as many pass as fit, and none comes after the end."""
    rows = _rows(project_id)
    if rows[0].deletion_asked_at:
        raise Conflict(
            "{project} is being deleted: nothing new can be made in it.",
            project=rows[0].project_name,
        )
    standing = _usage(rows)
    for name, amount in amounts.items():
        now = standing[name]
        if amount > now.left:
            so_much = now.resource.so_much
            raise OverQuota(
                "The quota for {resource} does not allow it: {used} of {limit} are used, {wanted} "
                "more were asked for, {left} are left. Delete something, or ask an administrator "
                "for more.",
                resource=now.resource.words,
                used=so_much(now.used),
                limit=so_much(now.limit),
                wanted=so_much(amount),
                left=so_much(now.left),
            )


def image_bytes_left(project_id: uuid.UUID) -> int:
    """How large one more image of the project may be."""
    limit = usage(project_id)["image_gib"].limit
    return BOUNDLESS if limit is None else max(0, limit * GIB - _image_bytes(project_id))


def check_image(project_id: uuid.UUID, size_bytes: int, *, images: int = 1) -> None:
    """Return when the project may keep so many more images, of this size together. Raises
    OverQuota. Call it under `lock`."""
    before = _image_bytes(project_id)
    gib = -(-(before + size_bytes) // GIB) - -(-before // GIB)  # images are counted together
    check(project_id, images=images, image_gib=gib)


def change(
    actor: Actor, project_id: uuid.UUID, limits: dict[str, int], *, forced: bool = True
) -> None:
    """The project has these limits from now on, whatever it uses already; NO_LIMIT is none. Raises
    Refused, unless it is `forced`, for less than it uses."""
    authorize(actor, "quotas:change")
    if unknown := limits.keys() - RESOURCES.keys():
        raise Refused("There is no quota for {unknown:list}.", unknown=sorted(unknown))
    for name, limit in limits.items():
        if limit != NO_LIMIT and not 0 <= limit <= LARGEST:
            raise Refused(
                "A limit is a number from 0 to {most:count}, or -1 for none.",
                most=LARGEST,
                field=name,
            )
    with transaction():
        project = _locked(project_id)
        rows = {
            row.resource: row
            for row in session.scalars(select(Quota).where(Quota.project_id == project_id))
        }
        if not forced:
            _refuse_less(usage(project_id), limits)
        before = {name: row.limit for name, row in rows.items()}
        for name, limit in limits.items():
            row = rows.get(name) or Quota(project_id=project_id, resource=name)
            row.limit = limit
            session.add(row)
        activities.record(actor, "quotas:change", project, before=before, after=limits)


def reset(actor: Actor, project_id: uuid.UUID, names: Collection[str]) -> None:
    """The limits of the project of these names are those of the settings. Raises NotFound."""
    authorize(actor, "quotas:change")
    with transaction():
        project = _locked(project_id)
        own = (Quota.project_id == project_id, Quota.resource.in_(names))
        rows = session.execute(select(Quota.resource, Quota.limit).where(*own))
        before = dict(map(tuple, rows))
        session.execute(delete(Quota).where(*own))
        activities.record(actor, "quotas:reset", project, before=before)


def _locked(project_id: uuid.UUID) -> Project:
    """The project, whose limits nobody else changes meanwhile. Raises NotFound."""
    lock(project_id)
    project = session.get(Project, project_id)
    if project is None or project.deletion_asked_at:
        raise NotFound("There is no such project, or it is being deleted.")
    return project


def _refuse_less(standing: dict[str, Usage], limits: dict[str, int]) -> None:
    for name, limit in limits.items():
        used = standing[name].used
        if NO_LIMIT < limit < used:
            raise Refused(
                "Quota limit {limit} for {resource} must be greater than or equal to already used "
                "and reserved {used}.",
                limit=limit,
                resource=standing[name].resource.words,
                used=used,
                field=name,
            )


def _image_bytes(project_id: uuid.UUID) -> int:
    return int(session.execute(_of_images(project_id)).one().image_bytes)


def _of_images(project_id) -> Select:
    return select(
        func.count().label("images"),
        func.coalesce(func.sum(Image.size_bytes), 0).label("image_bytes"),
    ).where(Image.project_id == project_id, Image.deleted_at.is_(None))


def unlimited(project_id: uuid.UUID) -> dict[str, int]:
    """How many ports and subnets the project's networks have, of which there may be any number."""
    theirs = (Network.project_id == project_id, Network.deleted_at.is_(None))
    return {
        name: session.scalar(select(func.count(model.id)).join(Network).where(*theirs))
        for name, model in (("port", Port), ("subnet", Subnet))
    }


def _standing() -> Select:
    """What the project holds, beside every limit of its own, if it has any, and whether it shall
    be gone."""
    instances = (
        select(
            func.count().label("instances"),
            func.coalesce(func.sum(Instance.vcpus), 0).label("vcpus"),
            func.coalesce(func.sum(Instance.memory_mib), 0).label("memory_mib"),
            func.coalesce(func.sum(Instance.disk_gib), 0).label("disk_gib"),
        )
        .where(Instance.project_id == PROJECT_ID, Instance.desired != Power.ABSENT)
        .subquery()
    )
    networks = (
        select(func.count().label("networks"))
        .where(Network.project_id == PROJECT_ID, Network.deleted_at.is_(None))
        .subquery()
    )
    groups = (
        select(func.count().label("security_groups"))
        .where(SecurityGroup.project_id == PROJECT_ID)
        .subquery()
    )
    rules = (
        select(func.count().label("security_group_rules"))
        .select_from(SecurityGroupRule)
        .join(SecurityGroup, SecurityGroup.id == SecurityGroupRule.group_id)
        .where(SecurityGroup.project_id == PROJECT_ID)
        .subquery()
    )
    images = _of_images(PROJECT_ID).subquery()
    placement_groups = (
        select(func.count().label("placement_groups"))
        .where(PlacementGroup.project_id == PROJECT_ID)
        .subquery()
    )
    members = _largest_group().subquery()
    beside = (
        instances.join(networks, true())
        .join(groups, true())
        .join(rules, true())
        .join(images, true())
        .join(placement_groups, true())
        .join(members, true())
        .outerjoin(Quota, Quota.project_id == PROJECT_ID)
        .outerjoin(Project, Project.id == PROJECT_ID)
    )
    return select(
        instances,
        networks,
        groups,
        rules,
        images,
        placement_groups,
        members,
        Quota.resource,
        Quota.limit,
        Project.name.label("project_name"),
        Project.deletion_asked_at,
    ).select_from(beside)


def _largest_group() -> Select:
    """How many instances that placement group of the project has that has most of them."""
    sizes = (
        select(func.count().label("size"))
        .where(
            Instance.project_id == PROJECT_ID,
            Instance.desired != Power.ABSENT,
            Instance.placement_group_id.is_not(None),
        )
        .group_by(Instance.placement_group_id)
        .subquery()
    )
    return select(func.coalesce(func.max(sizes.c.size), 0).label("placement_group_members"))


PROJECT_ID = bindparam("project_id", type_=Uuid())
COUNTED = (
    *("instances", "vcpus", "memory_mib", "disk_gib", "networks", "security_groups"),
    *("security_group_rules", "images", "image_bytes"),
    *("placement_groups", "placement_group_members"),
)
STANDING = _standing()
LOCK = select(Project.id).where(Project.id == PROJECT_ID).with_for_update(key_share=True)
