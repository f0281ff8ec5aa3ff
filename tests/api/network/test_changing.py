"""Networks, subnets and ports changed, tagged and made several at a time, as clients of Neutron do
it."""

import uuid

import pytest

from portal.db import session
from portal.models import Network
from portal.services import ports
from tests.api.network.test_making import ROOT, make
from tests.api.shapes import assert_fault

NOBODY = str(uuid.uuid4())


def fault(answer, status: int, kind: str) -> str:
    sentence = assert_fault(answer, status)
    assert answer.json["NeutronError"]["type"] == kind
    return sentence


@pytest.fixture
def lan(alice) -> dict:
    return make(alice)


def give(program, network: dict, cidr: str = "10.77.0.0/24", **more) -> dict:
    subnet = {"network_id": network["id"], "cidr": cidr, "ip_version": 4} | more
    answer = program.post(f"{ROOT}/subnets", {"subnet": subnet})
    assert answer.status_code == 201, answer.text
    return answer.json["subnet"]


def put(program, noun: str, thing: dict, **said):
    return program.put(f"{ROOT}/{noun}s/{thing['id']}", {noun: said})


def plug(program, network: dict, **more) -> dict:
    answer = program.post(f"{ROOT}/ports", {"port": {"network_id": network["id"]} | more})
    assert answer.status_code == 201, answer.text
    return answer.json["port"]


def addresses(port: dict) -> list[str]:
    return [each["ip_address"] for each in port["fixed_ips"]]


def test_a_network_is_called_otherwise_and_described(alice, lan):
    answer = put(alice, "network", lan, name="other", description="for tests")
    assert (answer.status_code, answer.json["network"]["name"]) == (200, "other")
    assert (
        alice.get(f"{ROOT}/networks?description=for tests").json["networks"][0]["name"] == "other"
    )
    assert put(alice, "network", lan, name="").json["network"]["name"] == ""


@pytest.mark.parametrize(
    "said", [{"admin_state_up": False}, {"shared": True}, {"router:external": True}, {"mtu": 1400}]
)
def test_what_no_host_could_make_of_a_network_is_refused(alice, lan, said):
    fault(put(alice, "network", lan, **said), 400, "InvalidInput")
    fault(alice.post(f"{ROOT}/networks", {"network": {"name": "x"} | said}), 400, "InvalidInput")


def test_several_are_made_at_once_or_none(alice, cloud):
    names = ["one", "two"]
    wish = {"networks": [{"name": each} for each in names]}
    made = alice.post(f"{ROOT}/networks", wish).json["networks"]
    assert [each["name"] for each in made] == names
    wish = [
        {"network_id": each["id"], "cidr": f"10.9{number}.0.0/24", "ip_version": 4}
        for number, each in enumerate(made)
    ]
    answer = alice.post(f"{ROOT}/subnets", {"subnets": [wish[0], wish[0]]})
    fault(answer, 400, "InvalidInput")
    assert alice.get(f"{ROOT}/subnets?network_id={made[0]['id']}").json["subnets"] == []
    assert len(alice.post(f"{ROOT}/subnets", {"subnets": wish}).json["subnets"]) == 2
    ports = {"ports": [{"network_id": each["id"]} for each in made]}
    assert len(alice.post(f"{ROOT}/ports", ports).json["ports"]) == 2


@pytest.mark.parametrize("noun", ["network", "subnet", "port"])
def test_the_same_key_twice_makes_one(alice, lan, noun):
    give(alice, lan, "10.70.0.0/24")
    wish = {
        "network": {"name": "once"},
        "subnet": {"network_id": lan["id"], "cidr": "10.71.0.0/24", "ip_version": 4},
        "port": {"network_id": lan["id"]},
    }[noun]
    key = {"headers": {"Idempotency-Key": "k1"}}
    ids = [alice.post(f"{ROOT}/{noun}s", {noun: wish}, **key).json[noun]["id"] for _ in range(2)]
    assert ids[0] == ids[1]
    other = {noun: wish | {"description": "another"}}
    assert_fault(alice.post(f"{ROOT}/{noun}s", other, **key), 409)


@pytest.mark.parametrize("noun", ["network", "subnet", "port"])
def test_the_same_key_after_the_end_of_what_it_made_finds_nothing(alice, cloud, lan, noun):
    """Seen: an error of our own, since the row was gone."""
    wish = {
        "network": {"name": "once"},
        "subnet": {"network_id": lan["id"], "cidr": "10.71.0.0/24", "ip_version": 4},
        "port": {"network_id": lan["id"]},
    }[noun]
    key = {"headers": {"Idempotency-Key": "k1"}}
    made = alice.post(f"{ROOT}/{noun}s", {noun: wish}, **key).json[noun]
    assert alice.delete(f"{ROOT}/{noun}s/{made['id']}").status_code == 204
    cloud.settle()
    session.rollback()
    assert_fault(alice.post(f"{ROOT}/{noun}s", {noun: wish}, **key), 404)


def test_the_same_key_twice_makes_one_of_each_also_in_several_projects(program, alice, lan):
    ada, other = program("ada", "system"), make(program("charlie", "blue"))
    wishes = [
        {"network_id": lan["id"], "cidr": "10.71.0.0/24", "ip_version": 4},
        {"network_id": other["id"], "cidr": "10.71.0.0/24", "ip_version": 4},
    ]
    key = {"headers": {"Idempotency-Key": "k1"}}
    asked = [ada.post(f"{ROOT}/subnets", {"subnets": wishes}, **key) for _ in range(2)]
    first, again = ([each["id"] for each in answer.json["subnets"]] for answer in asked)
    assert first == again


def test_a_subnet_says_what_guests_are_told(alice, lan):
    said = {
        "gateway_ip": "10.77.0.9",
        "dns_nameservers": ["8.8.4.4", "8.8.8.8"],
        "host_routes": [{"destination": "10.20.0.0/32", "nexthop": "10.100.1.1"}],
        "allocation_pools": [{"start": "10.77.0.20", "end": "10.77.0.29"}],
        "enable_dhcp": False,
        "name": "range",
    }
    subnet = give(alice, lan, **said)
    assert subnet | said == subnet
    said = {"gateway_ip": None, "dns_nameservers": [], "enable_dhcp": True, "name": ""}
    changed = put(alice, "subnet", subnet, **said).json["subnet"]
    assert changed | said == changed
    assert alice.get(f"{ROOT}/subnets/{subnet['id']}").json["subnet"] == changed


def test_hosts_hear_what_guests_are_told(cloud, alice):
    cloud.running()
    network = alice.get(f"{ROOT}/networks").json["networks"][0]
    (subnet,) = alice.get(f"{ROOT}/subnets?network_id={network['id']}").json["subnets"]
    routes = [{"destination": "10.20.0.0/32", "nexthop": "10.0.0.7"}]
    said = {"dns_nameservers": ["8.8.8.8"], "host_routes": routes, "gateway_ip": None}
    assert put(alice, "subnet", subnet, **said).status_code == 200
    cloud.settle()
    (held,) = cloud.hosts["kvm-1"].every("network")[network["id"]]["subnets"]
    assert (held["resolvers"], held["routed"]) == (["8.8.8.8"], False)
    assert held["routes"] == [{"cidr": "10.20.0.0/32", "gateway": "10.0.0.7"}]


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        ({"gateway_ip": "10.78.0.1"}, 400, "InvalidInput"),
        ({"gateway_ip": "10.77.0.25"}, 409, "GatewayConflictWithAllocationPools"),
        ({"dns_nameservers": ["dns.example.org"]}, 400, "InvalidInput"),
        ({"dns_nameservers": ["8.8.8.8", "8.8.8.8"]}, 400, "InvalidInput"),
        ({"host_routes": [{"destination": "x", "nexthop": "10.0.0.1"}]}, 400, "InvalidInput"),
        ({"allocation_pools": [{"start": "10.77.0.9", "end": "10.78.0.9"}]}, 400, "InvalidInput"),
        ({"allocation_pools": [{"start": "10.77.0.9", "end": "10.77.0.5"}]}, 400, "InvalidInput"),
        ({"enable_dhcp": "perhaps"}, 400, "HTTPBadRequest"),
        ({"cidr": "10.0.0.0/24"}, 400, "HTTPBadRequest"),
    ],
)
def test_what_no_subnet_can_be_is_refused(alice, lan, said, status, kind):
    pools = [{"start": "10.77.0.20", "end": "10.77.0.29"}]
    subnet = give(alice, lan, allocation_pools=pools)
    fault(put(alice, "subnet", subnet, **said), status, kind)
    assert alice.get(f"{ROOT}/subnets/{subnet['id']}").json["subnet"] == subnet


def test_ports_get_addresses_of_the_pools_and_no_others(alice, lan):
    pools = [
        {"start": "10.77.0.20", "end": "10.77.0.21"},
        {"start": "10.77.0.30", "end": "10.77.0.30"},
    ]
    give(alice, lan, allocation_pools=pools)
    taken = [addresses(plug(alice, lan))[0] for _ in range(3)]
    assert {*taken} == {"10.77.0.20", "10.77.0.21", "10.77.0.30"}
    answer = alice.post(f"{ROOT}/ports", {"port": {"network_id": lan["id"]}})
    assert_fault(answer, 409)
    chosen = plug(alice, lan, fixed_ips=[{"ip_address": "10.77.0.99"}])
    assert addresses(chosen) == ["10.77.0.99"]


def test_a_port_hangs_on_nothing_until_it_is_wanted(alice, lan):
    subnet = give(alice, lan)
    port = plug(alice, lan, name="first", admin_state_up=False)
    assert (port["device_id"], port["device_owner"], port["status"]) == ("", "", "DOWN")
    assert len(port["security_groups"]) == 1
    assert port["admin_state_up"] is False
    said = {
        "name": "second",
        "admin_state_up": True,
        "security_groups": [],
        "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "10.77.0.50"}],
    }
    changed = put(alice, "port", port, **said).json["port"]
    assert changed | said == changed
    fault(alice.delete(f"{ROOT}/networks/{lan['id']}"), 409, "NetworkInUse")
    fault(alice.delete(f"{ROOT}/subnets/{subnet['id']}"), 409, "SubnetInUse")
    assert alice.delete(f"{ROOT}/ports/{port['id']}").status_code == 204
    fault(alice.get(f"{ROOT}/ports/{port['id']}"), 404, "PortNotFound")
    assert alice.delete(f"{ROOT}/networks/{lan['id']}").status_code == 204


def test_there_is_an_end_to_ports_that_hang_on_nothing(alice, lan, monkeypatch):
    monkeypatch.setattr(ports, "MOST_FREE", 2)
    wish = {"port": {"network_id": lan["id"]}}
    answer = alice.post(f"{ROOT}/ports", {"ports": [wish["port"]] * 3})
    fault(answer, 409, "OverQuota")
    assert alice.get(f"{ROOT}/ports").json["ports"] == []
    plug(alice, lan)
    plug(alice, lan)
    fault(alice.post(f"{ROOT}/ports", wish), 409, "OverQuota")


def test_a_port_may_have_no_address_or_several(alice, lan):
    assert addresses(plug(alice, lan)) == []
    one, two = give(alice, lan), give(alice, lan, "10.78.0.0/24")
    assert addresses(plug(alice, lan, fixed_ips=[])) == []
    both = [{"subnet_id": one["id"]}, {"subnet_id": two["id"]}]
    port = plug(alice, lan, fixed_ips=both)
    assert [each["subnet_id"] for each in port["fixed_ips"]] == [one["id"], two["id"]]
    kept = port["fixed_ips"][0]["ip_address"]
    port = put(alice, "port", port, fixed_ips=both[:1]).json["port"]
    assert addresses(port) == [kept]


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        ({"fixed_ips": [{"ip_address": "10.77.0.50"}]}, 409, "IpAddressInUse"),
        ({"fixed_ips": [{"ip_address": "10.77.0.1"}]}, 409, "IpAddressInUse"),
        ({"fixed_ips": [{"ip_address": "10.99.0.1"}]}, 400, "InvalidInput"),
        ({"fixed_ips": [{"subnet_id": NOBODY}]}, 400, "InvalidInput"),
        ({"mac_address": "fa:16:3e:00:00:01"}, 409, "MacAddressInUse"),
        ({"mac_address": "banana"}, 400, "InvalidInput"),
        ({"security_groups": [NOBODY]}, 404, "SecurityGroupNotFound"),
        ({"network_id": NOBODY}, 404, "NetworkNotFound"),
        ({"device_id": NOBODY}, 400, "InvalidInput"),
        ({"port_security_enabled": False}, 400, "InvalidInput"),
        ({"colour": "red"}, 400, "HTTPBadRequest"),
    ],
)
def test_what_no_port_can_be_is_refused(alice, lan, said, status, kind):
    give(alice, lan)
    plug(alice, lan, fixed_ips=[{"ip_address": "10.77.0.50"}], mac_address="fa:16:3e:00:00:01")
    wish = {"port": {"network_id": lan["id"]} | said}
    fault(alice.post(f"{ROOT}/ports", wish), status, kind)


def test_a_port_of_an_instance_stays_as_it_is(cloud, alice):
    cloud.running()
    (port,) = alice.get(f"{ROOT}/ports").json["ports"]
    fault(alice.delete(f"{ROOT}/ports/{port['id']}"), 409, "PortInUse")
    assert_fault(put(alice, "port", port, admin_state_up=False), 409)
    assert_fault(put(alice, "port", port, security_groups=[str(cloud.default_group())]), 409)
    said = {"name": "eth0", "fixed_ips": port["fixed_ips"]}
    changed = put(alice, "port", port, **said).json["port"]
    assert changed | {"updated_at": ""} == port | said | {"updated_at": ""}


@pytest.mark.parametrize("noun", ["networks", "subnets", "ports"])
def test_tags_are_set_found_and_taken(alice, lan, noun):
    things = {"networks": lan, "subnets": give(alice, lan), "ports": plug(alice, lan)}
    path = f"{ROOT}/{noun}/{things[noun]['id']}"
    assert alice.put(f"{path}/tags", {"tags": ["blue", "old"]}).json == {"tags": ["blue", "old"]}
    assert alice.put(f"{path}/tags/new").status_code == 201
    assert alice.get(f"{path}/tags").json == {"tags": ["blue", "old", "new"]}
    assert alice.get(f"{path}/tags/new").status_code == 204

    def found(query: str) -> bool:
        listed = alice.get(f"{ROOT}/{noun}?{query}").json[noun]
        return things[noun]["id"] in [each["id"] for each in listed]

    assert found("tags=blue,new")
    assert not found("tags=blue,red")
    assert found("tags-any=red,new")
    assert not found("not-tags=blue,new")
    assert found("not-tags=blue,red")
    assert not found("not-tags-any=red,new")
    assert alice.delete(f"{path}/tags/old").status_code == 204
    assert_fault(alice.delete(f"{path}/tags/old"), 404)
    assert alice.delete(f"{path}/tags").status_code == 204
    assert alice.get(f"{path}/tags").json == {"tags": []}
    assert_fault(alice.put(f"{path}/tags", {"tags": ["a,b"]}), 400)


@pytest.mark.parametrize("noun", ["network", "subnet", "port"])
def test_who_may_not_change_things_does_not(alice, program, lan, noun):
    thing = {"network": lan, "subnet": give(alice, lan), "port": plug(alice, lan)}[noun]
    fault(put(program("rita", "red"), noun, thing, name="x"), 403, "PolicyNotAuthorized")
    kind = f"{noun.capitalize()}NotFound"
    fault(put(program("charlie", "blue"), noun, thing, name="x"), 404, kind)
    fault(program("charlie", "blue").delete(f"{ROOT}/{noun}s/{thing['id']}"), 404, kind)


def test_ports_that_hang_on_nothing_go_with_their_project(cloud, program, alice, lan):
    from portal.policies import COMMAND_LINE
    from portal.services import deletions

    give(alice, lan)
    plug(alice, lan)
    project_id = cloud.project().id
    deletions.delete(COMMAND_LINE, project_id)
    cloud.settle()
    assert session.query(Network).filter(Network.project_id == project_id).count() == 0
