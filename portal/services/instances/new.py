"""A wish for an instance, and all that can be said against it."""

import dataclasses
import functools
import itertools
import secrets
import uuid

from sqlalchemy import Select, Uuid, bindparam, select
from sqlalchemy.orm import contains_eager, lazyload, make_transient_to_detached

from portal.db import session, together, transaction, write
from portal.errors import Refused, all_of
from portal.models import (
    Claim,
    Flavor,
    Host,
    Image,
    Instance,
    KeyPair,
    Network,
    Resource,
    SecurityGroup,
    Subnet,
)
from portal.policies import Actor, authorize, open_to, visible_images
from portal.sentences import Sentence
from portal.services import (
    activities,
    certificates,
    flavors,
    idempotency,
    images,
    names,
    placement,
    placement_rules,
    quotas,
    user_data,
)
from portal.services.details import Details, checked
from portal.services.instances import nics
from portal.services.instances.nics import Nic
from portal.services.instances.parts import parts as parts_of
from portal.services.instances.tables import raise_for_new
from portal.services.operations import open_first

MOST_AT_ONCE = 20
GIB = 2**30


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewInstance:
    """What somebody asks for."""

    project_id: uuid.UUID
    name: str
    flavor_id: uuid.UUID | None
    image_id: uuid.UUID | None
    network_id: uuid.UUID | None = None
    nics: tuple[Nic, ...] | None = None  # None: one on that network
    key_pair_id: uuid.UUID | None = None
    group_ids: tuple[uuid.UUID, ...] = ()
    user_data: str = ""
    user_data_as_it_is: bool = False  # also where cloud-init would ignore it
    details: Details = Details()
    count: int = 1
    zone: str = ""  # "": any; administrators may say on which of its hosts: `zone:host`
    placement_group_id: uuid.UUID | None = None
    hostname: str = ""  # or as the name says
    access_ipv4: str = ""  # where programs are told to reach it, if it is not one of its own
    access_ipv6: str = ""

    @property
    def wished(self) -> tuple[Nic, ...]:
        """The places on networks that each of them shall have."""
        return (Nic(network_id=self.network_id),) if self.nics is None else self.nics


@dataclasses.dataclass(frozen=True)
class Parts:
    """The things that a NewInstance names, found and seen to fit together."""

    flavor: Flavor
    image: Image
    network: Network | None  # of the first place that is wished for
    key_pair: KeyPair | None
    groups: list[SecurityGroup]

    @property
    def amounts(self) -> dict[Resource, int]:
        """What one instance takes of a host."""
        return placement.amounts_of(self.flavor)


def create(actor: Actor, new: NewInstance, *, key: str = "") -> list[Instance]:
    """Reserve everything that `new` needs and ask hosts to build it.

    All that can be refused is refused here, before anything exists; from here on each instance
    can only become what was asked for, or fail visibly. The same `key` again answers with the
    instances that it made the first time.
    """
    idempotency.check(key)
    name, text = check(actor, new)
    new = dataclasses.replace(new, user_data=text)
    try:
        return _create(actor, new, name, key)
    except placement.Held:
        return _create(actor, new, name, key, patient=True)


def check(actor: Actor, new: NewInstance) -> tuple[str, str]:
    """The name and the user data of `new`, as they will be kept. Raises Refused with all that is
    wrong in what was typed; what only the database knows is not looked at."""
    authorize(actor, "instances:create", new.project_id)
    name, _, _, text = all_of(
        lambda: names.label(new.name),
        lambda: _check_count(new.count),
        lambda: checked(new.details),
        lambda: user_data.checked(new.user_data, as_it_is=new.user_data_as_it_is),
    )
    return name, text


def misfit(flavor: Flavor, image: Image) -> Sentence | None:
    """Why an instance of this size cannot start from the image; None if it can."""
    named = {"image": image.called, "flavor": flavor.name}
    if flavor.disk_gib < image.disk_gib:
        sizes = {"needed": image.disk_gib, "has": flavor.disk_gib}
        over = image.virtual_size_bytes - flavor.disk_gib * GIB
        if 0 < over < GIB:  # a disk needs a whole GiB more, and is larger by less than that
            return Sentence(
                "{image} needs a disk of {needed:disk}, {flavor} has {has:disk}: it is {over:size} "
                "larger. Choose a larger flavor.",
                **named,
                **sizes,
                over=over,
            )
        return Sentence(
            "{image} needs a disk of {needed:disk}, {flavor} has {has:disk}. Choose a larger "
            "flavor.",
            **named,
            **sizes,
        )
    if flavor.memory_mib < image.min_memory_mib:
        return Sentence(
            "{image} needs {needed:memory} of memory, {flavor} has {has:memory}. Choose a larger "
            "flavor.",
            **named,
            needed=image.min_memory_mib,
            has=flavor.memory_mib,
        )
    return None


def _create(
    actor: Actor, new: NewInstance, name: str, key: str, *, patient: bool = False
) -> list[Instance]:
    body = idempotency.body_hash(new)
    with transaction():
        quotas.lock(new.project_id)
        ids = [uuid.uuid4() for _ in range(new.count)]
        known = (new.project_id, key, "instances:create", body, ids)
        if key and (made := idempotency.claim(*known)):
            return [session.get_one(Instance, each) for each in made]
        parts = _find_parts(actor, new)
        if sentence := misfit(parts.flavor, parts.image):
            raise Refused.saying(sentence, field="flavor_id")
        quotas.check(
            new.project_id,
            instances=new.count,
            vcpus=new.count * parts.flavor.vcpus,
            memory_mib=new.count * parts.flavor.memory_mib,
            disk_gib=new.count * parts.flavor.disk_gib,
        )
        rules = placement_rules.of_wish(
            actor,
            new.project_id,
            zone=new.zone,
            group_id=new.placement_group_id,
            count=new.count,
        )
        hosts = placement.claim(
            parts.amounts,
            count=new.count,
            see_hosts=actor.may("hosts:read"),
            patient=patient,
            rules=rules,
        )
        labels = names.numbered(name, new.count)
        seats, hostnames = nics.find(
            new.wished, parts.network, new.project_id, name=new.hostname or name, ids=ids
        )
        reservation = f"r-{secrets.token_hex(4)}"
        numbered = zip(ids, labels, hostnames, hosts, strict=True)
        rows = [
            _columns(actor, new, *each, parts=parts)
            | {"reservation_id": reservation, "launch_index": index}
            for index, each in enumerate(numbered)
        ]
        with together():
            instances = _write(actor, rows, parts, hosts, seats)
    return instances


def _write(
    actor: Actor, rows: list[dict], parts: Parts, hosts: list[Host], seats: list[nics.Seats]
) -> list[Instance]:
    """The instances of these rows exist, each with what it holds of its host, its places on
    networks, and its first change under way."""
    write(Instance, rows)
    instances = [_known(row) for row in rows]
    held = [placement.claims(each, parts.amounts, host_id=each.host_id) for each in instances]
    write(Claim, list(itertools.chain(*held)))
    group_ids = [group.id for group in parts.groups]
    nics.write_ports(seats, instances, group_ids)
    network_ids = list(dict.fromkeys(each.network.id for each in seats))
    tables = raise_for_new(instances, network_ids, nics.groups_of(seats, group_ids))
    work = [
        parts_of(instance, tables, cached=parts.image.sha256 in host.images)
        for instance, host in zip(instances, hosts, strict=True)
    ]
    made = zip(instances, work, strict=True)
    operation_ids = open_first(actor, "create", made, tables=tables)
    activities.record_made(
        actor,
        "instances:create",
        zip(instances, operation_ids, strict=True),
        after=[_told(parts, seats, number) for number in range(len(instances))],
    )
    return instances


def _find_parts(actor: Actor, new: NewInstance) -> Parts:
    rows = session.execute(visible_images(actor, PARTS), _named(actor, new)).unique().all()
    image, flavor, network, key_pair, _ = rows[0] if rows else [None] * 5
    if not image:
        raise Refused(
            "This image was not found; it may have been deleted. Choose another.", field="image_id"
        )
    if not flavor:
        raise Refused("Choose a flavor from the list.", field="flavor_id")
    if sentence := images.unusable(image):
        raise Refused.saying(sentence, field="image_id")
    if not network and new.wished and not new.wished[0].port_id:
        quotas.check(new.project_id)  # of a project that is being deleted it is told so
        raise Refused(
            "This network was not found in the project. Choose another.", field="network_id"
        )
    if new.key_pair_id and not key_pair:
        raise Refused("This SSH key was not found among yours.", field="key_pair_id")
    if key_pair and certificates.is_one(key_pair):
        raise Refused(
            "{key} is a certificate: guests here take SSH keys. Choose another.",
            key=key_pair.name,
            field="key_pair_id",
        )
    groups = list(dict.fromkeys(row.SecurityGroup for row in rows if row.SecurityGroup))
    if len(groups) != len(set(new.group_ids)):
        raise Refused(
            "A security group was not found in the project. Choose again.", field="group_ids"
        )
    return Parts(flavor, image, network, key_pair, groups)


def _named(actor: Actor, new: NewInstance) -> dict:
    return {
        "image": new.image_id,
        "flavor": new.flavor_id,
        "network": new.wished[0].network_id if new.wished else None,
        "key_pair": new.key_pair_id,
        "groups": list(new.group_ids),
        "project": new.project_id,
        "user": actor.user_id,
    }


def _statement_of_the_parts() -> Select:
    """The image, locked, beside what else is named and found; once for every group. Whoever
    deletes the image waits, and sees us; whoever deletes a network locks the project."""
    name = functools.partial(bindparam, type_=Uuid())
    groups = bindparam("groups", type_=Uuid(), expanding=True)
    project = name("project")
    return (
        select(Image, Flavor, Network, KeyPair, SecurityGroup)
        .select_from(Image)
        .outerjoin(
            Flavor,
            (Flavor.id == name("flavor")) & Flavor.enabled & flavors.offered_to(project),
        )
        .outerjoin(
            Network,
            (Network.id == name("network"))
            & (Network.project_id == project)
            & Network.deleted_at.is_(None),
        )
        .outerjoin(Network.subnets)
        .outerjoin(KeyPair, (KeyPair.id == name("key_pair")) & (KeyPair.user_id == name("user")))
        .outerjoin(
            SecurityGroup, SecurityGroup.id.in_(groups) & (SecurityGroup.project_id == project)
        )
        .where(
            Image.id == name("image"),
            Image.deleted_at.is_(None),
            open_to(project),
        )
        .order_by(Subnet.created_at, Subnet.id, SecurityGroup.created_at, SecurityGroup.id)
        .options(contains_eager(Network.subnets), lazyload(SecurityGroup.rules))
        .with_for_update(of=Image, read=True, key_share=True)
    )


PARTS = _statement_of_the_parts()


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_AT_ONCE:
        raise Refused("From 1 to {most} at once.", most=MOST_AT_ONCE, field="count")


def _columns(
    actor: Actor,
    new: NewInstance,
    instance_id: uuid.UUID,
    name: str,
    hostname: str,
    host: Host,
    *,
    parts: Parts,
) -> dict:
    key_pair = parts.key_pair
    return {
        "id": instance_id,
        "name": name,
        "hostname": hostname,
        "project_id": new.project_id,
        "user_id": actor.user_id,
        "host_id": host.id,
        "zone": new.zone.partition(":")[0],
        "placement_group_id": new.placement_group_id,
        "image_id": parts.image.id,
        "flavor_name": parts.flavor.name,
        "flavor_key": parts.flavor.key,
        "extra_specs": parts.flavor.extra_specs,
        "vcpus": parts.flavor.vcpus,
        "memory_mib": parts.flavor.memory_mib,
        "disk_gib": parts.flavor.disk_gib,
        "key_name": key_pair.name if key_pair else "",
        "public_keys": [[key_pair.name, key_pair.public_key]] if key_pair else [],
        "user_data": new.user_data,
        "access_ipv4": new.access_ipv4,
        "access_ipv6": new.access_ipv6,
        **checked(new.details),
    }


def _known(row: dict) -> Instance:
    """The instance whose row was written with these columns; what else it has is read when it is
    asked for."""
    instance = Instance(**row)
    make_transient_to_detached(instance)
    session.add(instance)
    return instance


def _told(parts: Parts, seats: list[nics.Seats], number: int) -> dict:
    """What the record says of one of the new instances."""
    return {
        "flavor": parts.flavor.name,
        "image": parts.image.called,
        "network": ", ".join(each.network.called for each in seats),
        "address": ", ".join(each.address(number) for each in seats),
        "groups": [group.name for group in parts.groups],
        "key": parts.key_pair.name if parts.key_pair else "",
    }
