"""A wish for an instance, and all that can be said against it."""

import dataclasses
import uuid

import yaml
from sqlalchemy import select
from sqlalchemy.orm import joinedload, lazyload

from portal.db import session, transaction
from portal.errors import Refused
from portal.models import (
    Flavor,
    Host,
    Image,
    Instance,
    KeyPair,
    Network,
    Operation,
    Port,
    Resource,
    SecurityGroup,
)
from portal.policies import Actor, authorize, visible_images
from portal.services import activities, addresses, idempotency, names, placement, quotas
from portal.services.instances.parts import parts as parts_of
from portal.services.instances.tables import raise_for_new
from portal.services.operations import open_first

MOST_AT_ONCE = 20
USER_DATA_LARGEST = 65_535  # bytes, as OpenStack's servers API has it


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewInstance:
    """What somebody asks for."""

    project_id: uuid.UUID
    name: str
    flavor_id: uuid.UUID | None
    image_id: uuid.UUID | None
    network_id: uuid.UUID | None
    key_pair_id: uuid.UUID | None = None
    group_ids: tuple[uuid.UUID, ...] = ()
    user_data: str = ""
    count: int = 1


@dataclasses.dataclass(frozen=True)
class Parts:
    """The things that a NewInstance names, found and seen to fit together."""

    flavor: Flavor
    image: Image
    network: Network
    key_pair: KeyPair | None
    groups: list[SecurityGroup]

    @property
    def amounts(self) -> dict[Resource, int]:
        """What one instance takes of a host."""
        return {
            Resource.VCPU: self.flavor.vcpus,
            Resource.MEMORY: self.flavor.memory_mib,
            Resource.DISK: self.flavor.disk_gib,
        }


def create(actor: Actor, new: NewInstance, *, key: str = "") -> list[Instance]:
    """Reserve everything that `new` needs and ask hosts to build it.

    All that can be refused is refused here, before anything exists; from here on each instance
    can only become what was asked for, or fail visibly. The same `key` again answers with the
    instances that it made the first time.
    """
    authorize(actor, "instances:create", new.project_id)
    name = names.label(new.name)
    if not 1 <= new.count <= MOST_AT_ONCE:
        raise Refused(f"From 1 to {MOST_AT_ONCE} at once.", field="count")
    _check_user_data(new.user_data)
    body = idempotency.body_hash(new)
    with transaction():
        quotas.lock(new.project_id)
        if key and (made := idempotency.earlier(new.project_id, key, "instances:create", body)):
            return [session.get_one(Instance, each) for each in made]
        parts = _find_parts(actor, new)
        _check_fit(parts)
        quotas.check(
            new.project_id,
            instances=new.count,
            vcpus=new.count * parts.flavor.vcpus,
            memory_mib=new.count * parts.flavor.memory_mib,
            disk_gib=new.count * parts.flavor.disk_gib,
        )
        hosts = placement.claim(parts.amounts, count=new.count, see_hosts=actor.may("hosts:read"))
        instances = [
            _instance(actor, new, name=each, parts=parts, host=host)
            for each, host in zip(names.numbered(name, new.count), hosts, strict=True)
        ]
        ports = _reserve(instances, parts)
        tables = raise_for_new(instances, [parts.network.id])
        made = zip(instances, parts_of(instances, tables), strict=True)
        operations = open_first(actor, "create", made, tables=tables)
        for instance, port, operation in zip(instances, ports, operations, strict=True):
            _record(actor, instance, port=port, operation=operation, parts=parts)
        if key:
            made = [instance.id for instance in instances]
            idempotency.remember(new.project_id, key, "instances:create", body, made)
    return instances


def _find_parts(actor: Actor, new: NewInstance) -> Parts:
    flavor = new.flavor_id and session.get(Flavor, new.flavor_id)
    if not flavor or not flavor.enabled:
        raise Refused("Choose a flavor from the list.", field="flavor_id")
    image = new.image_id and session.scalar(
        visible_images(actor, select(Image))
        .where(Image.id == new.image_id, Image.deleted_at.is_(None))
        .with_for_update(read=True, key_share=True)  # whoever deletes it waits, and sees us
    )
    if not image:
        raise Refused(
            "This image was not found; it may have been deleted. Choose another.", field="image_id"
        )
    if not image.ready:
        raise Refused(
            f"{image.name} is not there yet: it is {image.status.word.lower()}. Wait for it, or "
            "choose another."
            if image.busy
            else f"{image.name} could not be fetched, so nothing starts from it. Choose another.",
            field="image_id",
        )
    network = new.network_id and session.get(
        Network, new.network_id, options=[joinedload(Network.subnets)]
    )
    if not network or network.project_id != new.project_id or network.deleted_at:
        raise Refused(
            "This network was not found in the project. Choose another.", field="network_id"
        )
    key_pair = new.key_pair_id and session.get(KeyPair, new.key_pair_id)
    if new.key_pair_id and (not key_pair or key_pair.user_id != actor.user_id):
        raise Refused("This SSH key was not found among yours.", field="key_pair_id")
    groups = list(
        session.scalars(
            select(SecurityGroup)
            .where(SecurityGroup.id.in_(new.group_ids), SecurityGroup.project_id == new.project_id)
            .options(lazyload(SecurityGroup.rules))
        )
    )
    if len(groups) != len(set(new.group_ids)):
        raise Refused(
            "A security group was not found in the project. Choose again.", field="group_ids"
        )
    return Parts(flavor, image, network, key_pair or None, groups)


def _check_fit(parts: Parts) -> None:
    flavor, image = parts.flavor, parts.image
    if flavor.disk_gib < image.disk_gib:
        raise Refused(
            f"{image.name} needs a disk of {image.disk_gib} GiB, {flavor.name} has "
            f"{flavor.disk_gib} GiB. Choose a larger flavor.",
            field="flavor_id",
        )
    if flavor.memory_mib < image.min_memory_mib:
        raise Refused(
            f"{image.name} needs {image.min_memory_mib} MiB of memory, {flavor.name} has "
            f"{flavor.memory_mib} MiB. Choose a larger flavor.",
            field="flavor_id",
        )


def _check_user_data(user_data: str) -> None:
    size = len(user_data.encode())
    if size > USER_DATA_LARGEST:
        raise Refused(
            f"User data has at most {USER_DATA_LARGEST:,} bytes; this has {size:,}.",
            field="user_data",
        )
    if "\0" in user_data:
        raise Refused("User data is text; this holds a NUL byte.", field="user_data")
    if not user_data.startswith("#cloud-config"):
        return
    try:
        content = yaml.safe_load(user_data)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "it is malformed"
        raise Refused(
            f"This #cloud-config is not valid YAML{line}: {problem}.", field="user_data"
        ) from None
    if content is not None and not isinstance(content, dict):
        raise Refused("A #cloud-config is a mapping of keys to values.", field="user_data")


def _instance(actor: Actor, new: NewInstance, *, name: str, parts: Parts, host: Host) -> Instance:
    instance_id = uuid.uuid4()
    key_pair = parts.key_pair
    return Instance(
        id=instance_id,
        name=name[: names.LONGEST],
        hostname=names.hostname(name, fallback=f"instance-{str(instance_id)[:8]}"),
        project_id=new.project_id,
        user_id=actor.user_id,
        host_id=host.id,
        image_id=parts.image.id,
        flavor_name=parts.flavor.name,
        vcpus=parts.flavor.vcpus,
        memory_mib=parts.flavor.memory_mib,
        disk_gib=parts.flavor.disk_gib,
        key_name=key_pair.name if key_pair else "",
        public_keys=[[key_pair.name, key_pair.public_key]] if key_pair else [],
        user_data=new.user_data,
    )


def _reserve(instances: list[Instance], parts: Parts) -> list[Port]:
    """Each has its share of its host and the place on the network that is returned."""
    session.add_all(instances)
    session.flush()
    network, count = parts.network, len(instances)
    free = zip(addresses.free(network, count), addresses.free_macs(network, count), strict=True)
    ports = [
        addresses.new_port(
            instance,
            network,
            mac=mac,
            fixed_ips=[addresses.fixed_ip(subnet, address)],
            groups=parts.groups,
        )
        for instance, ((subnet, address), mac) in zip(instances, free, strict=True)
    ]
    session.add_all(ports)
    for each in instances:
        session.add_all(placement.claims(each, parts.amounts, host_id=each.host_id))
    session.flush()
    return ports


def _record(
    actor: Actor, instance: Instance, *, port: Port, operation: Operation, parts: Parts
) -> None:
    activities.record(
        actor,
        "instances:create",
        instance,
        after={
            "flavor": parts.flavor.name,
            "image": parts.image.name,
            "network": parts.network.name,
            "address": ", ".join(port.addresses),
            "groups": [group.name for group in parts.groups],
            "key": instance.key_name,
        },
        operation=operation,
    )
