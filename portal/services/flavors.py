"""Sizes on the menu, as administrators keep it."""

import dataclasses
import functools
import uuid
from collections.abc import Collection

from sqlalchemy import false, func, select, true

from portal.db import session, transaction
from portal.errors import Conflict, NotFound, Refused, all_of
from portal.models import Flavor, Instance, Power
from portal.models.named import reads_as
from portal.policies import Actor, authorize
from portal.services import activities, finding, names
from portal.services.listing import Stretch, stretch

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
    id: uuid.UUID | None = None  # chosen by who makes it
    description: str = ""


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


def offered(
    actor: Actor, project_id: uuid.UUID | None, wanted: Stretch
) -> tuple[list[Flavor], bool]:
    """What instances of the project may be made by, and whether there are more; whoever may look
    at the whole cloud sees what is no longer offered too."""
    authorize(actor, "flavors:read", project_id)
    query = select(Flavor) if actor.may("cloud:read") else select(Flavor).where(Flavor.enabled)
    columns = {name: getattr(Flavor, name) for name in (*LIMITS, "name", "created_at", "id")}
    filters = {
        "least_disk_gib": lambda values: Flavor.disk_gib >= max(values),
        "least_memory_mib": lambda values: Flavor.memory_mib >= max(values),
        "public": lambda values: true() if any(values) else false(),  # all are
    }
    return stretch(query, wanted, columns, filters=filters)


def ids(names_: Collection[str]) -> dict[str, uuid.UUID]:
    """The ids of the flavors of these names that there still are."""
    query = select(Flavor.name, Flavor.id).where(Flavor.name.in_(set(names_)))
    return dict(map(tuple, session.execute(query)))


def find(actor: Actor, name_or_id: uuid.UUID | str) -> Flavor:
    """The flavor. Raises NotFound."""
    return finding.find(actor, Flavor, name_or_id)


def show(actor: Actor, project_id: uuid.UUID | None, flavor_id: uuid.UUID) -> Flavor:
    """The flavor, for who may make instances of the project by it or look at them. Raises
    NotFound."""
    authorize(actor, "flavors:read", project_id)
    flavor = session.get(Flavor, flavor_id)
    if flavor is None:
        raise NotFound.saying(finding.KINDS[Flavor].missing)
    return flavor


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
        if new.id and session.get(Flavor, new.id):
            raise Conflict(
                "There is a flavor with the id {id} already.", id=str(new.id), field="id"
            )
        flavor = Flavor(
            id=new.id or uuid.uuid4(), name=label, description=new.description, **numbers
        )
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
