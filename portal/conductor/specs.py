"""From rows to what a host is told. Always the whole thing, as the rows say at this moment."""

import ipaddress
import uuid

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

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
    SecurityGroup,
    Task,
)
from portal.models.network import port_groups
from portal.services import orphans, publishers
from workers.specs import (
    BootLogSpec,
    DownloadSpec,
    FilteredPortSpec,
    FirewallSpec,
    GroupSpec,
    ImageSpec,
    InstanceSpec,
    LeaseSpec,
    NetworkSpec,
    ObserveSpec,
    OrphansSpec,
    PortSpec,
    RuleSpec,
    Spec,
)


def of_task(task: Task) -> Spec:
    """The complete spec of a task's job."""
    match task.job:
        case "instances.apply" | "instances.remove":
            return instance(task.target_id)
        case "downloads.apply" | "downloads.remove":
            return download(session.get_one(Image, task.target_id))
        case "images.apply":
            return image(session.get_one(Image, task.target_id))
        case "networks.apply" | "networks.remove":
            return network(session.get_one(Scope, task.scope_id))
        case "firewall.apply":
            return firewall(session.get_one(Scope, task.scope_id))
        case "orphans.remove":
            return unwanted(task)
    raise ValueError(f"no spec for {task.job}")


def observe(host: Host) -> ObserveSpec:
    """Asks a host for everything."""
    return ObserveSpec(id=str(host.id), generation=1)


def unwanted(task: Task) -> OrphansSpec:
    """What the operator was shown on a host, without what has come to be wanted since."""
    return OrphansSpec(
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


def download(row: Image) -> DownloadSpec:
    """Where a published image comes from, by the portal's own table, and how large it may be. One
    that stands there no more comes from nowhere, which its host refuses."""
    published, settings = publishers.PUBLISHED.get(row.published_as), config.current()
    return DownloadSpec(
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
        .options(joinedload(Instance.image), selectinload(Instance.ports))
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
        disk_gib=row.disk_gib,
        image=image(row.image),
        ports=tuple(_port(port) for port in row.ports),
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
            LeaseSpec(mac=port.mac, address=port.address, hostname=hostname)
            for port, hostname in session.execute(
                select(Port, Instance.hostname)
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
    ports = session.scalars(
        select(Port)
        .join(Instance, Instance.id == Port.instance_id)
        .where(Instance.host_id == scope.host_id, Instance.desired != Power.ABSENT)
        .order_by(Port.created_at, Port.id)
    ).all()
    groups = _groups(ports)
    members = _members({group.id for group in groups})
    return FirewallSpec(
        id=str(scope.host_id),
        generation=scope.wanted,
        ports=tuple(
            FilteredPortSpec(
                id=str(port.id),
                number=number,
                segment_id=port.network.segment_id,
                mac=port.mac,
                addresses=(port.address,),
                groups=tuple(sorted(str(group.id) for group in port.groups)),
            )
            for number, port in enumerate(ports, start=1)
        ),
        groups=tuple(
            GroupSpec(
                id=str(group.id),
                rules=tuple(_rule(rule) for rule in group.rules),
                members=members.get(group.id, ()),
            )
            for group in groups
        ),
    )


def _port(port: Port) -> PortSpec:
    return PortSpec(
        id=str(port.id),
        network_id=str(port.network_id),
        segment_id=port.network.segment_id,
        mac=port.mac,
        address=port.address,
        prefix_length=ipaddress.ip_network(port.subnet.cidr).prefixlen,
        gateway=port.subnet.gateway,
        mtu=port.network.mtu,
    )


def _groups(ports: list[Port]) -> list[SecurityGroup]:
    """The groups of these ports, and those that their rules name."""
    own = {group.id for port in ports for group in port.groups}
    named = {
        rule.remote_group_id
        for port in ports
        for group in port.groups
        for rule in group.rules
        if rule.remote_group_id
    }
    return list(
        session.scalars(
            select(SecurityGroup)
            .where(SecurityGroup.id.in_(own | named))
            .order_by(SecurityGroup.id)
        )
    )


def _members(group_ids: set[uuid.UUID]) -> dict[uuid.UUID, tuple[str, ...]]:
    members: dict[uuid.UUID, list[str]] = {}
    for group_id, address in session.execute(
        select(port_groups.c.group_id, Port.address)
        .join(Port, Port.id == port_groups.c.port_id)
        .join(Instance, Instance.id == Port.instance_id)
        .where(port_groups.c.group_id.in_(group_ids), Instance.desired != Power.ABSENT)
        .order_by(Port.address)
    ):
        members.setdefault(group_id, []).append(address)
    return {group_id: tuple(addresses) for group_id, addresses in members.items()}


def _rule(rule) -> RuleSpec:
    return RuleSpec(
        direction=rule.direction,
        protocol=rule.protocol,
        port_min=rule.port_min,
        port_max=rule.port_max,
        remote_cidr=rule.remote_cidr,
        remote_group=str(rule.remote_group_id) if rule.remote_group_id else "",
    )
