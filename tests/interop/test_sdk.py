"""openstacksdk's cloud layer, which Ansible's modules and many scripts speak to."""

import openstack
import pytest

from tests.stack import PASSWORD

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("interop"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def connection(stack):
    """What `openstack.connect()` gives a script of the administrator's."""
    connection = openstack.connect(
        auth_url=f"{stack.url}/identity/v3",
        username="admin",
        password=PASSWORD,
        project_name="home",
        user_domain_name="Default",
        project_domain_name="Default",
    )
    yield connection
    connection.close()


def test_a_server_from_nothing(connection, tmp_path):
    """A network, a group, a key, an image and a server by the calls of the cloud layer, each read
    back as it was wished for, and nothing left at the end."""
    network = connection.create_network("sdk-net")
    subnet = connection.create_subnet(network.id, cidr="10.55.0.0/24", subnet_name="sdk-sub")
    group = connection.create_security_group("sdk-group", "for a test")
    connection.create_security_group_rule(group.id, 80, 80, "tcp", "0.0.0.0/0")
    key = connection.create_keypair("sdk-key")
    assert "PRIVATE KEY" in key.private_key
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(2**20))
    image = connection.create_image(
        "sdk-image", filename=str(disk), disk_format="raw", container_format="bare", wait=True
    )
    server = connection.create_server(
        "sdk-server",
        image="Fake Linux",
        flavor="small",
        network="sdk-net",
        security_groups=["sdk-group"],
        key_name="sdk-key",
        userdata="#!/bin/sh\n",
        meta={"role": "web"},
        auto_ip=False,
        wait=True,
        timeout=120,
    )
    assert (server.status, server.key_name, server.metadata) == (
        "ACTIVE",
        "sdk-key",
        {"role": "web"},
    )
    [address] = server.addresses["sdk-net"]
    assert (address["version"], address["OS-EXT-IPS:type"]) == (4, "fixed")
    assert [each["name"] for each in server.security_groups] == ["sdk-group"]
    assert connection.get_server("sdk-server").id == server.id
    assert connection.list_servers(filters={"name": "sdk-server"})[0].id == server.id
    assert [each.id for each in connection.list_subnets(filters={"name": "sdk-sub"})] == [subnet.id]
    assert connection.get_server_console(server.id) is not None
    connection.set_server_metadata(server.id, {"more": "1"})
    assert connection.get_server(server.id).metadata["more"] == "1"
    assert connection.delete_server(server.id, wait=True, timeout=120)
    assert connection.get_server(server.id) is None
    assert connection.delete_image(image.id)
    assert connection.delete_keypair("sdk-key")
    assert connection.delete_subnet("sdk-sub")
    assert connection.delete_network("sdk-net")
    assert connection.delete_security_group("sdk-group")


def test_people_and_projects(connection):
    """What an administrator's script makes is there, by name and by id, and goes."""
    project = connection.create_project(name="sdk-project", domain_id="default")
    user = connection.create_user(
        name="sdk-user", password="lantern 7 gravel", email="u@example.org", domain_id="default"
    )
    assert connection.grant_role("member", user="sdk-user", project="sdk-project")
    assert connection.list_role_assignments(filters={"user": user.id, "project": project.id})
    assert connection.revoke_role("member", user="sdk-user", project="sdk-project")
    connection.update_user(user.id, description="of a test")
    assert connection.get_user("sdk-user").description == "of a test"
    assert connection.delete_user(user.id)
    assert connection.delete_project("sdk-project")
    assert connection.get_project("sdk-project") is None


def test_quotas_and_limits(connection):
    limits = connection.get_compute_limits()
    assert limits.total_cores_used >= 0
    quota = connection.get_compute_quotas("home")
    assert quota.instances > 0
