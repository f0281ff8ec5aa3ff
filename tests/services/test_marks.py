"""What somebody decides of a thing is in its mark, and what its host says of it is not."""

import dataclasses

import pytest

from portal.db import session
from portal.models import Image, Instance, Network, Port, Project, SecurityGroup, Subnet, User
from portal.services import marks, ports, subnets
from portal.services.networks import of_project

EVERYWHERE = {"id", "created_at", "updated_at"}
FACTS = {  # what no change by people is about: it is so from the first day, or comes by itself
    Instance: {
        *("hostname", "project_id", "user_id", "host_id", "zone", "placement_group_id"),
        *("image_id", "flavor_name", "flavor_key", "extra_specs", "vcpus", "memory_mib"),
        *("disk_gib", "key_name", "public_keys", "user_data", "reservation_id", "launch_index"),
        *("observed", "observed_boots", "observed_reason", "observed_generation"),
        *("observed_sequence", "observed_boot_id", "observed_at", "repairs", "repair_at"),
        *("generation", "grace_seconds", "fault", "launched_at", "deleted_at"),
    },
    Image: {
        *("project_id", "user_id", "published_as", "sha256", "md5", "size_bytes"),
        *("virtual_size_bytes", "generation", "fault", "deleted_at"),
    },
    Network: {"project_id", "segment_id", "gateway_mac", "deleted_at"},
    Subnet: {"network_id", "cidr", "dhcp_address"},
    Port: {"network_id", "owner_type", "stays", "mac", "dns_name"},
    SecurityGroup: {"project_id"},
    Project: {"domain_id", "reads_as", "deletion_asked_at", "deleted_at"},
    User: {  # what is nobody's to look at among it
        *("domain_id", "reads_as", "password_hash", "must_change_password"),
        *("shortcuts", "deleted_at"),
    },
}


@pytest.mark.parametrize("model", marks.WISHES, ids=lambda model: model.__name__)
def test_every_column_is_a_wish_or_a_fact(model):
    columns = set(model.__mapper__.column_attrs.keys()) - EVERYWHERE
    wishes = set(marks.WISHES[model]) & columns
    assert wishes | FACTS[model] == columns
    assert not wishes & FACTS[model]


def test_what_programs_change_of_subnets_and_ports_changes_their_marks(cloud):
    red = cloud.project().id
    alice = dataclasses.replace(cloud.actor("alice"), project_id=red)
    network = of_project(alice, red)[0]
    [subnet] = network.subnets
    before = marks.mark(subnet)
    subnets.change(alice, subnet.id, subnets.Wish(dns_nameservers=["10.0.0.1"]))
    assert marks.mark(session.get_one(Subnet, subnet.id)) != before
    [port] = ports.create(alice, [ports.NewPort(network_id=network.id)])
    before = marks.mark(port)
    ports.change(alice, port.id, ports.Wish(group_ids=[]))
    assert marks.mark(session.get_one(Port, port.id)) != before
