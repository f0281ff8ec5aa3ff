"""Places on networks, whoever holds them, or nobody yet."""

import dataclasses
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import contains_eager, selectinload

from portal.db import session, transaction
from portal.errors import Conflict, InUse, NotFound, OverQuota, Refused
from portal.models import FixedIp, Instance, Network, Port, Power, SecurityGroup, Subnet
from portal.models.port import port_groups
from portal.policies import Actor, authorize
from portal.sentences import Sentence
from portal.services import activities, addresses, idempotency, names, networks, quotas
from portal.services.details import Details, checked
from portal.services.listing import Stretch, stretch, tagged
from portal.services.security_groups import DEFAULT
from workers.specs.networks import is_host, is_mac

MOST_AT_ONCE = 20
MOST_FREE = 500  # ports of a project that hang on nothing: as many as Neutron's quota has
MOST_ADDRESSES = 5  # of a port, as Neutron's max_fixed_ips_per_port
MISSING = Sentence("There is no such port in this project. It may have been deleted.")
MISSING_GROUP = Sentence("A security group was not found in the project. Choose again.")
COLUMNS = {
    "id": Port.id,
    "name": Port.name,
    "mac": Port.mac,
    "network_id": Port.network_id,
    "owner_id": Port.owner_id,
    "owner_type": Port.owner_type,
    "admin_up": Port.admin_up,
    "project_id": Network.project_id,
    "description": Port.description,
    "created_at": Port.created_at,
    "updated_at": Port.updated_at,
}
UP = exists().where(Instance.id == Port.owner_id, Instance.observed == Power.RUNNING)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """An address that a port shall have: of this subnet, this one, or both."""

    subnet_id: uuid.UUID | None = None
    address: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wish:
    """What shall be so of a port; what is None stays, or is as usual: one address, and the group
    that every project is born with."""

    name: str | None = None
    description: str | None = None
    mac: str | None = None  # of a new one
    admin_up: bool | None = None
    addresses: Sequence[Wanted] | None = None
    group_ids: Sequence[uuid.UUID] | None = None
    tags: Sequence[str] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewPort:
    """A place that there shall be on a network."""

    network_id: uuid.UUID
    wish: Wish = Wish()


def create(actor: Actor, wanted: Sequence[NewPort], *, key: str = "") -> list[Port]:
    """The networks have these ports, all of them or none, which hang on nothing yet. The same
    `key` again answers with those that it made the first time. Raises NotFound, Refused, InUse for
    an address or a MAC that somebody has."""
    idempotency.check(key)
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise Refused("From 1 to {most} at once.", most=MOST_AT_ONCE)
    body = idempotency.body_hash(wanted)
    made: list[Port] = []
    with transaction():
        for new in wanted:
            network = networks.find(actor, actor.project_id, new.network_id)
            authorize(actor, "ports:create", network.project_id)
            quotas.lock(network.project_id)
            network = networks.find(actor, actor.project_id, new.network_id)
            if not made:  # in the project of the first, should they be in several
                known = (network.project_id, key, "ports:create", body)
                if earlier := idempotency.earlier(*known):
                    return [find(actor, each) for each in earlier]
            quotas.check(network.project_id)
            _refuse_more_than_enough(network.project_id)
            made.append(_made(actor, network, new.wish))
        idempotency.remember(*known, [each.id for each in made])
    return made


def change(actor: Actor, port_id: uuid.UUID, wish: Wish) -> Port:
    """The port is so from now on. Raises Conflict for what cannot be changed under an instance."""
    fields = _fields(wish)
    with transaction():
        port = _locked(actor, "ports:change", port_id)
        if port.owner_id:
            _refuse_under_instance(port, wish)
        if wish.mac is not None and wish.mac != port.mac:
            raise Conflict("The MAC address of a port stays. Make another port.", field="mac")
        altered = {name: each for name, each in fields.items() if getattr(port, name) != each}
        for name, value in altered.items():
            setattr(port, name, value)
        if wish.group_ids is not None and not port.owner_id:
            port.groups = _groups(port.network, wish.group_ids)
            altered["groups"] = [each.name for each in port.groups]
        if wish.addresses is not None and not port.owner_id:
            altered |= _move(port, wish.addresses)
        if altered:
            session.flush()
            activities.record(actor, "ports:change", port, after=altered)
    return port


def retag(actor: Actor, port_id: uuid.UUID, revise: Callable[[list[str]], Sequence[str]]) -> None:
    """The port bears the tags that `revise` makes of those that it has."""
    with transaction():
        port = _locked(actor, "ports:change", port_id)
        altered = checked(Details(tags=revise(list(port.tags))))
        activities.alter(actor, "ports:change", port, altered)


def delete(actor: Actor, port_id: uuid.UUID) -> None:
    """There is no such port. Raises InUse for one that an instance has."""
    with transaction():
        port = _locked(actor, "ports:delete", port_id)
        if port.owner_id:
            raise InUse(
                "The port {port} belongs to an instance. Delete that, and it is free, or goes "
                "with it.",
                port=port.called,
            )
        activities.record(
            actor,
            "ports:delete",
            port,
            before={"network": port.network.called, "address": ", ".join(port.addresses)},
        )
        _drop([port.id])


def drop_of(network_ids: Iterable[uuid.UUID]) -> None:
    """None of these networks has a port that hangs on nothing. For use inside a change."""
    query = select(Port.id).where(Port.network_id.in_(network_ids), Port.owner_id.is_(None))
    _drop(session.scalars(query).all())


def listed(actor: Actor, wanted: Stretch) -> tuple[list[Port], bool]:
    """A stretch of the ports that the actor looks at, each with its network, and whether there are
    more. Filters are the columns, "up" (whether a guest runs there), "address", "subnet_id" and
    "group_id"."""
    filters = {
        "up": lambda values: or_(*(UP if each else ~UP for each in values)),
        "address": lambda values: _holds(FixedIp.address.in_(values)),
        "subnet_id": lambda values: _holds(FixedIp.subnet_id.in_(values)),
        "group_id": lambda values: Port.groups.any(SecurityGroup.id.in_(values)),
        **tagged(Port.tags),
    }
    return stretch(_there(actor), wanted, COLUMNS, filters=filters)


def find(actor: Actor, port_id: uuid.UUID) -> Port:
    """The port, with its network. Raises NotFound."""
    found = session.scalar(_there(actor).where(Port.id == port_id))
    if found is None:
        raise NotFound.saying(MISSING)
    return found


def up(ports: Sequence[Port]) -> Collection[uuid.UUID]:
    """The ids of those of these ports whose guest runs."""
    ids = [each.id for each in ports]
    return set(session.scalars(select(Port.id).where(Port.id.in_(ids), UP)))


def _refuse_more_than_enough(project_id: uuid.UUID) -> None:
    """Call it under the lock of the project. Raises OverQuota."""
    count = (
        select(func.count())
        .select_from(Port)
        .join(Network, Network.id == Port.network_id)
        .where(Network.project_id == project_id, Port.owner_id.is_(None))
    )
    if session.scalar(count) >= MOST_FREE:
        raise OverQuota(
            "A project has at most {most} ports that hang on nothing. Delete some, or give them "
            "to instances.",
            most=MOST_FREE,
        )


def _made(actor: Actor, network: Network, wish: Wish) -> Port:
    fields = _fields(wish)
    mac = wish.mac.lower() if wish.mac is not None else addresses.new_mac()
    _check_mac(network, mac)
    port = Port(network=network, mac=mac, stays=True, **fields)
    port.groups = _groups(network, wish.group_ids)
    session.add(port)
    session.flush()
    if wish.addresses is not None:
        _give(port, wish.addresses)
    elif network.subnets:
        places, _ = addresses.free(network, 1)
        _hold(port, places[0])
    session.flush()
    activities.record(
        actor,
        "ports:create",
        port,
        after={"network": network.called, "address": ", ".join(port.addresses)},
    )
    return port


def _fields(wish: Wish) -> dict:
    found = checked(Details(description=wish.description, tags=wish.tags))
    if wish.name is not None:
        found["name"] = names.label(wish.name) if wish.name else ""
    if wish.admin_up is not None:
        found["admin_up"] = wish.admin_up
    return found


def _check_mac(network: Network, mac: str) -> None:
    if not is_mac(mac):
        raise Refused(
            "{mac} is no MAC address of one device. Write it like fa:16:3e:00:00:01.",
            mac=mac[:80],
            field="mac",
        )
    there = select(Port.id).where(Port.network_id == network.id, Port.mac == mac)
    if mac == network.gateway_mac or session.scalar(there):
        raise InUse(
            "Somebody on the network {network} has the MAC address {mac}. Choose another.",
            network=network.called,
            mac=mac,
            field="mac",
        )


def _give(port: Port, wanted: Sequence[Wanted]) -> None:
    """The port has these addresses too. Raises Refused, InUse."""
    if len(wanted) > MOST_ADDRESSES:
        raise Refused("A port has at most {most} addresses.", most=MOST_ADDRESSES)
    for each in wanted:
        subnet = _subnet(port.network, each)
        if each.address is None:
            _hold(port, addresses.free_in(port.network, subnet, port.mac))
            continue
        place = addresses.place(subnet, each.address, port.mac)
        if addresses.is_held(place):
            raise InUse(
                "Somebody on {cidr} has the address {address}. Choose another.",
                cidr=subnet.cidr,
                address=each.address,
                field="address",
            )
        _hold(port, place)


def _hold(port: Port, place: addresses.Place) -> None:
    port.fixed_ips.append(
        FixedIp(subnet_id=place.subnet.id, address=place.address, number=place.number)
    )
    session.flush()


def _move(port: Port, wanted: Sequence[Wanted]) -> dict:
    """The port has these addresses and no others: it keeps what it has of them."""
    before = list(port.addresses)
    kept, new = [], []
    for each in wanted:
        held = next((ip for ip in port.fixed_ips if ip not in kept and _is(ip, each)), None)
        kept.append(held) if held else new.append(each)
    for ip in [each for each in port.fixed_ips if each not in kept]:
        port.fixed_ips.remove(ip)
        session.delete(ip)
    session.flush()
    _give(port, new)
    after = list(port.addresses)
    return {"address": ", ".join(after)} if after != before else {}


def _is(ip: FixedIp, wanted: Wanted) -> bool:
    return wanted.address in (None, ip.address) and wanted.subnet_id in (None, ip.subnet_id)


def _subnet(network: Network, wanted: Wanted) -> Subnet:
    """The subnet of the network that is meant. Raises Refused."""
    for subnet in network.subnets:
        if wanted.subnet_id in (None, subnet.id) and (
            wanted.address is None or is_host(wanted.address, addresses.block(subnet))
        ):
            return subnet
    raise Refused(
        "{address} is no address of a subnet of {network}. Choose one from there."
        if wanted.address
        else "This subnet is not one of {network}. Choose one from there.",
        address=(wanted.address or "")[:80],
        network=network.called,
        field="address",
    )


def _groups(network: Network, ids: Sequence[uuid.UUID] | None) -> list[SecurityGroup]:
    """These groups of the project, or the one that it was born with. Raises NotFound."""
    of_project = select(SecurityGroup).where(SecurityGroup.project_id == network.project_id)
    if ids is None:
        return list(session.scalars(of_project.where(SecurityGroup.name == DEFAULT).limit(1)))
    found = list(session.scalars(of_project.where(SecurityGroup.id.in_(ids))))
    if len(found) < len(set(ids)):
        raise NotFound.saying(MISSING_GROUP)
    return found


def _refuse_under_instance(port: Port, wish: Wish) -> None:
    """Raises Conflict for what its host would have to be told, and nobody tells it yet."""
    groups = {each.id for each in port.groups}
    moved = wish.addresses is not None and not (
        len(wish.addresses) == len(port.fixed_ips)
        and all(any(_is(ip, each) for ip in port.fixed_ips) for each in wish.addresses)
    )
    if (
        moved
        or wish.admin_up not in (None, port.admin_up)
        or (wish.group_ids is not None and {*wish.group_ids} != groups)
    ):
        raise Conflict(
            "The port {port} belongs to an instance: its addresses, groups and state stay while "
            "that has it.",
            port=port.called,
        )


def _drop(port_ids: Collection[uuid.UUID]) -> None:
    for table, column in ((FixedIp, FixedIp.port_id), (port_groups, port_groups.c.port_id)):
        session.execute(delete_rows(table).where(column.in_(port_ids)))
    session.execute(delete_rows(Port).where(Port.id.in_(port_ids)))


def _locked(actor: Actor, permission: str, port_id: uuid.UUID) -> Port:
    """The port, nobody else's to change while its project is locked."""
    project_id = find(actor, port_id).network.project_id
    authorize(actor, permission, project_id)
    quotas.lock(project_id)
    return find(actor, port_id)


def _holds(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return Port.fixed_ips.any(condition)


def _there(actor: Actor) -> Select:
    """The query for what is where the actor looks: in one project, or in the whole cloud."""
    authorize(actor, "networks:read", actor.project_id)
    query = select(Port).join(Port.network).where(Network.deleted_at.is_(None))
    if actor.project_id:
        query = query.where(Network.project_id == actor.project_id)
    return query.options(
        contains_eager(Port.network).lazyload(Network.subnets),
        selectinload(Port.groups).lazyload(SecurityGroup.rules),
    )
