"""What there is to choose from when an instance is created."""

import contextlib
import dataclasses
import re
import uuid

from sqlalchemy import select

from portal.db import session
from portal.errors import Refused
from portal.models import (
    Flavor,
    Image,
    Instance,
    KeyPair,
    Network,
    PlacementGroup,
    Power,
    SecurityGroup,
    Visibility,
)
from portal.policies import Actor, authorize, offered_images
from portal.services import (
    flavors,
    networks,
    placement,
    placement_groups,
    placement_rules,
    quotas,
    security_groups,
)
from portal.services.placement_rules import NONE, Rules
from portal.services.quotas import Usage


@dataclasses.dataclass(frozen=True)
class Menu:
    """Everything that the form offers to one person in one project."""

    flavors: list[Flavor]
    images: list[Image]
    networks: list[Network]
    groups: list[SecurityGroup]
    key_pairs: list[KeyPair]
    placement_groups: list[PlacementGroup]
    zones: list[str]
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


@dataclasses.dataclass(frozen=True)
class Fit:
    """How many of the instances that are wanted fit at this moment, and what is in the way of
    more."""

    wanted: int
    fitting: int
    why: str = ""

    @property
    def whole(self) -> bool:
        return self.fitting >= self.wanted

    @property
    def words(self) -> str:
        """How many fit, as the end of a sentence."""
        if self.whole:
            return "fits now" if self.wanted == 1 else "fit now"
        if self.wanted == 1:
            return f"does not fit now: {self.why}"
        return f"{placement.fits(self.fitting, self.wanted).lower()}: {self.why}"

    @property
    def sentence(self) -> str:
        """How many fit, as a sentence."""
        if self.wanted == 1:
            return f"It {self.words}."
        return f"All {self.words}." if self.whole else f"{self.words[0].upper()}{self.words[1:]}."


def fit(menu: Menu, flavor: Flavor, count: int, rules: Rules = NONE) -> Fit:
    """How many of `count` instances of this size the quota and the hosts that keep `rules` have
    room for."""
    takes = {name: amount for name, amount in _counted(flavor).items() if amount}
    short = min(takes, key=lambda name: menu.usage[name].left // takes[name])
    allowed = min(count, menu.usage[short].left // takes[short])
    placed = placement.fitting(placement.amounts_of(flavor), allowed, rules) if allowed else 0
    if placed < allowed:
        head = str(rules.head or "")
        none = f"{head[0].lower()}{head[1:]}" if head else "no host has room"
        return Fit(count, placed, f"{none} for {'more' if placed else 'it'}")
    return Fit(count, placed, _left(menu.usage[short], takes[short]))


def _left(usage: Usage, each: int) -> str:
    """How little the quota has left, where one takes so much."""
    resource = usage.resource
    if resource.unit:
        said = resource.so_much
        return f"the quota has {said(usage.left)} of {resource.words} left, each takes {said(each)}"
    takes = f", each takes {each}" if each > 1 else ""
    return f"the quota has {usage.left} {resource.words} left{takes}"


def rules(actor: Actor, project_id: uuid.UUID, zone: str, group_id: uuid.UUID | None) -> Rules:
    """What a form says of hosts beside room, as far as that can be: what cannot is said when it is
    sent."""
    with contextlib.suppress(Refused):
        return placement_rules.of_wish(actor, project_id, zone=zone, group_id=group_id, count=0)
    return NONE


def preferred(actor: Actor, project_id: uuid.UUID, offered: list[Image]) -> Image | None:
    """The image that a form begins with, of those that are offered: the one that the actor has
    used last in the project, or else the newest that everybody is offered, or else the newest."""
    used = session.scalar(
        select(Instance.image_id)
        .where(
            Instance.project_id == project_id,
            Instance.user_id == actor.user_id,
            Instance.image_id.in_([each.id for each in offered]),
        )
        .order_by(Instance.created_at.desc(), Instance.id)
        .limit(1)
    )
    public = [each for each in offered if each.visibility is Visibility.PUBLIC]
    return next(
        (each for each in offered if each.id == used), next(iter([*public, *offered]), None)
    )


def menu(actor: Actor, project_id: uuid.UUID) -> Menu:
    """What the actor may choose from in the project."""
    authorize(actor, "instances:create", project_id)
    return Menu(
        flavors=list(
            session.scalars(
                select(Flavor)
                .where(Flavor.enabled, flavors.offered_to(project_id))
                .order_by(Flavor.memory_mib, Flavor.vcpus, Flavor.disk_gib, Flavor.name)
            )
        ),
        images=images(actor, project_id),
        networks=networks.of_project(actor, project_id),
        groups=security_groups.of_project(actor, project_id),
        key_pairs=list(
            session.scalars(
                select(KeyPair)
                .where(KeyPair.user_id == actor.user_id, ~KeyPair.public_key.startswith("-----"))
                .order_by(KeyPair.created_at, KeyPair.id)
            )
        ),
        placement_groups=placement_groups.of_project(actor, project_id),
        zones=placement_rules.zone_names(),
        usage=quotas.usage(project_id),
        free_name=free_name(project_id),
    )


def images(actor: Actor, project_id: uuid.UUID) -> list[Image]:
    """Images that instances of this project can start from, newest first."""
    query = offered_images(actor, project_id).where(Image.usable, ~Image.hidden)
    return list(session.scalars(query.order_by(Image.created_at.desc(), Image.id)))


def _counted(flavor: Flavor) -> dict[str, int]:
    """What one instance of this size takes of the quota."""
    return {
        "instances": 1,
        "vcpus": flavor.vcpus,
        "memory_mib": flavor.memory_mib,
        "disk_gib": flavor.disk_gib,
    }


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
