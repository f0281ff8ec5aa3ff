"""Sizes on the menu, as administrators keep it."""

import dataclasses
import functools
import uuid

from sqlalchemy import func, select

from portal.db import session, transaction
from portal.errors import Conflict, Refused, all_of
from portal.models import Flavor, Instance, Power
from portal.models.named import reads_as
from portal.policies import Actor, authorize
from portal.services import activities, finding, names

LIMITS = {  # from, to; QEMU's q35 machine takes 288 vCPUs, and one that boots needs 64 MiB
    "vcpus": (1, 288),
    "memory_mib": (64, 8 * 2**20),
    "disk_gib": (1, 65_536),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewFlavor:
    """A size that is to be offered."""

    name: str
    vcpus: int | None
    memory_mib: int | None
    disk_gib: int | None


def every(actor: Actor) -> list[Flavor]:
    """The whole menu, smallest first, with what is no longer offered."""
    authorize(actor, "cloud:read")
    return list(
        session.scalars(
            select(Flavor).order_by(Flavor.memory_mib, Flavor.vcpus, Flavor.disk_gib, Flavor.name)
        )
    )


def in_use(actor: Actor) -> dict[str, int]:
    """How many instances were made by the flavor of each name."""
    authorize(actor, "cloud:read")
    return dict(
        map(
            tuple,
            session.execute(
                select(Instance.flavor_name, func.count())
                .where(Instance.desired != Power.ABSENT)
                .group_by(Instance.flavor_name)
            ),
        )
    )


def find(actor: Actor, name_or_id: uuid.UUID | str) -> Flavor:
    """The flavor. Raises NotFound."""
    return finding.find(actor, Flavor, name_or_id)


def create(actor: Actor, new: NewFlavor) -> Flavor:
    """The size is offered to everybody."""
    authorize(actor, "flavors:change")
    label, *amounts = all_of(
        lambda: names.distinct(new.name),
        *(functools.partial(_number, name, getattr(new, name)) for name in LIMITS),
    )
    numbers = dict(zip(LIMITS, amounts, strict=True))
    with transaction():
        held = session.scalar(select(Flavor.name).where(Flavor.reads_as == reads_as(label)))
        if held is not None:
            raise Conflict.saying(names.taken("flavor", label, held), field="name")
        flavor = Flavor(name=label, **numbers)
        session.add(flavor)
        session.flush()
        activities.record(actor, "flavors:create", flavor, after=numbers)
    return flavor


def enable(actor: Actor, flavor_id: uuid.UUID, *, enabled: bool) -> Flavor:
    """The size is offered, or no longer offered. Instances that have it keep it."""
    authorize(actor, "flavors:change")
    with transaction():
        flavor = find(actor, flavor_id)
        before, flavor.enabled = flavor.enabled, enabled
        activities.record(
            actor,
            "flavors:enable" if enabled else "flavors:disable",
            flavor,
            before={"offered": before},
            after={"offered": enabled},
        )
    return flavor


def delete(actor: Actor, flavor_id: uuid.UUID) -> None:
    """The size is gone from the menu. Instances have copied its numbers and its name."""
    authorize(actor, "flavors:change")
    with transaction():
        flavor = find(actor, flavor_id)
        session.delete(flavor)
        activities.record(
            actor,
            "flavors:delete",
            flavor,
            before={name: getattr(flavor, name) for name in LIMITS},
        )


def _number(name: str, number: int | None) -> int:
    least, most = LIMITS[name]
    if number is None or not least <= number <= most:
        raise Refused(
            "A whole number from {least} to {most:count}.", least=least, most=most, field=name
        )
    return number
