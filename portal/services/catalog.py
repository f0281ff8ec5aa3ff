"""What there is to choose from when an instance is created."""

import dataclasses
import re
import uuid

from sqlalchemy import select

from portal.db import session
from portal.models import (
    Flavor,
    Image,
    Instance,
    KeyPair,
    Network,
    Power,
    SecurityGroup,
)
from portal.policies import Actor, authorize, offered_images
from portal.services import networks, quotas, security_groups
from portal.services.quotas import Usage


@dataclasses.dataclass(frozen=True)
class Menu:
    """Everything that the form offers to one person in one project."""

    flavors: list[Flavor]
    images: list[Image]
    networks: list[Network]
    groups: list[SecurityGroup]
    key_pairs: list[KeyPair]
    usage: dict[str, Usage]
    free_name: str

    def fits(self, flavor: Flavor) -> bool:
        """Whether the quota has room for one more of this size."""
        return all(
            getattr(flavor, name) <= self.usage[name].left
            for name in ("vcpus", "memory_mib", "disk_gib")
        )

    def fitting(self, image: Image) -> list[Flavor]:
        """The flavors that an instance of this image can start with, smallest first: those that
        the quota has room for before those that it has not."""
        enough = [
            each
            for each in self.flavors
            if each.disk_gib >= image.disk_gib and each.memory_mib >= image.min_memory_mib
        ]
        return sorted(enough, key=lambda each: not self.fits(each))


def menu(actor: Actor, project_id: uuid.UUID) -> Menu:
    """What the actor may choose from in the project."""
    authorize(actor, "instances:create", project_id)
    return Menu(
        flavors=list(
            session.scalars(
                select(Flavor)
                .where(Flavor.enabled)
                .order_by(Flavor.memory_mib, Flavor.vcpus, Flavor.disk_gib, Flavor.name)
            )
        ),
        images=images(actor, project_id),
        networks=networks.of_project(actor, project_id),
        groups=security_groups.of_project(actor, project_id),
        key_pairs=list(
            session.scalars(
                select(KeyPair)
                .where(KeyPair.user_id == actor.user_id)
                .order_by(KeyPair.created_at, KeyPair.id)
            )
        ),
        usage=quotas.usage(project_id),
        free_name=free_name(project_id),
    )


def images(actor: Actor, project_id: uuid.UUID) -> list[Image]:
    """Images that instances of this project can start from, newest first."""
    query = offered_images(actor, project_id).where(Image.ready)
    return list(session.scalars(query.order_by(Image.created_at.desc(), Image.id)))


def free_name(project_id: uuid.UUID) -> str:
    """vm-1, or the next number that no instance of the project bears."""
    taken = session.scalars(
        select(Instance.name).where(
            Instance.project_id == project_id,
            Instance.desired != Power.ABSENT,
            Instance.name.like("vm-%"),
        )
    )
    numbers = {int(match[1]) for name in taken if (match := re.fullmatch(r"vm-(\d{1,9})", name))}
    return f"vm-{max(numbers, default=0) + 1}"
