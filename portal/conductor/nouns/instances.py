"""Instances: the guests that hosts make of them."""

import ipaddress
import uuid
from collections.abc import Iterable

from sqlalchemy import Select, or_, select, text
from sqlalchemy.orm import contains_eager, joinedload, lazyload, selectinload

from portal.changes.images import COPY
from portal.changes.instances import GONE, MAKE
from portal.conductor.noun import Need, Noun
from portal.conductor.nouns import images
from portal.conductor.repairs import (
    MOST_AT_A_TIME,
    answers,
    changing,
    count_repair,
    still_due,
)
from portal.db import now, session
from portal.models import FixedIp, Host, Image, Instance, Operation, Port, Power, Task
from portal.models.instance import UNSETTLED
from portal.services import instances
from workers.specs import ROOT, AddressSpec, DiskSpec, Guest, InstanceSpec, Observation, PortSpec


def _spec(task: Task) -> InstanceSpec:
    """The guest as its instance is wanted."""
    row = session.execute(
        select(Instance)
        .where(Instance.id == task.target_id)
        .options(joinedload(Instance.image))
        .execution_options(populate_existing=True)
    ).scalar_one()
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
        ports=_ports_of(row.id),
        public_keys=tuple((name, key) for name, key in row.public_keys),
        user_data=row.user_data,
        grace_seconds=row.grace_seconds,
    )


def _ports_of(instance_id: uuid.UUID) -> tuple[PortSpec, ...]:
    ports = session.scalars(
        select(Port)
        .where(Port.owner_id == instance_id)
        .order_by(Port.created_at, Port.id)
        .options(lazyload(Port.groups), selectinload(Port.fixed_ips).joinedload(FixedIp.subnet))
        .execution_options(populate_existing=True)
    )
    return tuple(
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
        for port in ports
    )


def _take(host: Host, observation: Observation) -> None:
    """The guests of this host are as it says. Of one that lives on another host it says nothing,
    and of one with an open change only the change itself tells."""
    guests = {uuid.UUID(guest.id): guest for guest in observation.guests}
    absent = {uuid.UUID(each) for each in observation.absent}
    said = Instance.id.in_(guests.keys() | absent)
    if observation.everything:
        said = or_(said, Instance.observed != Power.ABSENT) & ~changing(Instance.id)
    here = (Instance.host_id == host.id, Instance.deleted_at.is_(None))
    for instance in session.scalars(select(Instance).where(*here, said)):
        if not instance.older_than(observation.boot_id, observation.sequence):
            continue
        if guest := guests.get(instance.id):
            _take_guest(instance, guest)
        else:
            _take_absence(instance)
        instance.observed_boot_id = observation.boot_id
        instance.observed_sequence = observation.sequence


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
    if fact[0] is Power.STOPPED and instance.observed is Power.RUNNING:
        instances.went_down(instance)
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


def _ended(operation: Operation) -> None:
    instances.ended(session.get_one(Instance, operation.target_id), operation)


def _due() -> list[uuid.UUID]:
    rows = session.scalars(_unsettled().limit(MOST_AT_A_TIME))
    return [instance.id for instance in rows if not instances.may_come_back(instance)]


def _mend(instance_id: uuid.UUID) -> bool:
    """It was settled and no longer is: the same job once more. One that shut itself down is
    wanted off from now on."""
    instance = still_due(_unsettled(), Instance, instance_id)
    if instance is None or instances.may_come_back(instance):
        return False
    if instances.shut_itself_down(instance):
        instances.stopped_itself(instance)
        return False
    count_repair(instance)
    instances.repair(instance)
    return True


def _unsettled() -> Select:
    moment = now()
    return (
        select(Instance)
        .join(Instance.host)
        .where(
            text(UNSETTLED),
            or_(Instance.fault == "", Instance.launched_at.is_not(None)),
            or_(Instance.repair_at.is_(None), Instance.repair_at <= moment),
            answers(moment),
            ~changing(Instance.id),
        )
        .options(contains_eager(Instance.host))
        .execution_options(populate_existing=True)
    )


NOUN = Noun(
    name="instances",
    model=Instance,
    specs={MAKE.job: _spec, GONE.job: _spec},
    take=_take,
    fulfilled=_fulfilled,
    needs=_needs,
    ended=_ended,
    due=_due,
    mend=_mend,
)
