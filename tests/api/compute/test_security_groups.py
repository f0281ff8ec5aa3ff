"""Security groups in Nova's older words, and those of a server."""

import pytest

from tests.api.compute.test_servers import act, running, server
from tests.api.network.test_security_groups import GROUPS as OF_NEUTRON
from tests.api.network.test_security_groups import allow, group, of_host
from tests.api.shapes import assert_fault

GROUPS = "/compute/v2.1/os-security-groups"
RULES = "/compute/v2.1/os-security-group-rules"
NOWHERE = "00000000-0000-4000-8000-000000000000"
LATER = {"headers": {"OpenStack-API-Version": "compute 2.36"}}


def make(program, name: str = "web") -> dict:
    wish = {"security_group": {"name": name, "description": "What is seen"}}
    answer = program.post(GROUPS, wish)
    assert answer.status_code == 200, answer.text
    return answer.json["security_group"]


def allow_as_nova(program, group: dict, **rule):
    wish = {"parent_group_id": group["id"], "ip_protocol": "tcp", "from_port": 22, "to_port": 22}
    return program.post(RULES, {"security_group_rule": wish | rule})


def test_a_group_is_made_seen_changed_and_deleted(alice):
    made = make(alice, " with blanks ")
    assert (made["name"], made["rules"]) == (" with blanks ", [])
    path = f"{GROUPS}/{made['id']}"
    assert alice.get(path).json["security_group"] == made
    assert made in alice.get(GROUPS).json["security_groups"]
    wish = {"security_group": {"name": "front", "description": "New"}}
    assert alice.put(path, wish).json["security_group"]["name"] == "front"
    assert alice.get(f"{OF_NEUTRON}/{made['id']}").json["security_group"]["description"] == "New"
    assert alice.delete(path).status_code == 202
    assert_fault(alice.get(path), 404)


def test_a_rule_is_shown_as_nova_does(alice):
    made, other = make(alice), make(alice, "other")
    tcp = allow_as_nova(alice, made).json["security_group_rule"]
    assert tcp["parent_group_id"] == made["id"]
    assert (tcp["ip_protocol"], tcp["from_port"], tcp["to_port"]) == ("tcp", 22, 22)
    assert (tcp["group"], tcp["ip_range"]) == ({}, {"cidr": "0.0.0.0/0"})
    ping = {"ip_protocol": "icmp", "from_port": -1, "to_port": -1}
    assert allow_as_nova(alice, made, **ping).json["security_group_rule"]["from_port"] == -1
    remote = allow_as_nova(alice, made, group_id=other["id"]).json["security_group_rule"]
    assert remote["group"] == {"name": "other", "tenant_id": made["tenant_id"]}
    assert remote["ip_range"] == {}
    assert len(alice.get(f"{GROUPS}/{made['id']}").json["security_group"]["rules"]) == 3
    assert alice.delete(f"{GROUPS}/{other['id']}").status_code == 202
    assert alice.delete(f"{RULES}/{tcp['id']}").status_code == 202
    [left] = alice.get(f"{GROUPS}/{made['id']}").json["security_group"]["rules"]
    assert left["ip_protocol"] == "icmp"


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({"parent_group_id": NOWHERE}, 404),
        ({"parent_group_id": "not-a-uuid"}, 400),
        ({"ip_protocol": "999"}, 400),
        ({"from_port": 65536}, 400),
        ({"to_port": 65536}, 400),
        ({"from_port": 23}, 400),
        ({"cidr": "10.0.0.0/33"}, 400),
        ({}, 400),  # the group says it already
    ],
)
def test_a_rule_that_cannot_be_is_refused(alice, rule, status):
    made = make(alice)
    allow_as_nova(alice, made)
    assert_fault(allow_as_nova(alice, made, **rule), status)


def test_what_stands_against_a_change_is_said_as_400_here(cloud, alice):
    [default] = [
        each for each in alice.get(GROUPS).json["security_groups"] if each["name"] == "default"
    ]
    assert_fault(alice.delete(f"{GROUPS}/{default['id']}"), 400)
    assert_fault(alice.delete(f"{GROUPS}/{NOWHERE}"), 404)
    assert_fault(alice.delete(f"{GROUPS}/"), 404)  # the id is empty
    assert_fault(alice.delete(GROUPS), 405)


def test_from_2_36_on_neutrons_words_are_the_only_ones(cloud, alice):
    made = make(alice)
    assert_fault(alice.get(GROUPS, **LATER), 404)
    assert_fault(alice.get(f"{GROUPS}/{made['id']}", **LATER), 404)
    wish = {"security_group_rule": {"parent_group_id": made["id"]}}
    assert_fault(alice.post(RULES, wish, **LATER), 404)


def test_groups_come_and_go_under_a_guest(cloud, alice):
    path, made = running(cloud, alice), group(alice)
    allow(alice, made, protocol="tcp")
    assert act(alice, path, addSecurityGroup={"name": "web"}).status_code == 202
    assert act(alice, path, addSecurityGroup={"name": "web"}).status_code == 202
    names = [each["name"] for each in server(alice, path)["security_groups"]]
    assert names == ["default", "web"]
    told = alice.get(f"{path}/os-security-groups").json["security_groups"]
    assert [each["id"] for each in told if each["name"] == "web"] == [made["id"]]
    assert len(of_host(cloud, made)["members"]) == 1
    assert_fault(alice.delete(f"{GROUPS}/{made['id']}"), 400)  # a guest bears it
    assert act(alice, path, removeSecurityGroup={"name": made["id"]}).status_code == 202
    assert of_host(cloud, made) is None
    assert_fault(act(alice, path, removeSecurityGroup={"name": "web"}), 404)
    assert alice.delete(f"{GROUPS}/{made['id']}").status_code == 202


def test_other_hosts_hear_who_joins_a_group_that_their_guests_rules_name(cloud, alice):
    clients, web = group(alice, "clients"), group(alice, "web")
    allow(alice, web, remote_group_id=clients["id"])
    first = running(cloud, alice, "first", security_groups=[{"name": "web"}])
    second = running(cloud, alice, "second")
    assert of_host(cloud, clients)["members"] == []
    act(alice, second, addSecurityGroup={"name": "clients"})
    assert len(of_host(cloud, clients)["members"]) == 1
    act(alice, first, removeSecurityGroup={"name": "web"})
    assert of_host(cloud, web) is None


def test_a_group_of_which_there_are_none_or_several_is_not_put_on(cloud, alice, program):
    path = running(cloud, alice)
    assert_fault(act(alice, path, addSecurityGroup={"name": "nobody's"}), 404)
    group(alice, "twice")
    group(alice, "twice")
    assert_fault(act(alice, path, addSecurityGroup={"name": "twice"}), 409)
    assert_fault(act(program("rita", "red"), path, addSecurityGroup={"name": "ssh"}), 403)
    act(alice, path, lock=None)
    assert_fault(act(program("bob", "red"), path, addSecurityGroup={"name": "ssh"}), 409)
