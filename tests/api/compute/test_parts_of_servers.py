"""What belongs to servers, and what a project may have of them."""

import pytest

from tests.api.compute.test_servers import SERVERS, running, server
from tests.api.shapes import assert_fault


def test_properties_are_added_replaced_and_taken_away(cloud, alice, program):
    path = running(cloud, alice, metadata={"role": "web"})
    properties = f"{path}/metadata"
    added = alice.post(properties, {"metadata": {"tier": "1"}})
    assert (added.status_code, added.json["metadata"]) == (200, {"role": "web", "tier": "1"})
    assert alice.put(f"{properties}/tier", {"meta": {"tier": "2"}}).json == {"meta": {"tier": "2"}}
    assert alice.get(f"{properties}/tier").json == {"meta": {"tier": "2"}}
    assert_fault(alice.put(f"{properties}/tier", {"meta": {"other": "2"}}), 400)
    assert alice.delete(f"{properties}/role").status_code == 204
    assert_fault(alice.delete(f"{properties}/role"), 404)
    assert_fault(alice.get(f"{properties}/role"), 404)
    alice.put(properties, {"metadata": {"a": "b"}})
    assert alice.get(properties).json["metadata"] == server(alice, path)["metadata"] == {"a": "b"}
    assert_fault(program("rita", "red").post(properties, {"metadata": {}}), 403)


@pytest.mark.parametrize("wrong", [{"": "x"}, {"k" * 256: "x"}, {"k": "x" * 256}, {"k": 1}])
def test_properties_that_cannot_be_are_refused(cloud, alice, wrong):
    path = running(cloud, alice)
    assert_fault(alice.post(f"{path}/metadata", {"metadata": wrong}), 400)
    assert_fault(alice.put(f"{path}/metadata", {"metadata": wrong}), 400)


def test_addresses_and_ports_are_those_of_the_server(cloud, alice):
    path = running(cloud, alice)
    [(network, [address])] = server(alice, path)["addresses"].items()
    plain = {"addr": address["addr"], "version": 4}
    assert alice.get(f"{path}/ips").json == {"addresses": {network: [plain]}}
    assert alice.get(f"{path}/ips/{network}").json == {network: [plain]}
    assert_fault(alice.get(f"{path}/ips/elsewhere"), 404)
    [port] = alice.get(f"{path}/os-interface").json["interfaceAttachments"]
    assert port["mac_addr"] == address["OS-EXT-IPS-MAC:mac_addr"]
    assert [each["ip_address"] for each in port["fixed_ips"]] == [address["addr"]]


def test_limits_say_what_is_used(cloud, alice):
    running(cloud, alice)
    absolute = alice.get("/compute/v2.1/limits").json["limits"]["absolute"]
    assert (absolute["totalInstancesUsed"], absolute["totalRAMUsed"]) == (1, 512)
    assert absolute["maxTotalInstances"] >= 1


def test_zones_are_named_to_everybody_and_their_hosts_to_who_may_see_hosts(cloud, alice, program):
    cloud.beat()
    zones = "/compute/v2.1/os-availability-zone"
    [zone] = alice.get(zones).json["availabilityZoneInfo"]
    assert (zone["zoneName"], zone["hosts"]) == ("nova", None)
    assert_fault(alice.get(f"{zones}/detail"), 403)
    [zone] = program("ada", "system").get(f"{zones}/detail").json["availabilityZoneInfo"]
    assert zone["hosts"].keys() == {"kvm-1"}


def test_parts_of_anothers_server_are_not_there(cloud, alice, program):
    path, charlie = running(cloud, alice), program("charlie", "blue")
    assert path.startswith(SERVERS)
    for part in ("metadata", "ips", "os-interface"):
        assert_fault(charlie.get(f"{path}/{part}"), 404)
