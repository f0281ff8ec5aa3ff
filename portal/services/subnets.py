"""Ranges of addresses on networks, and what guests there are told."""

import dataclasses
import ipaddress
import uuid
from collections.abc import Callable, Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import contains_eager

from portal.changes.networks import NETWORK_TABLE
from portal.db import session, transaction
from portal.errors import InUse, NotFound, Refused, all_of
from portal.models import FixedIp, Network, Scope, Subnet
from portal.policies import Actor, authorize
from portal.sentences import Sentence
from portal.services import activities, idempotency, names, networks, quotas, scopes
from portal.services.details import Details, checked
from portal.services.listing import Stretch, always, stretch, tagged
from workers.specs.networks import is_host

MOST_NAMESERVERS, MOST_ROUTES, MOST_POOLS = 5, 20, 20  # as Neutron's max_*, of pools our own
MOST_AT_ONCE = 20
MISSING = Sentence("There is no such subnet in this project. It may have been deleted.")
COLUMNS = {
    "id": Subnet.id,
    "name": Subnet.name,
    "cidr": Subnet.cidr,
    "gateway": Subnet.gateway,
    "dhcp": Subnet.dhcp,
    "network_id": Subnet.network_id,
    "project_id": Network.project_id,
    "description": Subnet.description,
    "created_at": Subnet.created_at,
    "updated_at": Subnet.updated_at,
}
Pair = tuple[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wish:
    """What shall be so of a subnet; what is None stays, or is as usual."""

    name: str | None = None
    description: str | None = None
    gateway: str | None = None  # "" for none that guests are told of
    dhcp: bool | None = None
    pools: Sequence[Pair] | None = None  # first and last address; [] for all there are
    dns_nameservers: Sequence[str] | None = None
    host_routes: Sequence[Pair] | None = None  # to which range, by way of which address
    tags: Sequence[str] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewSubnet:
    """A range that a network shall have, and what shall be so of it."""

    network_id: uuid.UUID
    cidr: str
    wish: Wish = Wish()


def create(actor: Actor, wanted: Sequence[NewSubnet], *, key: str = "") -> list[Subnet]:
    """The networks have these ranges too, all of them or none, and hosts that carry them hear of
    it. The same `key` again answers with those that it made the first time. Raises Refused,
    NotFound."""
    idempotency.check(key)
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise Refused("From 1 to {most} at once.", most=MOST_AT_ONCE)
    blocks = [networks.parse_cidr(each.cidr) for each in wanted]
    body = idempotency.body_hash(wanted)
    made: list[Subnet] = []
    with transaction():
        for new, block in zip(wanted, blocks, strict=True):
            network = _network(actor, "networks:add_subnet", new.network_id)
            if not made:  # in the project of the first, should they be in several
                known = (network.project_id, key, "networks:add_subnet", body)
                if earlier := idempotency.earlier(*known):
                    return [find(actor, each) for each in earlier]
            networks.refuse_overlap(network.project_id, block)
            subnet = networks.subnet_of(block, network=network)
            _become(subnet, new.wish)
            session.add(subnet)
            session.flush()
            _tell_hosts(network)
            activities.record(actor, "networks:add_subnet", network, after={"cidr": subnet.cidr})
            made.append(subnet)
        idempotency.remember(*known, [each.id for each in made])
    return made


def change(actor: Actor, subnet_id: uuid.UUID, wish: Wish) -> Subnet:
    """The subnet is so from now on, and hosts that carry its network hear of it; guests at the next
    renewal of what DHCP has told them."""
    network_id = find(actor, subnet_id).network_id
    with transaction():
        network = _network(actor, "networks:change_subnet", network_id)
        subnet = find(actor, subnet_id)
        before = _told(subnet)
        _become(subnet, wish)
        after = _told(subnet)
        altered = [name for name in after if after[name] != before[name]]
        if altered:
            session.flush()
            _tell_hosts(network)
            activities.record(
                actor,
                "networks:change_subnet",
                network,
                before={name: before[name] for name in altered},
                after={name: after[name] for name in altered},
            )
    return subnet


def retag(actor: Actor, subnet_id: uuid.UUID, revise: Callable[[list[str]], Sequence[str]]) -> None:
    """The subnet bears the tags that `revise` makes of those that it has."""
    network_id = find(actor, subnet_id).network_id
    with transaction():
        network = _network(actor, "networks:change_subnet", network_id)
        subnet = find(actor, subnet_id)
        before = list(subnet.tags)
        subnet.tags = checked(Details(tags=revise(before)))["tags"]
        activities.record(
            actor,
            "networks:change_subnet",
            network,
            before={"tags": before},
            after={"tags": subnet.tags},
        )


def delete(actor: Actor, subnet_id: uuid.UUID) -> None:
    """The network has the range no more. Raises InUse while a port has an address of it."""
    network_id = find(actor, subnet_id).network_id
    with transaction():
        network = _network(actor, "networks:remove_subnet", network_id)
        subnet = find(actor, subnet_id)
        if session.scalar(select(FixedIp.id).where(FixedIp.subnet_id == subnet.id).limit(1)):
            raise InUse(
                "A port on the network {network} has an address of {cidr}. Delete it first, or its "
                "instance.",
                network=network.called,
                cidr=subnet.cidr,
            )
        _tell_hosts(network)
        activities.record(actor, "networks:remove_subnet", network, before={"cidr": subnet.cidr})
        session.delete(subnet)


def listed(actor: Actor, wanted: Stretch) -> tuple[list[Subnet], bool]:
    """A stretch of the subnets that the actor looks at, each with its network, and whether there
    are more."""
    filters = {"version": always(4), "shared": always(False), **tagged(Subnet.tags)}
    return stretch(_there(actor), wanted, COLUMNS, filters=filters)


def find(actor: Actor, subnet_id: uuid.UUID) -> Subnet:
    """The subnet, with its network. Raises NotFound."""
    found = session.scalar(_there(actor).where(Subnet.id == subnet_id))
    if found is None:
        raise NotFound.saying(MISSING)
    return found


def _become(subnet: Subnet, wish: Wish) -> None:
    """The subnet is as is wished. Raises Refused with all that is wrong, and InUse where somebody
    has the address that shall be the gateway."""
    block = ipaddress.IPv4Network(subnet.cidr)
    found, *_ = all_of(
        lambda: checked(Details(description=wish.description, tags=wish.tags)),
        lambda: _check_pools(block, wish.pools or ()),
        lambda: _check_addresses(wish.dns_nameservers or ()),
        lambda: _check_routes(wish.host_routes or ()),
    )
    if wish.name is not None:
        found["name"] = names.label(wish.name) if wish.name else ""
    for name in ("dhcp", "pools", "dns_nameservers", "host_routes"):
        if (value := getattr(wish, name)) is not None:
            found[name] = value if isinstance(value, bool) else [_plain(each) for each in value]
    for name, value in found.items():
        setattr(subnet, name, value)
    if wish.gateway is not None:
        subnet.routed = wish.gateway != ""
        if subnet.routed and wish.gateway != subnet.gateway:
            _move_gateway(subnet, block, wish.gateway)
    _refuse_gateway_in_a_pool(subnet)


def _move_gateway(subnet: Subnet, block: ipaddress.IPv4Network, gateway: str) -> None:
    if not is_host(gateway, block):
        raise Refused(
            "{gateway} is no address for a gateway of {block}. Choose one from it.",
            gateway=gateway,
            block=block,
            field="gateway",
        )
    held = select(FixedIp.id).where(FixedIp.subnet_id == subnet.id, FixedIp.address == gateway)
    if subnet.id and session.scalar(held):
        raise InUse(
            "A port has the address {gateway}, so it is no gateway. Choose another.",
            gateway=gateway,
            field="gateway",
        )
    subnet.gateway = gateway
    if gateway == subnet.dhcp_address:
        subnet.dhcp_address = _another(subnet, block)


def _another(subnet: Subnet, block: ipaddress.IPv4Network) -> str:
    """The last address that neither the gateway nor a port has, for what answers DHCP."""
    held = select(FixedIp.address).where(FixedIp.subnet_id == subnet.id)
    taken = {subnet.gateway, *(session.scalars(held) if subnet.id else ())}
    for number in range(block.num_addresses - 2, 0, -1):
        if (address := str(block[number])) not in taken:
            return address
    raise InUse(
        "Every address of {block} is taken, so none is left for DHCP. Choose another gateway.",
        block=block,
        field="gateway",
    )


def _refuse_gateway_in_a_pool(subnet: Subnet) -> None:
    gateway = ipaddress.IPv4Address(subnet.gateway)
    for first, last in subnet.pools:
        if subnet.routed and _address(first) <= gateway <= _address(last):
            raise InUse(
                "The gateway {gateway} lies in the pool from {first} to {last}. Choose another "
                "gateway, or another pool.",
                gateway=gateway,
                first=first,
                last=last,
                field="gateway",
            )


def _check_pools(block: ipaddress.IPv4Network, pools: Sequence[Pair]) -> None:
    _check_count(pools, MOST_POOLS, "pools")
    spans = []
    for first, last in pools:
        if not is_host(first, block) or not is_host(last, block):
            raise Refused(
                "The pool from {first} to {last} is not in {block}.",
                first=first,
                last=last,
                block=block,
                field="pools",
            )
        spans.append((_address(first), _address(last)))
    spans.sort()
    later = [span[0] for span in spans[1:]]
    if any(first > last for first, last in spans) or any(
        last >= begin for (_, last), begin in zip(spans, later, strict=False)
    ):
        raise Refused("A pool goes from its first address to its last, and no two overlap.")


def _check_addresses(addresses: Sequence[str]) -> None:
    _check_count(addresses, MOST_NAMESERVERS, "dns_nameservers")
    for each in addresses:
        _address(each)


def _check_routes(routes: Sequence[Pair]) -> None:
    _check_count(routes, MOST_ROUTES, "host_routes")
    for to, by in routes:
        _address(by)
        try:
            ipaddress.IPv4Network(to)
        except ValueError:
            raise Refused(
                "{to} is no range of IPv4 addresses.", to=to, field="host_routes"
            ) from None


def _check_count(things: Sequence, most: int, field: str) -> None:
    if len(things) > most or len(set(map(_key, things))) < len(things):
        raise Refused("At most {most} of them, each once.", most=most, field=field)


def _key(thing) -> str:
    return str(_plain(thing))


def _plain(thing):
    return thing if isinstance(thing, str) else [str(each) for each in thing]


def _address(text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise Refused("{text} is no IPv4 address.", text=text[:80]) from None


def _told(subnet: Subnet) -> dict:
    """What the record says of a subnet."""
    return {
        "name": subnet.name,
        "description": subnet.description,
        "gateway": subnet.gateway if subnet.routed else "",
        "dhcp": subnet.dhcp,
        "pools": [f"{first}-{last}" for first, last in subnet.pools],
        "dns_nameservers": list(subnet.dns_nameservers),
        "host_routes": [f"{to} by {by}" for to, by in subnet.host_routes],
        "tags": list(subnet.tags),
    }


def _network(actor: Actor, permission: str, network_id: uuid.UUID) -> Network:
    """The network, nobody else's to change while its project is locked."""
    network = networks.find(actor, actor.project_id, network_id)
    authorize(actor, permission, network.project_id)
    quotas.lock(network.project_id)
    return networks.find(actor, actor.project_id, network_id)


def _tell_hosts(network: Network) -> None:
    """Hosts that carry the network shall serve what it has become."""
    carried = (Scope.kind == NETWORK_TABLE) & (Scope.target_id == network.id) & Scope.needed
    scopes.want(scopes.at([], carried))


def _there(actor: Actor) -> Select:
    """The query for what is where the actor looks: in one project, or in the whole cloud."""
    authorize(actor, "networks:read", actor.project_id)
    query = select(Subnet).join(Subnet.network).where(Network.deleted_at.is_(None))
    if actor.project_id:
        query = query.where(Network.project_id == actor.project_id)
    return query.options(contains_eager(Subnet.network).lazyload(Network.subnets))
