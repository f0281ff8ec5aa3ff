"""Networks and subnets, made and taken away as clients of Neutron do."""

import uuid

import pytest

from portal.errors import Conflict
from tests.api.shapes import assert_fault

ROOT = "/network/v2.0"


def make(program, name: str = "lan", **more) -> dict:
    answer = program.post(f"{ROOT}/networks", {"network": {"name": name} | more})
    assert answer.status_code == 201, answer.text
    return answer.json["network"]


def give(program, network: dict, cidr: str, **more):
    subnet = {"network_id": network["id"], "cidr": cidr, "ip_version": 4} | more
    return program.post(f"{ROOT}/subnets", {"subnet": subnet})


def test_a_network_is_born_bare_and_serves_guests_once_it_has_a_range(cloud, alice):
    lan = make(alice, admin_state_up=True)
    assert lan["subnets"] == []
    with pytest.raises(Conflict, match="no range of addresses"):
        cloud.create("web", network_id=_id(lan))
    answer = give(alice, lan, "10.77.0.0/24", name="web-range")
    assert answer.status_code == 201
    subnet = answer.json["subnet"]
    assert (subnet["name"], subnet["gateway_ip"]) == ("web-range", "10.77.0.1")
    assert alice.get(f"{ROOT}/networks/{lan['id']}").json["network"]["subnets"] == [subnet["id"]]
    guest = cloud.running("web", network_id=_id(lan))
    [port] = alice.get(f"{ROOT}/ports?device_id={guest.id}").json["ports"]
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.77.0.2"}]
    assert_fault(alice.delete(f"{ROOT}/subnets/{subnet['id']}"), 409)
    assert_fault(alice.delete(f"{ROOT}/networks/{lan['id']}"), 409)


def test_hosts_hear_of_a_range_that_comes_and_goes_under_a_guest(cloud, alice):
    lan = make(alice)
    give(alice, lan, "10.77.0.0/24")
    cloud.running("web", network_id=_id(lan))
    [host] = cloud.hosts.values()

    def served() -> list[str]:
        cloud.settle()
        return [each["cidr"] for each in host.every("network")[lan["id"]]["subnets"]]

    second = give(alice, lan, "10.78.0.0/24").json["subnet"]
    assert served() == ["10.77.0.0/24", "10.78.0.0/24"]
    assert alice.delete(f"{ROOT}/subnets/{second['id']}").status_code == 204
    assert served() == ["10.77.0.0/24"]


def test_what_no_host_could_serve_is_refused(alice):
    lan = make(alice)
    assert give(alice, lan, "10.77.0.0/24").status_code == 201
    for cidr in ("10.77.0.0/25", "8.8.8.0/24", "10.79.0.1/24", "banana"):
        assert_fault(give(alice, lan, cidr), 400, cidr)
    for more in ({"gateway_ip": "10.81.0.9"}, {"ip_version": 6}, {"colour": "red"}):
        assert_fault(give(alice, lan, "10.80.0.0/24", **more), 400, str(more))
    assert give(alice, lan, "10.80.0.0/24", gateway_ip="10.80.0.1").status_code == 201


def test_what_belongs_to_others_cannot_be_given_a_range(alice, program):
    lan = make(program("charlie", "blue"))
    assert_fault(give(alice, lan, "10.77.0.0/24"), 404)
    assert_fault(give(program("rita", "red"), make(alice), "10.77.0.0/24"), 403)


def test_whoever_speaks_for_the_whole_cloud_says_for_which_project(cloud, program):
    red, ada = cloud.project("red").id.hex, program("ada", "system")
    assert_fault(ada.post(f"{ROOT}/networks", {"network": {"name": "lan"}}), 400)
    assert make(ada, project_id=red)["tenant_id"] == red
    foreign = {"network": {"name": "lan", "project_id": red}}
    assert_fault(program("charlie", "blue").post(f"{ROOT}/networks", foreign), 404)


def _id(thing: dict) -> uuid.UUID:
    return uuid.UUID(thing["id"])
