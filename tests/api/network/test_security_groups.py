"""Security groups and their rules, made, changed and taken away as clients of Neutron do; and what
hosts make of them."""

import uuid

import pytest

from portal.db import session
from portal.models import Activity
from portal.services import quotas
from tests.api.shapes import assert_fault

GROUPS, RULES = "/network/v2.0/security-groups", "/network/v2.0/security-group-rules"
NOWHERE = "00000000-0000-4000-8000-000000000000"


def group(program, name: str = "web", **more) -> dict:
    answer = program.post(GROUPS, {"security_group": {"name": name} | more})
    assert answer.status_code == 201, answer.text
    return answer.json["security_group"]


def ask(program, group: dict, **rule):
    wish = {"security_group_id": group["id"], "direction": "ingress"} | rule
    return program.post(RULES, {"security_group_rule": wish})


def allow(program, group: dict, **rule) -> dict:
    answer = ask(program, group, **rule)
    assert answer.status_code == 201, answer.text
    return answer.json["security_group_rule"]


def named(program, name: str) -> dict:
    [found] = program.get(f"{GROUPS}?name={name}").json["security_groups"]
    return found


def of_host(cloud, group: dict) -> dict | None:
    """What the one host filters by for this group; None if it knows it not."""
    cloud.settle()
    [host] = cloud.hosts.values()
    [table] = host.every("firewall").values()
    return next((each for each in table["groups"] if each["id"] == group["id"]), None)


def test_a_new_group_lets_everything_out_and_nothing_in(alice):
    made = group(alice, description="What is seen")
    assert (made["name"], made["description"]) == ("web", "What is seen")
    said = [(each["direction"], each["ethertype"]) for each in made["security_group_rules"]]
    assert said == [("egress", "IPv4"), ("egress", "IPv6")]
    assert alice.get(f"{GROUPS}/{made['id']}").json["security_group"] == made


def test_a_group_is_renamed_described_and_deleted_with_its_rules(alice):
    made = group(alice)
    rule = allow(alice, made, protocol="tcp")
    path = f"{GROUPS}/{made['id']}"
    changed = alice.put(path, {"security_group": {"name": "front", "description": "New"}})
    assert changed.status_code == 200
    assert changed.json["security_group"]["name"] == "front"
    assert alice.get(path).json["security_group"]["description"] == "New"
    assert alice.delete(path).status_code == 204
    assert_fault(alice.get(path), 404)
    assert_fault(alice.get(f"{RULES}/{rule['id']}"), 404)
    assert_fault(alice.delete(path), 404)


def test_there_is_one_default_and_it_stays(alice):
    default, other = named(alice, "default"), group(alice)
    path = f"{GROUPS}/{default['id']}"
    assert_fault(alice.post(GROUPS, {"security_group": {"name": "default"}}), 409)
    assert_fault(alice.delete(path), 409)
    assert_fault(alice.put(path, {"security_group": {"name": "mine"}}), 409)
    assert_fault(alice.put(f"{GROUPS}/{other['id']}", {"security_group": {"name": "default"}}), 409)
    assert alice.put(path, {"security_group": {"description": "Ours"}}).status_code == 200


def test_the_clouds_administrator_deletes_a_default_and_there_is_another(program, alice):
    """Clients that clean up after themselves do so before they delete a project."""
    default = named(alice, "default")
    path = f"{GROUPS}/{default['id']}"
    assert program("ada", "system").delete(path).status_code == 204
    assert_fault(alice.get(path), 404)
    again = named(alice, "default")
    rules = again["security_group_rules"]
    assert sorted(each["direction"] for each in rules) == ["egress", "ingress"]
    assert [each["remote_group_id"] for each in rules if each["remote_group_id"]] == [again["id"]]


def test_names_are_labels_with_all_their_blanks(alice):
    for name in ("", " a  b ", "x" * 255):
        assert group(alice, name)["name"] == name
    assert group(alice, "twice")["id"] != group(alice, "twice")["id"]
    assert_fault(alice.post(GROUPS, {"security_group": {"name": "x" * 256}}), 400)
    assert_fault(alice.post(GROUPS, {"security_group": {"name": "a", "stateful": False}}), 400)


@pytest.mark.parametrize(
    "rule",
    [
        {"protocol": "tcp", "port_range_min": 77, "port_range_max": 77},
        {"protocol": "icmp", "port_range_min": 3, "port_range_max": 0},
        {"protocol": "icmp", "port_range_min": 11, "port_range_max": None},
        {"protocol": "tcp", "port_range_min": 1, "remote_ip_prefix": "10.2.3.124/24"}
        | {"port_range_max": 2},
        {"ethertype": "IPv6", "protocol": "ipv6-icmp", "port_range_min": 8, "port_range_max": 0},
        {"ethertype": "IPv6", "protocol": "tcp", "remote_ip_prefix": "2001:db8::/64"},
        {"direction": "egress", "ethertype": "IPv4", "protocol": None},
    ],
    ids=str,
)
def test_a_rule_is_kept_as_it_was_said(alice, rule):
    made = group(alice)
    if rule["protocol"] is None:
        assert_fault(ask(alice, made, **rule), 409)  # every group has it already
        return
    kept = allow(alice, made, **rule)
    for name, value in rule.items():
        assert kept[name] == value
    assert alice.get(f"{RULES}/{kept['id']}").json["security_group_rule"] == kept
    assert alice.delete(f"{RULES}/{kept['id']}").status_code == 204
    assert_fault(alice.delete(f"{RULES}/{kept['id']}"), 404)


def test_a_protocol_may_be_said_by_its_number(alice):
    assert int(allow(alice, group(alice), protocol=17)["protocol"]) == 17


@pytest.mark.parametrize(
    ("rule", "status", "said"),
    [
        ({"protocol": "bad_protocol_name"}, 400, "not supported"),
        ({"protocol": "udp", "ethertype": "bad_ethertype"}, 400, "not supported"),
        ({"protocol": "tcp", "remote_ip_prefix": "192.168.1./24"}, 400, ""),
        ({"protocol": "tcp", "remote_ip_prefix": "192.168.1.1/33"}, 400, ""),
        ({"protocol": "tcp", "remote_ip_prefix": "bad_prefix"}, 400, ""),
        ({"protocol": "tcp", "remote_ip_prefix": "256"}, 400, ""),
        ({"protocol": "tcp", "remote_ip_prefix": "10.0.0.0/" + "0" * 50 + "8"}, 400, ""),
        ({"protocol": "tcp", "remote_ip_prefix": "fe80::%eth0"}, 400, ""),
        ({"protocol": "tcp", "remote_group_id": "bad_group_id"}, 404, ""),
        ({"protocol": "tcp", "remote_group_id": NOWHERE}, 404, ""),
        ({"security_group_id": NOWHERE}, 404, "does not exist"),
        ({"port_range_min": -16, "port_range_max": 80}, 400, "Invalid value for port -16"),
        ({"port_range_min": 80, "port_range_max": 79}, 400, "port_range_min must be <="),
        ({"port_range_min": 80, "port_range_max": 65536}, 400, "Invalid value for port 65536"),
        ({"port_range_min": None, "port_range_max": 6}, 400, "port_range_min must be <="),
        ({"protocol": "icmp", "port_range_min": 1, "port_range_max": 256}, 400, "ICMP code"),
        ({"protocol": "icmp", "port_range_min": -1, "port_range_max": 25}, 400, "Invalid value"),
        ({"protocol": "icmp", "port_range_max": 6}, 400, "ICMP type (port-range-min) is missing"),
        ({"protocol": "icmp", "port_range_min": 300}, 400, "Invalid value for ICMP type"),
        ({"protocol": None, "port_range_min": 3, "port_range_max": 4}, 400, "specify protocol"),
        ({"ethertype": "IPv6", "remote_ip_prefix": "10.0.0.0/8"}, 400, "Conflicting value"),
        ({"ethertype": "IPv4", "remote_ip_prefix": "2001:db8::/64"}, 400, "Conflicting value"),
        ({"ethertype": "IPv4", "protocol": "icmpv6"}, 400, "Invalid ethertype"),
        ({"direction": "sideways"}, 400, "no direction"),
        ({"direction": None}, 400, ""),
        ({"colour": "red"}, 400, "not allowed"),
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_is_refused_in_neutrons_words(alice, rule, status, said):
    made = group(alice)
    assert said in assert_fault(ask(alice, made, **{"protocol": "tcp"} | rule), status)


def test_a_rule_names_a_network_or_a_group(alice):
    one, other = group(alice), group(alice)
    both = {"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": other["id"]}
    assert_fault(ask(alice, one, protocol="tcp", **both), 400)
    assert allow(alice, one, remote_group_id=other["id"])["remote_group_id"] == other["id"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"protocol": "tcp"}, {"protocol": "tcp"}),
        ({"protocol": "tcp"}, {"protocol": "6"}),
        ({"protocol": "tcp"}, {"protocol": "TCP", "remote_ip_prefix": "0.0.0.0/0"}),
        ({"remote_ip_prefix": "10.0.0.0/8"}, {"remote_ip_prefix": "10.1.0.0/8"}),
    ],
    ids=str,
)
def test_what_a_group_says_already_is_not_said_twice(alice, one, other):
    made = group(alice)
    kept = allow(alice, made, **one)
    assert kept["id"] in assert_fault(ask(alice, made, **other), 409)
    assert allow(alice, made, ethertype="IPv6")


def test_several_rules_are_made_at_once_or_none(alice):
    made, other = group(alice), group(alice, "other")

    def post(*rules: dict):
        wishes = [
            {"security_group_id": made["id"], "direction": "ingress"} | each for each in rules
        ]
        return alice.post(RULES, {"security_group_rules": wishes})

    answer = post({"protocol": "tcp"}, {"protocol": "udp"})
    assert answer.status_code == 201
    assert [each["protocol"] for each in answer.json["security_group_rules"]] == ["tcp", "udp"]
    assert_fault(post({"protocol": "icmp"}, {"protocol": "tcp"}), 409)
    assert_fault(post({"protocol": "icmp"}, {"protocol": "icmp"}), 409)
    assert_fault(post({"protocol": "icmp"}, {"security_group_id": other["id"]}), 400)
    assert (
        len(alice.get(f"{RULES}?security_group_id={made['id']}").json["security_group_rules"]) == 4
    )


def test_the_same_request_twice_makes_one_group_and_one_rule(alice):
    once = {"Idempotency-Key": "of the playbook"}
    wish = {"security_group": {"name": "web"}}
    first, again = (alice.post(GROUPS, wish, headers=once).json for _ in range(2))
    assert first == again
    rule = {"security_group_id": first["security_group"]["id"], "direction": "ingress"}
    rule = {"security_group_rule": rule | {"protocol": "tcp"}}
    assert_fault(alice.post(RULES, rule, headers=once), 409)  # the key was another request's
    once = {"Idempotency-Key": "of its rule"}
    made, same = (alice.post(RULES, rule, headers=once) for _ in range(2))
    assert (made.json, made.status_code) == (same.json, same.status_code)
    assert made.status_code == 201


def test_hosts_hear_of_rules_that_come_and_go_under_a_guest(cloud, alice):
    made = group(alice)
    cloud.running("web", group_ids=(uuid.UUID(made["id"]),))
    assert [each["direction"] for each in of_host(cloud, made)["rules"]] == ["egress"]
    rule = allow(alice, made, protocol="6", port_range_min=80, port_range_max=80)
    allow(alice, made, ethertype="IPv6", protocol="tcp")  # guests speak none
    _, kept = of_host(cloud, made)["rules"]
    assert (kept["protocol"], kept["port_min"]) == ("tcp", 80)
    alice.delete(f"{RULES}/{rule['id']}")
    assert [each["direction"] for each in of_host(cloud, made)["rules"]] == ["egress"]


def test_a_group_that_a_guest_bears_stays_and_takes_rules_about_it_along(cloud, alice):
    worn, named = group(alice), group(alice, "clients")
    allow(alice, worn, remote_group_id=named["id"])
    guest_id = cloud.running("web", group_ids=(uuid.UUID(worn["id"]),)).id
    assert of_host(cloud, named) is not None
    assert_fault(alice.delete(f"{GROUPS}/{worn['id']}"), 409)
    assert alice.delete(f"{GROUPS}/{named['id']}").status_code == 204
    assert of_host(cloud, named) is None
    rules = alice.get(f"{GROUPS}/{worn['id']}").json["security_group"]["security_group_rules"]
    assert {each["direction"] for each in rules} == {"egress"}
    alice.delete(f"/compute/v2.1/servers/{guest_id}")
    cloud.settle()
    assert alice.delete(f"{GROUPS}/{worn['id']}").status_code == 204


def test_a_project_has_no_more_groups_and_rules_than_its_quota_says(cloud, alice):
    limits = {"security_groups": 3, "security_group_rules": 7}
    quotas.change(cloud.actor("ada"), cloud.project("red").id, limits)
    made = group(alice)
    full = alice.post(GROUPS, {"security_group": {"name": "more"}})
    assert_fault(full, 409)
    assert full.json["NeutronError"]["type"] == "OverQuota"
    allow(alice, made, protocol="tcp")
    assert_fault(ask(alice, made, protocol="udp"), 409)


def test_what_is_anothers_is_not_there_and_readers_change_nothing(alice, program):
    made, charlie, rita = group(alice), program("charlie", "blue"), program("rita", "red")
    path = f"{GROUPS}/{made['id']}"
    assert_fault(charlie.get(path), 404)
    assert_fault(charlie.delete(path), 404)
    assert_fault(ask(charlie, made), 404)
    assert_fault(ask(charlie, group(charlie), remote_group_id=made["id"]), 404)
    assert_fault(rita.delete(path), 403)
    assert_fault(ask(rita, made), 403)
    assert_fault(rita.post(GROUPS, {"security_group": {"name": "mine"}}), 403)


def test_everything_is_in_the_record_refusals_too(alice):
    made = group(alice)
    rule = allow(alice, made, protocol="tcp", port_range_min=80, port_range_max=80)
    alice.delete(f"{RULES}/{rule['id']}")
    ask(alice, made, protocol="gre")
    alice.delete(f"{GROUPS}/{made['id']}")
    session.rollback()
    entries = session.query(Activity).order_by(Activity.created_at)
    said = [entry.action for entry in entries if "security_group" in entry.action]
    assert said == [
        "security_groups:create",
        "security_groups:add_rule",
        "security_groups:remove_rule",
        "security_group_rules.create",
        "security_groups:delete",
    ]
