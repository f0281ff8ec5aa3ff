"""A network and its range as code."""

import uuid

from portal.models import Network
from portal.pages.as_code import Code, Raw, curl, identifier, openstack, resource

NETWORKS, SUBNETS = "/network/v2.0/networks", "/network/v2.0/subnets"
NETWORK, SUBNET = "openstack_networking_network_v2", "openstack_networking_subnet_v2"
ONLY_THE_ID = 'sed \'s/.*"id": *"\\([^"]*\\)".*/\\1/\''
IN_SHELL, IN_QUOTES = '"$NETWORK"', "'\"$NETWORK\"'"
NO_WAY_OUT = "Programs make networks with a way out; one without is made by this form alone."


def to_create(name: str, cidr: str, *, nat: bool) -> Code:
    """What makes the network of this name and its one range, which is called after it."""
    made = str(uuid.uuid4())  # stands for the network's id, which nothing else is spelled like
    network = openstack("network", "create", name, format="value", column="id")
    subnet = openstack("subnet", "create", name, subnet_range=cidr, network=made)
    ask = curl("POST", NETWORKS, {"network": {"name": name}})
    wish = {"network_id": made, "ip_version": 4, "cidr": cidr, "name": name}
    ask_more = curl("POST", SUBNETS, {"subnet": wish})
    return Code(
        command=f"NETWORK=$({network})\n{subnet.replace(made, IN_SHELL)}",
        request=f"NETWORK=$({ask} | {ONLY_THE_ID})\n{ask_more.replace(made, IN_QUOTES)}",
        terraform=f"{resource(NETWORK, name, {'name': name})}\n\n"
        + resource(
            SUBNET,
            name,
            {"name": name, "network_id": Raw(f"{NETWORK}.{identifier(name)}.id"), "cidr": cidr},
        ),
        remark="" if nat else NO_WAY_OUT,
    )


def to_look_at(network: Network) -> Code:
    """What shows it, and takes it over into Terraform."""
    blocks = [resource(NETWORK, network.name, {"name": network.name}, imported=str(network.id))]
    for number, subnet in enumerate(network.subnets, 1):
        label = f"{network.name}_{number}"
        values = {
            "name": subnet.name,
            "network_id": Raw(f"{NETWORK}.{identifier(network.name)}.id"),
            "cidr": subnet.cidr,
            "no_gateway": None if subnet.routed else True,
            "enable_dhcp": None if subnet.dhcp else False,
            "dns_nameservers": subnet.dns_nameservers,
            "allocation_pool": [{"start": first, "end": last} for first, last in subnet.pools],
        }
        blocks.append(resource(SUBNET, label, values, imported=str(subnet.id)))
    return Code(
        command=openstack("network", "show", str(network.id)),
        request=curl("GET", f"{NETWORKS}/{network.id}"),
        terraform="\n\n".join(blocks),
    )
