"""From rows to what a host is told. Always the whole thing, as the rows say at this moment."""

import ipaddress
import uuid
from collections.abc import Collection

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from portal import config
from portal.db import session
from portal.models import (
    Host,
    Image,
    Instance,
    Network,
    Port,
    Power,
    Scope,
    SecurityGroupRule,
    Subnet,
    Task,
)
from portal.models.network import port_groups
from portal.services import orphans, publishers
from workers.specs import (
    ROOT,
    AddressSpec,
    BootLogSpec,
    DiskSpec,
    FetchSpec,
    FilteredPortSpec,
    FirewallSpec,
    GroupSpec,
    ImageSpec,
    InstanceSpec,
    LeaseSpec,
    MemberSpec,
    NetworkSpec,
    ObserveSpec,
    PortSpec,
    RuleSpec,
    Spec,
    StrangersSpec,
)


def of_task(task: Task) -> Spec:
    """The complete spec of a task's job."""
    match task.job:
        case "instances.apply" | "instances.remove":
            return instance(task.target_id)
        case "fetches.apply" | "fetches.remove":
            return fetch(session.get_one(Image, task.target_id))
        case "images.apply":
            return image(session.get_one(Image, task.target_id))
        case "networks.apply" | "networks.remove":
            return network(session.get_one(Scope, task.scope_id))
        case "firewall.apply":
            return firewall(session.get_one(Scope, task.scope_id))
        case "strangers.remove":
            return unwanted(task)
    raise ValueError(f"no spec for {task.job}")


def observe(host: Host) -> ObserveSpec:
    """Asks a host for everything."""
    return ObserveSpec(id=str(host.id), generation=1)


def unwanted(task: Task) -> StrangersSpec:
    """What the operator was shown on a host, without what has come to be wanted since."""
    return StrangersSpec(
        id=str(task.host_id),
        generation=1,
        strangers=tuple(orphans.unwanted(orphans.named(task.operation))),
    )


def boot_log(instance_id: uuid.UUID) -> BootLogSpec:
    """Asks a host what the guest wrote to its serial port."""
    return BootLogSpec(id=str(instance_id), generation=1)


def image(row: Image) -> ImageSpec:
    """An image that a host's cache shall hold. Its content never changes, so neither does its
    generation."""
    return ImageSpec(
        id=str(row.id),
        generation=1,
        sha256=row.sha256,
        format=row.format,
        size_bytes=row.size_bytes,
        virtual_size_bytes=row.virtual_size_bytes,
    )


def fetch(row: Image) -> FetchSpec:
    """Where a published image comes from, by the portal's own table, and how large it may be. One
    that stands there no more comes from nowhere, which its host refuses."""
    published, settings = publishers.PUBLISHED.get(row.published_as), config.current()
    return FetchSpec(
        id=str(row.id),
        generation=row.generation,
        url=published.url if published else "",
        file=published.file if published else row.published_as,
        sums_url=published.sums_url if published else "",
        most_bytes=settings.image_max_gib * 2**30,
        most_virtual_bytes=settings.image_max_virtual_gib * 2**30,
    )


def instance(instance_id: uuid.UUID) -> InstanceSpec:
    """A guest as its instance is wanted."""
    row = session.execute(
        select(Instance)
        .where(Instance.id == instance_id)
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
        disks=(DiskSpec(id=str(row.id), kind=ROOT, gib=row.disk_gib, image=image(row.image)),),
        ports=_ports_of(row.id),
        public_keys=tuple((name, key) for name, key in row.public_keys),
        user_data=row.user_data,
        grace_seconds=row.grace_seconds,
    )


def network(scope: Scope) -> NetworkSpec:
    """A network's table on the scope's host. DHCP is local to it, so it names only the guests
    that are there: a change of one elsewhere changes nothing here."""
    row = session.get_one(Network, scope.target_id)
    subnet = row.subnet
    return NetworkSpec(
        id=str(row.id),
        generation=scope.wanted,
        segment_id=row.segment_id,
        mtu=row.mtu,
        cidr=subnet.cidr,
        gateway=subnet.gateway,
        gateway_mac=subnet.gateway_mac,
        dhcp_address=subnet.dhcp_address,
        dns_domain=config.current().dns_domain,
        nat=row.nat,
        leases=tuple(
            LeaseSpec(mac=mac, address=address, hostname=hostname)
            for mac, address, hostname in session.execute(
                select(Port.mac, Port.address, Instance.hostname)
                .join(Instance, Instance.id == Port.instance_id)
                .where(
                    Port.network_id == row.id,
                    Instance.host_id == scope.host_id,
                    Instance.desired != Power.ABSENT,
                )
                .order_by(Port.created_at, Port.id)
            )
        ),
    )


def firewall(scope: Scope) -> FirewallSpec:
    """The whole filter of the scope's host."""
    ports = session.execute(
        select(Port.id, Port.mac, Port.address, Network.segment_id)
        .join(Network, Network.id == Port.network_id)
        .join(Instance, Instance.id == Port.instance_id)
        .where(Instance.host_id == scope.host_id, Instance.desired != Power.ABSENT)
        .order_by(Port.created_at, Port.id)
    ).all()
    worn = _groups_of(scope.host_id)
    rules = _rules(set().union(*worn.values()))
    members = _members(rules.keys())
    return FirewallSpec(
        id=str(scope.host_id),
        generation=scope.wanted,
        ports=tuple(
            FilteredPortSpec(
                id=str(port.id),
                number=number,
                segment_id=port.segment_id,
                mac=port.mac,
                addresses=(port.address,),
                groups=tuple(sorted(str(each) for each in worn.get(port.id, ()))),
            )
            for number, port in enumerate(ports, start=1)
        ),
        groups=tuple(
            GroupSpec(
                id=str(group_id),
                rules=tuple(_rule(rule) for rule in rules[group_id]),
                members=members.get(group_id, ()),
            )
            for group_id in sorted(rules)
        ),
    )


def _ports_of(instance_id: uuid.UUID) -> tuple[PortSpec, ...]:
    rows = session.execute(
        select(
            Port.id,
            Port.network_id,
            Port.mac,
            Port.address,
            Network.segment_id,
            Network.mtu,
            Subnet.cidr,
            Subnet.gateway,
        )
        .join(Network, Network.id == Port.network_id)
        .join(Subnet, Subnet.id == Port.subnet_id)
        .where(Port.instance_id == instance_id)
        .order_by(Port.created_at, Port.id)
    )
    return tuple(
        PortSpec(
            id=str(port.id),
            network_id=str(port.network_id),
            segment_id=port.segment_id,
            mac=port.mac,
            mtu=port.mtu,
            addresses=(
                AddressSpec(
                    address=port.address,
                    prefix_length=ipaddress.ip_network(port.cidr).prefixlen,
                    gateway=port.gateway,
                ),
            ),
        )
        for port in rows
    )


def _groups_of(host_id: uuid.UUID) -> dict[uuid.UUID, set[uuid.UUID]]:
    """The groups of each port on a host that has any."""
    worn: dict[uuid.UUID, set[uuid.UUID]] = {}
    for port_id, group_id in session.execute(
        select(port_groups.c.port_id, port_groups.c.group_id)
        .join(Port, Port.id == port_groups.c.port_id)
        .join(Instance, Instance.id == Port.instance_id)
        .where(Instance.host_id == host_id, Instance.desired != Power.ABSENT)
    ):
        worn.setdefault(port_id, set()).add(group_id)
    return worn


def _rules(worn: set[uuid.UUID]) -> dict[uuid.UUID, list[SecurityGroupRule]]:
    """The rules of these groups, and of those that their rules name."""
    column = SecurityGroupRule.group_id
    named = select(SecurityGroupRule.remote_group_id).where(column.in_(worn))
    rules: dict[uuid.UUID, list[SecurityGroupRule]] = {group_id: [] for group_id in worn}
    for rule in session.scalars(
        select(SecurityGroupRule)
        .where(or_(column.in_(worn), column.in_(named)))
        .order_by(SecurityGroupRule.created_at, SecurityGroupRule.id)
    ):
        rules.setdefault(rule.group_id, []).append(rule)
        if rule.group_id in worn and rule.remote_group_id:
            rules.setdefault(rule.remote_group_id, [])
    return rules


def _members(group_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[MemberSpec, ...]]:
    members: dict[uuid.UUID, list[MemberSpec]] = {}
    for group_id, segment_id, address in session.execute(
        select(port_groups.c.group_id, Network.segment_id, Port.address)
        .join(Port, Port.id == port_groups.c.port_id)
        .join(Network, Network.id == Port.network_id)
        .join(Instance, Instance.id == Port.instance_id)
        .where(port_groups.c.group_id.in_(group_ids), Instance.desired != Power.ABSENT)
        .order_by(Network.segment_id, Port.address)
    ):
        member = MemberSpec(segment_id=segment_id, address=address)
        members.setdefault(group_id, []).append(member)
    return {group_id: tuple(each) for group_id, each in members.items()}


def _rule(rule) -> RuleSpec:
    return RuleSpec(
        direction=rule.direction,
        protocol=rule.protocol,
        port_min=rule.port_min,
        port_max=rule.port_max,
        remote_cidr=rule.remote_cidr,
        remote_group=str(rule.remote_group_id) if rule.remote_group_id else "",
    )
