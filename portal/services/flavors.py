"""Sizes on the menu, as administrators keep it."""

import dataclasses
import functools
import re
import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, exists, func, or_, select, true
from sqlalchemy import delete as delete_rows

from portal.db import session, transaction
from portal.errors import Conflict, NotFound, Refused, all_of
from portal.models import Flavor, FlavorGrant, Instance, Power, Project
from portal.models.named import reads_as
from portal.policies import Actor, authorize
from portal.services import activities, details, finding, names
from portal.services.listing import Stretch, stretch

LIMITS = {  # from, to; QEMU's q35 machine takes 288 vCPUs, and one that boots needs 64 MiB
    "vcpus": (1, 288),
    "memory_mib": (64, 8 * 2**20),
    "disk_gib": (1, 65_536),
}
DESCRIPTION_LONGEST = 65_535  # as Nova's
MOST_SPECS, SPEC_LONGEST = 128, 255
SPEC_NAME = re.compile(r"[a-zA-Z0-9_:. -]{1,255}")
CHOSEN_ID = re.compile(r"[a-zA-Z0-9._-](?:[a-zA-Z0-9. _-]{0,253}[a-zA-Z0-9._-])?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewFlavor:
    """A size that is to be offered."""

    name: str
    vcpus: int | None
    memory_mib: int | None
    disk_gib: int | None
    chosen_id: str = ""  # by who makes it: a UUID, or any other name for programs
    description: str = ""
    public: bool = True  # or only to projects to which it is given


def offered_to(project_id: uuid.UUID | ColumnElement | None) -> ColumnElement[bool]:
    """Whether a flavor is for this project: as long as it is offered at all."""
    given = exists().where(FlavorGrant.flavor_id == Flavor.id, FlavorGrant.project_id == project_id)
    return or_(Flavor.public, given)


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


def projects_of(actor: Actor) -> dict[uuid.UUID, list[str]]:
    """The names of the projects to which each flavor is offered that is not for every one."""
    authorize(actor, "cloud:read")
    found: dict[uuid.UUID, list[str]] = {}
    query = select(FlavorGrant.flavor_id, Project.name).join(
        Project, Project.id == FlavorGrant.project_id
    )
    for flavor_id, name in session.execute(query.order_by(Project.name, Project.id)):
        found.setdefault(flavor_id, []).append(name)
    return found


def offered(
    actor: Actor, project_id: uuid.UUID | None, wanted: Stretch
) -> tuple[list[Flavor], bool]:
    """What instances of the project may be made by, and whether there are more; whoever may look
    at the whole cloud is shown what is for others and what is no longer offered too, unless they
    ask for what is public or not. In `wanted`, "public" is True, False, or None for either."""
    authorize(actor, "flavors:read", project_id)
    columns = {name: getattr(Flavor, name) for name in (*LIMITS, *SORTED)}
    mine = offered_to(project_id)
    filters = {
        "least_disk_gib": lambda values: Flavor.disk_gib >= max(values),
        "least_memory_mib": lambda values: Flavor.memory_mib >= max(values),
        "public": lambda values: or_(*(PUBLIC[each](mine) for each in values)),
    }
    query = select(Flavor)
    if not actor.may("cloud:read"):
        query = query.where(Flavor.enabled, mine)
    return stretch(query, wanted, columns, filters=filters)


SORTED = ("name", "created_at", "updated_at", "enabled", "public", "id")
PUBLIC = {
    True: lambda mine: mine,
    False: lambda _mine: ~Flavor.public,
    None: lambda _mine: true(),
}


def keyed(key: str) -> ColumnElement[bool]:
    """Whether a flavor is the one that programs name so."""
    flavor_id = finding.as_id(key)
    return Flavor.id == flavor_id if flavor_id else Flavor.chosen_id == key


def find(actor: Actor, name_or_id: uuid.UUID | str) -> Flavor:
    """The flavor. Raises NotFound."""
    return finding.find(actor, Flavor, name_or_id)


def show(actor: Actor, project_id: uuid.UUID | None, key: str) -> Flavor:
    """The flavor that programs name so, for who may make instances of the project by it. Raises
    NotFound."""
    authorize(actor, "flavors:read", project_id)
    query = select(Flavor).where(keyed(key))
    if not actor.may("cloud:read"):
        query = query.where(offered_to(project_id))
    flavor = session.scalar(query)
    if flavor is None:
        raise NotFound.saying(finding.KINDS[Flavor].missing)
    return flavor


def create(actor: Actor, new: NewFlavor) -> Flavor:
    """The size is offered to everybody, or, if it is not public, to nobody yet."""
    authorize(actor, "flavors:change")
    label, _, chosen, *amounts = all_of(
        lambda: names.distinct(new.name),
        lambda: details.description(new.description, most=DESCRIPTION_LONGEST),
        lambda: _chosen(new.chosen_id),
        *(functools.partial(_number, name, getattr(new, name)) for name in LIMITS),
    )
    numbers = dict(zip(LIMITS, amounts, strict=True))
    flavor_id = finding.as_id(chosen)
    with transaction():
        held = session.scalar(select(Flavor.name).where(Flavor.reads_as == reads_as(label)))
        if held is not None:
            raise Conflict.saying(names.taken("flavor", label, held), field="name")
        if chosen and session.scalar(select(Flavor.id).where(keyed(chosen))):
            raise Conflict("There is a flavor with the id {id} already.", id=chosen, field="id")
        flavor = Flavor(
            id=flavor_id or uuid.uuid4(),
            chosen_id=None if flavor_id else chosen or None,
            name=label,
            description=new.description,
            public=new.public,
            **numbers,
        )
        session.add(flavor)
        session.flush()
        activities.record(actor, "flavors:create", flavor, after=numbers)
    return flavor


def describe(actor: Actor, key: str, description: str) -> Flavor:
    """The flavor has this description. Raises NotFound, Refused."""
    authorize(actor, "flavors:change")
    details.description(description, most=DESCRIPTION_LONGEST)
    with transaction():
        flavor = _locked(actor, key)
        activities.alter(actor, "flavors:describe", flavor, {"description": description})
    return flavor


def specify(
    actor: Actor, key: str, specs: Mapping[str, str], *, without: Sequence[str] = ()
) -> Flavor:
    """The flavor has these extra specs beside those that it had, but for those `without`.
    Instances have copied theirs. Raises NotFound for one of these that it has not, Refused."""
    authorize(actor, "flavors:change")
    with transaction():
        flavor = _locked(actor, key)
        for name in without:
            if name not in flavor.extra_specs:
                raise NotFound(
                    "Flavor {flavor} has no extra specs with key {name}.",
                    flavor=flavor.key,
                    name=name,
                )
        kept = {name: each for name, each in flavor.extra_specs.items() if name not in without}
        _check_specs(kept | dict(specs))
        activities.alter(actor, "flavors:specify", flavor, {"extra_specs": kept | dict(specs)})
    return flavor


def projects_with(actor: Actor, key: str) -> tuple[Flavor, list[uuid.UUID]]:
    """The flavor, and to which projects it is given. Raises NotFound for one that is for every
    project."""
    authorize(actor, "flavors:change")
    flavor = show(actor, None, key)
    if flavor.public:
        raise NotFound("Access list not available for public flavors.")
    return flavor, _given(flavor)


def give(actor: Actor, key: str, project_id: uuid.UUID) -> tuple[Flavor, list[uuid.UUID]]:
    """The flavor is offered to this project. Raises NotFound, Conflict, Refused."""
    authorize(actor, "flavors:change")
    with transaction():
        flavor = _locked(actor, key)
        project = session.scalar(
            select(Project)
            .where(Project.id == project_id, Project.deleted_at.is_(None))
            .with_for_update(of=Project, key_share=True)
        )
        if project is None:
            raise Refused("Project ID {id} is not a valid project.", id=project_id.hex)
        if flavor.public:
            raise Conflict("Can not add access to a public flavor.")
        if project_id in _given(flavor):
            raise Conflict(
                "Flavor access already exists for flavor {flavor} and project {project} "
                "combination.",
                flavor=flavor.key,
                project=project_id.hex,
            )
        session.add(FlavorGrant(flavor_id=flavor.id, project_id=project_id))
        session.flush()
        activities.record(actor, "flavors:give", flavor, after={"project": project.name})
        return flavor, _given(flavor)


def take(actor: Actor, key: str, project_id: uuid.UUID) -> tuple[Flavor, list[uuid.UUID]]:
    """The flavor is no longer offered to this project. Instances that have it keep it. Raises
    NotFound."""
    authorize(actor, "flavors:change")
    with transaction():
        flavor = _locked(actor, key)
        grant = session.scalar(
            select(FlavorGrant).where(
                FlavorGrant.flavor_id == flavor.id, FlavorGrant.project_id == project_id
            )
        )
        if grant is None:
            raise NotFound(
                "Flavor access not found for {flavor} / {project} combination.",
                flavor=flavor.key,
                project=project_id.hex,
            )
        project = session.get_one(Project, project_id)
        session.delete(grant)
        session.flush()
        activities.record(actor, "flavors:take", flavor, before={"project": project.name})
        return flavor, _given(flavor)


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


def delete(actor: Actor, key: uuid.UUID | str) -> None:
    """The size is gone from the menu. Instances have copied its numbers and its name."""
    authorize(actor, "flavors:change")
    with transaction():
        flavor = _locked(actor, str(key))
        session.execute(delete_rows(FlavorGrant).where(FlavorGrant.flavor_id == flavor.id))
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


def _locked(actor: Actor, key: str) -> Flavor:
    return finding.locked(show(actor, None, key))


def _given(flavor: Flavor) -> list[uuid.UUID]:
    query = select(FlavorGrant.project_id).where(FlavorGrant.flavor_id == flavor.id)
    return list(session.scalars(query.order_by(FlavorGrant.created_at, FlavorGrant.id)))


def _chosen(text: str) -> str:
    """The id that whoever makes a flavor wants for it."""
    if text and not CHOSEN_ID.fullmatch(text):
        raise Refused(
            "The id of a flavor has up to 255 letters, digits, points, dashes and underscores.",
            field="id",
        )
    return text


def _check_specs(specs: Mapping[str, str]) -> None:
    if len(specs) > MOST_SPECS:
        raise Refused("At most {most} extra specs.", most=MOST_SPECS, field="extra_specs")
    for name, text in specs.items():
        if not SPEC_NAME.fullmatch(name) or len(text) > SPEC_LONGEST:
            raise Refused(
                "The name of an extra spec has 1 to {most} letters, digits, blanks and signs of "
                "-_:., its text at most {most} characters.",
                most=SPEC_LONGEST,
                field="extra_specs",
            )
