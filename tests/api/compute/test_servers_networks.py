"""Servers on no network, one or several, at any address or a given one."""

import uuid

import pytest

from portal.db import session
from portal.models import Activity, Port, Project
from portal.services import deletions, networks
from tests.api.bodies import an_ordinary_server
from tests.api.compute.test_servers import create, running, server
from tests.api.shapes import assert_fault

LATER = {"headers": {"OpenStack-API-Version": "compute 2.37"}}
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def nets(cloud, alice):
    """The ids of two networks of the project, and a port that is in use."""
    actor, red = cloud.actor("alice"), cloud.project("red")
    made = [
        str(networks.create(actor, red.id, name, f"10.7.{number}.0/24", nat=True).id)
        for number, name in enumerate(("front", "back"))
    ]
    return made


def on(*wishes: dict) -> dict:
    return {"networks": list(wishes)}


def test_a_server_is_on_all_networks_that_it_was_wished_on(cloud, alice, nets):
    path = running(cloud, alice, **on({"uuid": nets[0]}, {"uuid": nets[1]}))
    shown = server(alice, path)
    assert shown["status"] == "ACTIVE"
    assert shown["addresses"].keys() == {"front", "back"}
    [host] = cloud.hosts.values()
    served = {key: each["leases"] for key, each in host.every("network").items()}
    assert [len(served[each]) for each in nets] == [1, 1]
    assert alice.delete(path).status_code == 204
    cloud.settle()
    session.rollback()
    assert not session.query(Port).count()
    assert not host.every("network")


def test_a_server_may_be_on_no_network(cloud, alice, nets):
    wish = {"server": an_ordinary_server(networks="none")}
    made = alice.post("/compute/v2.1/servers", wish, **LATER)
    assert made.status_code == 202, made.text
    cloud.settle()
    path = f"/compute/v2.1/servers/{made.json['server']['id']}"
    shown = server(alice, path)
    assert (shown["status"], shown["addresses"]) == ("ACTIVE", {})
    assert alice.delete(path).status_code == 204
    cloud.settle()
    session.rollback()
    assert_fault(alice.get(path), 404)


def test_a_server_has_the_address_that_it_was_wished(cloud, alice, nets):
    wish = on({"uuid": nets[0], "fixed_ip": "10.7.0.77"}, {"uuid": nets[1]})
    shown = server(alice, running(cloud, alice, **wish))
    assert [each["addr"] for each in shown["addresses"]["front"]] == ["10.7.0.77"]
    assert_fault(create(alice, "other", **wish), 400)  # it is taken
    twice = {"uuid": nets[0], "fixed_ip": "10.7.0.78"}
    assert_fault(create(alice, "other", **on(twice, twice)), 400)


@pytest.mark.parametrize(
    ("nic", "status"),
    [
        ({"fixed_ip": "10.7.0.1"}, 400),  # the gateway
        ({"fixed_ip": "10.7.0.255"}, 400),
        ({"fixed_ip": "10.9.0.1"}, 400),  # of another range
        ({"fixed_ip": "2001:db8::1"}, 400),
        ({"fixed_ip": "somewhere"}, 400),
        ({"uuid": NOWHERE}, 400),
        ({"port": NOWHERE}, 400),
        ({"colour": "red"}, 400),
    ],
    ids=str,
)
def test_a_place_that_cannot_be_is_refused(alice, nets, nic, status):
    assert_fault(create(alice, **on({"uuid": nets[0]} | nic)), status)
    assert_fault(create(alice, **on({"uuid": nets[1]}, {"uuid": nets[0]} | nic)), status)


def test_a_port_that_an_instance_has_is_nobody_elses(cloud, alice, nets):
    running(cloud, alice, **on({"uuid": nets[0]}))
    [port_id] = session.scalars(session.query(Port.id).statement)
    assert_fault(create(alice, "other", **on({"port": str(port_id)})), 409)
    assert_fault(create(alice, "other", **on({})), 400)


def test_a_port_is_given_to_a_server_and_outlives_it(cloud, alice, nets):
    wish = {"network_id": nets[0], "name": "ours", "fixed_ips": [{"ip_address": "10.7.0.50"}]}
    port = alice.post("/network/v2.0/ports", {"port": wish}).json["port"]
    path = running(cloud, alice, **on({"uuid": nets[1]}, {"port": port["id"]}))
    shown = server(alice, path)
    assert [each["addr"] for each in shown["addresses"]["front"]] == ["10.7.0.50"]
    assert shown["addresses"].keys() == {"front", "back"}
    held = alice.get(f"/network/v2.0/ports/{port['id']}").json["port"]
    assert held["device_id"] == shown["id"]
    assert held["mac_address"] == port["mac_address"]
    [host] = cloud.hosts.values()
    assert "10.7.0.50" in str(host.every("network")[nets[0]])
    assert_fault(create(alice, "other", **on({"port": port["id"]})), 409)
    assert alice.delete(path).status_code == 204
    cloud.settle()
    session.rollback()
    free = alice.get(f"/network/v2.0/ports/{port['id']}").json["port"]
    assert (free["device_id"], free["fixed_ips"]) == ("", port["fixed_ips"])
    assert not host.every("network")
    assert_fault(create(alice, "two", min_count=2, **on({"port": port["id"]})), 400)
    both = on({"port": port["id"]}, {"port": port["id"]})
    assert_fault(create(alice, "twice", **both), 409)
    assert create(alice, "again", **on({"port": port["id"]})).status_code == 202


def test_a_port_that_was_there_before_its_server_goes_with_its_project(cloud, alice, nets):
    port = alice.post("/network/v2.0/ports", {"port": {"network_id": nets[0]}}).json["port"]
    running(cloud, alice, **on({"port": port["id"]}))
    project_id = cloud.project().id
    deletions.delete(cloud.actor("ada"), project_id)
    cloud.settle()
    session.rollback()
    assert session.get(Project, project_id).deleted_at
    assert session.get(Port, uuid.UUID(port["id"])) is None


def test_several_at_once_have_no_given_address(alice, nets):
    wish = on({"uuid": nets[0], "fixed_ip": "10.7.0.9"})
    assert_fault(create(alice, min_count=2, **wish), 400)


def test_several_at_once_have_a_place_each_everywhere(cloud, alice, nets):
    wish = on({"uuid": nets[0]}, {"uuid": nets[1]}, {"uuid": nets[0]})
    assert create(alice, min_count=2, **wish).status_code == 202
    cloud.settle()
    found = alice.get("/compute/v2.1/servers/detail").json["servers"]
    assert [each["status"] for each in found] == ["ACTIVE", "ACTIVE"]
    places = [each["addr"] for one in found for net in one["addresses"].values() for each in net]
    assert len(places) == len(set(places)) == 6


def test_the_record_tells_of_all_places(cloud, alice, nets):
    made = create(alice, **on({"uuid": nets[0]}, {"uuid": nets[1]}))
    cloud.settle()
    instance_id = uuid.UUID(made.json["server"]["id"])
    session.rollback()
    [entry] = session.query(Activity).filter_by(target_id=instance_id, action="instances:create")
    assert entry.after["network"] == "front, back"
    assert len(entry.after["address"].split(", ")) == 2


def test_a_server_has_several_ports_on_one_network(cloud, alice, nets):
    """Seen: an error of our own, since each of them was to bear the server's name there."""
    made = [
        alice.post("/network/v2.0/ports", {"port": {"network_id": nets[0]}}).json["port"]
        for _ in range(2)
    ]
    wishes = ({"uuid": nets[0]}, *({"port": each["id"]} for each in made))
    path = running(cloud, alice, **on(*wishes))
    shown = server(alice, path)["addresses"]["front"]
    assert {each["fixed_ips"][0]["ip_address"] for each in made} < {each["addr"] for each in shown}
    assert len(shown) == 3


def test_a_port_that_is_switched_off_is_given_to_nobody(alice, nets):
    wish = {"network_id": nets[0], "admin_state_up": False}
    port = alice.post("/network/v2.0/ports", {"port": wish}).json["port"]
    assert "Switch it on first" in create(alice, **on({"port": port["id"]})).text
    path = f"/network/v2.0/ports/{port['id']}"
    assert alice.put(path, {"port": {"admin_state_up": True}}).status_code == 200
    assert create(alice, **on({"port": port["id"]})).status_code == 202
