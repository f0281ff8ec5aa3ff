"""A body for every route of the API that takes one: enough for it to be understood.

A new route that takes a body needs a line here; the laws over all routes send it.
"""

from sqlalchemy import select

from portal.db import session
from portal.models import Flavor, Image, Network, Project, SecurityGroup
from tests.cloud import PASSWORD
from tests.programs import by_password


def new_subnet() -> dict:
    """Of a network that red has, whoever asks."""
    network_id = session.scalar(select(Network.id).where(Network.name == "of-red"))
    subnet = {"network_id": str(network_id), "cidr": "10.66.0.0/24", "ip_version": 4}
    return {"subnet": subnet}


def new_port() -> dict:
    """On a network that red has, whoever asks."""
    network_id = session.scalar(select(Network.id).where(Network.name == "of-red"))
    return {"port": {"network_id": str(network_id)}}


def an_ordinary_server(name: str = "web", **changes) -> dict:
    """What is asked for by who asks for an ordinary server."""
    flavor = session.scalar(select(Flavor.id).where(Flavor.name == "small"))
    image = session.scalar(select(Image.id).where(Image.name == "Demo Linux"))
    return {"name": name, "flavorRef": str(flavor), "imageRef": str(image)} | changes


def of_red() -> list[dict]:
    """One of the networks of the project red, which has several."""
    return [{"uuid": str(session.scalar(select(Network.id).where(Network.name == "of-red")))}]


SERVICE = {"host": "kvm-1", "binary": "nova-compute"}


def id_of_red() -> str:
    """The project red."""
    return session.scalar(select(Project.id).where(Project.name == "red")).hex


def other_project() -> str:
    """The id of blue, whoever asks."""
    return session.scalar(select(Project.id).where(Project.name == "blue")).hex


def group_of_red() -> str:
    """One that the project red has, whoever asks."""
    project = select(Project.id).where(Project.name == "red").scalar_subquery()
    mine = (SecurityGroup.name == "ssh", SecurityGroup.project_id == project)
    return str(session.scalar(select(SecurityGroup.id).where(*mine)))


BODIES = {
    "compute.flavors.create": {"flavor": {"name": "of-all", "ram": 512, "vcpus": 1, "disk": 1}},
    "compute.os_aggregates.act": {"set_metadata": {"metadata": {"disk": "quick"}}},
    "compute.os_aggregates.create": {"aggregate": {"name": "rack 8"}},
    "compute.os_aggregates.update": {"aggregate": {"name": "rack 9"}},
    "compute.flavors.update": {"flavor": {"description": "for all"}},
    "compute.flavors_action.act": lambda: {"addTenantAccess": {"tenant": id_of_red()}},
    "compute.flavors_os_extra_specs.add": {"extra_specs": {"hw:numa_nodes": "1"}},
    "compute.flavors_os_extra_specs.set_one": {"no-such-spec": "1"},
    "compute.os_keypairs.create": {"keypair": {"name": "laptop"}},
    "compute.os_server_groups.create": {
        "server_group": {"name": "db", "policies": ["anti-affinity"]}
    },
    "compute.os_services.disable_log_reason": SERVICE | {"disabled_reason": "new disks"},
    "compute.os_services.force_down": SERVICE | {"forced_down": False},
    "compute.os_services.switch": SERVICE,
    "compute.os_services.update": {"status": "enabled"},
    "compute.servers.create": lambda: {"server": an_ordinary_server(networks=of_red())},
    "compute.servers.update": {"server": {"name": "of-red"}},
    "compute.servers_metadata.add": {"metadata": {"role": "web"}},
    "compute.servers_metadata.replace": {"metadata": {"role": "web"}},
    "compute.servers_metadata.set_one": {"meta": {"no-such-property": "web"}},
    "compute.servers_remote_consoles.create": {
        "remote_console": {"protocol": "vnc", "type": "novnc"}
    },
    "compute.os_quota_sets.change": {"quota_set": {"instances": 10}},
    "compute.os_security_groups.create": {"security_group": {"name": "web", "description": ""}},
    "compute.os_security_groups.change": {"security_group": {"name": "web", "description": ""}},
    "compute.os_security_group_rules.create": lambda: {
        "security_group_rule": {"parent_group_id": group_of_red(), "ip_protocol": "udp"}
    },
    "network.security_groups.create": {"security_group": {"name": "web"}},
    "network.security_groups.change": {"security_group": {"description": "What it is for"}},
    "network.security_group_rules.create": lambda: {
        "security_group_rule": {
            "security_group_id": group_of_red(),
            "direction": "ingress",
            "protocol": "udp",
        }
    },
    "compute.servers_tags.replace": {"tags": ["web"]},
    "compute.servers_action.act": {"reboot": {"type": "SOFT"}},
    "identity.auth.issue": by_password("alice", "red"),
    "identity.groups.create": {"group": {"name": "night shift"}},
    "identity.groups.change": {"group": {"description": "of the night"}},
    "identity.projects.change": {"project": {"description": "of the night"}},
    "identity.projects.set_tags": {"tags": ["night"]},
    "identity.roles.create": {"role": {"name": "observer"}},
    "identity.users_credentials_OS_EC2.create": lambda: {"tenant_id": id_of_red()},
    "identity.projects.create": {"project": {"name": "green"}},
    "identity.users.create": {"user": {"name": "dora", "password": PASSWORD}},
    "identity.users.change": {"user": {"enabled": True}},
    "identity.users.change_password": {
        "user": {"original_password": PASSWORD, "password": "lantern 7 gravel orchid moth"}
    },
    "identity.users_application_credentials.create": {
        "application_credential": {"name": "for a program"}
    },
    "image.images.create": {"name": "disk", "disk_format": "raw", "container_format": "bare"},
    "image.images.change": [{"op": "replace", "path": "/name", "value": "of-red"}],
    "image.images_members.share": lambda: {"member": other_project()},
    "image.images_members.accept": {"status": "accepted"},
    "network.networks.create": {"network": {"name": "lan"}},
    "network.networks.change": {"network": {"name": "of-red"}},
    "network.ports.create": new_port,
    "network.ports.change": {"port": {"name": "of-red"}},
    "network.subnets.create": new_subnet,
    "network.quotas.change": {"quota": {"network": 20}},
    "network.subnets.change": {"subnet": {"name": "of-red"}},
    **{f"network.{noun}.set_tags": {"tags": ["old"]} for noun in ("networks", "subnets", "ports")},
}
