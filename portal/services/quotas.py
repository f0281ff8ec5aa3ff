"""How much of the cloud a project may hold. Usage is a query in the same transaction, never a
counter, so it cannot drift."""

import dataclasses
import uuid

from sqlalchemy import Select, func, select, true

from portal import config
from portal.db import session, transaction
from portal.errors import NotFound, OverQuota, Refused
from portal.models import Image, Instance, Network, Power, Project, Quota
from portal.policies import Actor, authorize
from portal.services import activities

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Resource:
    """Something that is counted: what it is called, and in which unit."""

    name: str
    words: str
    unit: str = ""

    @property
    def title(self) -> str:
        """Its words as a heading."""
        return self.words if self.words.startswith("v") else self.words.capitalize()


RESOURCES = {
    each.name: each
    for each in (
        Resource("instances", "instances"),
        Resource("vcpus", "vCPUs"),
        Resource("memory_mib", "memory", "MiB"),
        Resource("disk_gib", "disk", "GiB"),
        Resource("networks", "networks"),
        Resource("images", "images"),
        Resource("image_gib", "image store", "GiB"),
    )
}


@dataclasses.dataclass(frozen=True)
class Usage:
    """How a project stands with one resource."""

    resource: Resource
    used: int
    limit: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


def usage(project_id: uuid.UUID) -> dict[str, Usage]:
    """What the project uses and may use, for every resource."""
    limits = {
        row.resource: row.limit
        for row in session.scalars(select(Quota).where(Quota.project_id == project_id))
    }
    used, settings = _count(project_id), config.current()
    return {
        name: Usage(resource, used[name], limits.get(name, getattr(settings, f"quota_{name}")))
        for name, resource in RESOURCES.items()
    }


def lock(project_id: uuid.UUID) -> None:
    """Until the transaction ends nobody else counts or changes what the project holds.

    The conductor does not wait for it: `key_share` lets rows that name the project be written."""
    session.execute(
        select(Project.id).where(Project.id == project_id).with_for_update(key_share=True)
    )


def check(project_id: uuid.UUID, **asked: int) -> None:
    """Return when the project may hold so much more. Raises OverQuota with the numbers. Call it
    under `lock`: then of any number of parallel requests exactly as many pass as fit."""
    standing = usage(project_id)
    for name, amount in asked.items():
        now = standing[name]
        if amount > now.left:
            unit = f" {now.resource.unit}" if now.resource.unit else ""
            raise OverQuota(
                f"The quota for {now.resource.words} does not allow it: {now.used} of "
                f"{now.limit}{unit} are used, {amount} more were asked for, {now.left} are left. "
                "Delete something, or ask an administrator for more."
            )


def image_bytes_left(project_id: uuid.UUID) -> int:
    """How large one more image of the project may be."""
    limit = usage(project_id)["image_gib"].limit
    return max(0, limit * GIB - _image_bytes(project_id))


def check_image(project_id: uuid.UUID, size_bytes: int) -> None:
    """Return when the project may keep one more image of this size. Raises OverQuota. Call it
    under `lock`."""
    before = _image_bytes(project_id)
    gib = -(-(before + size_bytes) // GIB) - -(-before // GIB)  # images are counted together
    check(project_id, images=1, image_gib=gib)


def change(actor: Actor, project_id: uuid.UUID, limits: dict[str, int]) -> None:
    """The project has these limits from now on, whatever it uses already."""
    authorize(actor, "quotas:change")
    if unknown := limits.keys() - RESOURCES.keys():
        raise Refused(f"There is no quota for {', '.join(sorted(unknown))}.")
    for name, limit in limits.items():
        if not 0 <= limit <= 10**9:
            raise Refused("A limit is a number from 0 to 1,000,000,000.", field=name)
    with transaction():
        project = session.get(Project, project_id)
        if project is None:
            raise NotFound("There is no such project.")
        rows = {
            row.resource: row
            for row in session.scalars(select(Quota).where(Quota.project_id == project_id))
        }
        before = {name: row.limit for name, row in rows.items()}
        for name, limit in limits.items():
            row = rows.get(name) or Quota(project_id=project_id, resource=name)
            row.limit = limit
            session.add(row)
        activities.record(actor, "quotas:change", project, before=before, after=limits)


def _image_bytes(project_id: uuid.UUID) -> int:
    return int(session.execute(_of_images(project_id)).one().image_bytes)


def _count(project_id: uuid.UUID) -> dict[str, int]:
    instances = (
        select(
            func.count().label("instances"),
            func.coalesce(func.sum(Instance.vcpus), 0).label("vcpus"),
            func.coalesce(func.sum(Instance.memory_mib), 0).label("memory_mib"),
            func.coalesce(func.sum(Instance.disk_gib), 0).label("disk_gib"),
        )
        .where(Instance.project_id == project_id, Instance.desired != Power.ABSENT)
        .subquery()
    )
    networks = (
        select(func.count().label("networks"))
        .where(Network.project_id == project_id, Network.deleted_at.is_(None))
        .subquery()
    )
    images = _of_images(project_id).subquery()
    beside = instances.join(networks, true()).join(images, true())
    row = session.execute(select(instances, networks, images).select_from(beside)).one()
    used = {name: int(amount) for name, amount in row._mapping.items()}
    return used | {"image_gib": -(-used["image_bytes"] // GIB)}


def _of_images(project_id: uuid.UUID) -> Select:
    return select(
        func.count().label("images"),
        func.coalesce(func.sum(Image.size_bytes), 0).label("image_bytes"),
    ).where(Image.project_id == project_id, Image.deleted_at.is_(None))
