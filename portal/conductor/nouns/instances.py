"""Instances: the guests that hosts make of them."""

import ipaddress
import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

from sqlalchemy import or_, select, text
from sqlalchemy.orm import contains_eager, joinedload, lazyload, selectinload

from portal.changes.images import COPY
from portal.changes.instances import GONE, MAKE
from portal.conductor.moments import move
from portal.conductor.noun import Need, Noun, Reports
from portal.conductor.nouns import images
from portal.conductor.repairs import (
    ANSWERS,
    MOST_AT_A_TIME,
    at_present,
    changing,
    count_repair,
    may_be_mended,
    still_due,
)
from portal.db import now, session
from portal.models import FixedIp, Image, Instance, Operation, Port, Power, Task
from portal.models.instance import UNSETTLED
from portal.services import instances
from workers.specs import ROOT, AddressSpec, DiskSpec, Guest, InstanceSpec, PortSpec

# Nobody changes it, by itself or with all that its project has.
UNTOUCHED = ~changing(Instance.id) & ~changing(Instance.project_id)
PORTS = (
    select(Port)
    .order_by(Port.created_at, Port.id)
    .options(lazyload(Port.groups), selectinload(Port.fixed_ips).joinedload(FixedIp.subnet))
    .execution_options(populate_existing=True)
)
DRIFTED = (
    select(Instance)
    .join(Instance.host)
    .where(
        text(UNSETTLED),
        or_(Instance.fault == "", Instance.launched_at.is_not(None)),
        may_be_mended(Instance),
        ANSWERS,
        UNTOUCHED,
    )
    .options(contains_eager(Instance.host))
    .execution_options(populate_existing=True)
)
DUE = DRIFTED.limit(MOST_AT_A_TIME)


def _specs(tasks: Sequence[Task]) -> dict[uuid.UUID, InstanceSpec]:
    """The guests as their instances are wanted."""
    ids = {task.target_id for task in tasks}
    rows = {
        row.id: row
        for row in session.scalars(
            select(Instance)
            .where(Instance.id.in_(ids))
            .options(joinedload(Instance.image))
            .execution_options(populate_existing=True)
        )
    }
    ports = _ports_of(ids)
    return {
        task.id: _spec(rows[task.target_id], tuple(ports.get(task.target_id, ()))) for task in tasks
    }


def _spec(row: Instance, ports: tuple[PortSpec, ...]) -> InstanceSpec:
    return InstanceSpec(
        id=str(row.id),
        generation=row.generation,
        name=row.name,
        hostname=row.hostname,
        project_id=str(row.project_id),
        power=row.desired.value,
        boots=row.boots,
        vcpus=row.vcpus,
        memory_mib=row.memory_mib,
        disks=(
            DiskSpec(
                id=str(row.id),
                kind=ROOT,
                gib=row.disk_gib,
                image=row.image and images.spec(row.image),
            ),
        ),
        ports=ports,
        public_keys=tuple((name, key) for name, key in row.public_keys),
        user_data=row.user_data,
        grace_seconds=row.grace_seconds,
    )


def _ports_of(instance_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[PortSpec]]:
    """The ports of these instances, by the instance, oldest first."""
    ports: dict[uuid.UUID, list[PortSpec]] = {}
    for port in session.scalars(PORTS.where(Port.owner_id.in_(instance_ids))):
        ports.setdefault(port.owner_id, []).append(
            PortSpec(
                id=str(port.id),
                network_id=str(port.network_id),
                segment_id=port.network.segment_id,
                mac=port.mac,
                mtu=port.network.mtu,
                addresses=tuple(
                    AddressSpec(
                        address=each.address,
                        prefix_length=ipaddress.ip_network(each.subnet.cidr).prefixlen,
                        gateway=each.subnet.gateway,
                    )
                    for each in port.fixed_ips
                ),
            )
        )
    return ports


def _take(reports: Reports) -> None:
    """The guests of each host are as it says. Of one that lives on another host it says nothing,
    and of one with an open change only the change itself tells."""
    known, down = _known(reports), []
    for host, observation in reports:
        guests = {uuid.UUID(guest.id): guest for guest in observation.guests}
        named = guests.keys() | {uuid.UUID(each) for each in observation.absent}
        for instance in known.get(host.id, ()):
            concerned = observation.everything or instance.id in named
            if not concerned or not instance.older_than(observation.boot_id, observation.sequence):
                continue
            if guest := guests.get(instance.id):
                was = instance.observed
                _take_guest(instance, guest)
                if (was, instance.observed) == (Power.RUNNING, Power.STOPPED):
                    down.append(instance)
            else:
                _take_absence(instance)
            instance.observed_boot_id = observation.boot_id
            instance.observed_sequence = observation.sequence
    instances.went_down(down)


def _known(reports: Reports) -> dict[uuid.UUID, list[Instance]]:
    """The instances that these reports may be about, by the host."""
    named = {uuid.UUID(guest.id) for _, observation in reports for guest in observation.guests}
    named |= {uuid.UUID(each) for _, observation in reports for each in observation.absent}
    said = Instance.id.in_(named)
    if any(observation.everything for _, observation in reports):
        said = or_(said, Instance.observed != Power.ABSENT) & UNTOUCHED
    elif not named:
        return {}
    known: dict[uuid.UUID, list[Instance]] = {}
    here = (Instance.host_id.in_({host.id for host, _ in reports}), Instance.deleted_at.is_(None))
    for instance in session.scalars(select(Instance).where(*here, said)):
        known.setdefault(instance.host_id, []).append(instance)
    return known


def _take_guest(instance: Instance, guest: Guest) -> None:
    known = (
        instance.observed,
        instance.observed_generation,
        instance.observed_boots,
        instance.observed_reason,
    )
    fact = (Power(guest.power), guest.generation, guest.boots, guest.reason)
    if fact == known:
        return
    (
        instance.observed,
        instance.observed_generation,
        instance.observed_boots,
        instance.observed_reason,
    ) = fact
    instance.observed_at = now()


def _take_absence(instance: Instance) -> None:
    if instance.observed is not Power.ABSENT:
        instance.observed, instance.observed_at = Power.ABSENT, now()
        instance.observed_generation = instance.observed_boots = 0
        instance.observed_reason = ""
    if instance.desired is Power.ABSENT:
        instances.bury(instance)


def _fulfilled(task: Task) -> str:
    instance = session.get_one(Instance, task.target_id)
    if task.job == GONE.job:
        absent = instance.observed is Power.ABSENT
        return "" if absent else "the host still reports the guest"
    if task.operation.action == "resume" and instance.standstill:
        return f"it stands still again: {instance.standstill.cause}"
    if instance.settled:
        return ""
    if any(_needs(task)):
        return "the image is not in the cache of the host"
    return (
        f"the host reports it {instance.observed} at revision {instance.observed_generation} "
        f"of {instance.generation}"
    )


def _needs(task: Task) -> Iterable[Need]:
    """The image that the guest is made of, which its host may have given up since it was copied."""
    instance = session.get_one(Instance, task.target_id)
    image = instance.image_id and session.get_one(Image, instance.image_id)
    if task.job == MAKE.job and image and image.sha256 not in task.host.images:
        yield Need(COPY.job, image.id)


def _ended(operations: Sequence[Operation]) -> None:
    instances.ended([(session.get_one(Instance, each.target_id), each) for each in operations])


def _due() -> list[uuid.UUID]:
    rows = session.scalars(DUE, at_present()).all()
    return [instance.id for instance in rows if not instances.may_come_back(instance)]


def _mend(instance_id: uuid.UUID) -> bool:
    """An instance that was settled and no longer is has its job done once more; one that shut
    itself down is wanted off from now on."""
    instance = still_due(DRIFTED, Instance, instance_id)
    if instance is None or instances.may_come_back(instance):
        return False
    if instances.shut_itself_down(instance):
        instances.stopped_itself(instance)
        return False
    count_repair(instance)
    instances.repair(instance)
    return True


def _clock_set(moved: timedelta) -> None:
    """For as long as before it is waited whether a guest that shut itself down comes back."""
    went_down = (Instance.desired == Power.RUNNING) & (Instance.observed == Power.STOPPED)
    move(Instance, ("observed_at",), went_down & Instance.deleted_at.is_(None), by=moved)


NOUN = Noun(
    name="instances",
    model=Instance,
    specs={MAKE.job: _specs, GONE.job: _specs},
    take=_take,
    fulfilled=_fulfilled,
    needs=_needs,
    ended=_ended,
    due=_due,
    mend=_mend,
    clock_set=_clock_set,
)
