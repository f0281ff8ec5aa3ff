"""Networks and what is on them, as clients of Neutron read them."""

import pytest

from portal.db import session
from portal.models import Network
from portal.services import networks
from tests.api.shapes import assert_fault
from tests.test_flat import statements

ROOT = "/network/v2.0"
NOUNS = ("networks", "subnets", "ports", "security-groups", "security-group-rules")


@pytest.fixture
def lans(cloud):
    """Four more networks of red, in the order in which they were made."""
    alice, red = cloud.actor("alice"), cloud.project("red")
    found = []
    for number in range(4):
        cloud.clock.forward(seconds=1)
        label = f"lan-{number}"
        lan = networks.create(alice, red.id, label, f"10.9.{number}.0/24", nat=True)
        found.append(str(lan.id))
    return found


def only(program, noun: str, query: str = "") -> dict:
    [found] = program.get(f"{ROOT}/{noun}?{query}").json[noun.replace("-", "_")]
    return found


def ids(answer) -> list[str]:
    [things] = [value for value in answer.json.values() if "rel" not in str(value)]
    return [each["id"] for each in things]


def path(answer, rel: str) -> str | None:
    links = {each["rel"]: each["href"] for each in answer.json.get("networks_links", ())}
    return links.get(rel)


def test_a_network_leads_to_its_subnet_and_to_who_is_on_it(cloud, alice):
    guest = cloud.running("web", group_ids=(cloud.default_group(),))
    port = only(alice, "ports", f"device_id={guest.id}")
    assert port["status"] == "ACTIVE"
    assert port["device_owner"] == "compute:nova"
    network = alice.get(f"{ROOT}/networks/{port['network_id']}").json["network"]
    [fixed] = port["fixed_ips"]
    assert network["subnets"] == [fixed["subnet_id"]]
    subnet = alice.get(f"{ROOT}/subnets/{fixed['subnet_id']}").json["subnet"]
    assert subnet["network_id"] == network["id"]
    assert subnet["allocation_pools"] == [{"start": "10.0.0.2", "end": "10.0.0.253"}]
    assert port["project_id"] == port["tenant_id"] == cloud.project("red").id.hex
    [group] = port["security_groups"]
    assert alice.get(f"{ROOT}/security-groups/{group}").json["security_group"]["id"] == group


def test_a_port_is_found_by_all_that_is_known_of_it(cloud, alice):
    cloud.running("web"), cloud.running("db")
    port = only(alice, "ports", "fixed_ips=ip_address=10.0.0.3")
    for query in (
        f"mac_address={port['mac_address'].upper()}",
        f"id={port['id']}&status=ACTIVE",
        f"fixed_ips=ip_address=10.0.0.3&network_id={port['network_id']}",
    ):
        assert only(alice, "ports", query)["id"] == port["id"], query
    assert ids(alice.get(f"{ROOT}/ports?status=DOWN")) == []
    assert ids(alice.get(f"{ROOT}/ports?device_id=nobody")) == []
    assert len(ids(alice.get(f"{ROOT}/ports?device_owner=compute:nova"))) == 2
    assert_fault(alice.get(f"{ROOT}/ports?fixed_ips=colour=red"), 400)


def test_only_the_fields_that_are_asked_for_are_sent(lans, alice):
    assert alice.get(f"{ROOT}/networks/{lans[0]}?fields=name").json == {
        "network": {"name": "lan-0"}
    }
    found = alice.get(f"{ROOT}/networks?fields=id&fields=mtu").json["networks"]
    assert {tuple(each) for each in found} == {("id", "mtu")}


def test_filters_are_ors_of_values_and_ands_of_names(lans, alice):
    both = f"{ROOT}/networks?name=lan-1&name=lan-3"
    assert ids(alice.get(both)) == [lans[1], lans[3]]
    assert ids(alice.get(f"{both}&id={lans[3]}&shared=False&admin_state_up=true")) == [lans[3]]
    for nothing in ("shared=True", "router:external=True", "status=DOWN", "id=lan-1"):
        assert ids(alice.get(f"{both}&{nothing}")) == []
    assert_fault(alice.get(f"{ROOT}/networks?shared=perhaps"), 400)


def test_a_list_is_walked_forwards_and_backwards(lans, alice):
    first = alice.get(f"{ROOT}/networks?limit=2&sort_key=name&sort_dir=desc")
    second = alice.get(path(first, "next"))
    assert ids(first) + ids(second) == lans[::-1]
    assert path(first, "previous") is None
    assert ids(alice.get(path(second, "previous"))) == ids(first)
    assert_fault(alice.get(f"{ROOT}/networks?marker={'0' * 32}"), 400)
    assert_fault(alice.get(f"{ROOT}/networks?limit=-1"), 400)


@pytest.mark.parametrize("noun", NOUNS)
def test_lists_show_the_project_alone_or_with_a_token_for_it_the_whole_cloud(cloud, program, noun):
    for owner in ("red", "blue"):
        cloud.create("web", by={"red": "alice", "blue": "charlie"}[owner], project=owner)
    red, ada, whole = (
        {
            each["project_id"]
            for each in program(*who).get(f"{ROOT}/{noun}").json[noun.replace("-", "_")]
        }
        for who in (("alice", "red"), ("ada", "red"), ("ada", "system"))
    )
    projects = {name: cloud.project(name).id.hex for name in ("red", "blue")}
    assert red == ada == {projects["red"]}
    assert whole >= {*projects.values()}


@pytest.mark.parametrize("noun", NOUNS)
def test_a_list_asks_the_database_as_often_however_long_it_is(cloud, alice, noun):
    counts = []
    for number in range(3):
        cloud.create(f"web-{number}")
        networks.create(
            cloud.actor("alice"),
            cloud.project("red").id,
            "lan",
            f"10.9.{number}.0/24",
            nat=True,
        )
        alice.get(f"{ROOT}/{noun}")
        with statements() as sent:
            alice.get(f"{ROOT}/{noun}")
        counts.append(len(sent))
    assert len({*counts}) == 1
    assert counts[0] <= 6


def test_rules_of_a_group_say_what_passes(alice):
    group = only(alice, "security-groups", "name=ssh")
    rules = alice.get(f"{ROOT}/security-group-rules?security_group_id={group['id']}").json
    assert {
        (each["direction"], each["protocol"], each["port_range_min"], each["remote_group_id"])
        for each in rules["security_group_rules"]
    } == {("ingress", "tcp", 22, None), ("ingress", "icmp", None, None)}
    rule = only(alice, "security-group-rules", "protocol=tcp&ethertype=IPv4")
    found = alice.get(f"{ROOT}/security-group-rules/{rule['id']}").json["security_group_rule"]
    assert found == rule


def test_extensions_are_named_if_they_are_there(alice):
    aliases = [each["alias"] for each in alice.get(f"{ROOT}/extensions").json["extensions"]]
    assert "security-group" in aliases
    for alias in aliases:
        assert alice.get(f"{ROOT}/extensions/{alias}").json["extension"]["alias"] == alias
    for missing in ("external-gateway-multihoming", "router", "Availability%20Zone"):
        assert_fault(alice.get(f"{ROOT}/extensions/{missing}"), 404)


def test_quotas_say_how_many_networks_there_may_be(cloud, lans, alice):
    red = cloud.project("red").id.hex
    limits = alice.get(f"{ROOT}/quotas/{red}").json["quota"]
    assert limits == alice.get(f"{ROOT}/quotas/{red}/default").json["quota"]
    assert limits["port"] == -1
    session.rollback()
    there = session.query(Network).filter_by(project_id=cloud.project("red").id).count()
    assert alice.get(f"{ROOT}/quotas/{red}/details").json["quota"]["network"] == {
        "limit": limits["network"],
        "used": there,
        "reserved": 0,
    }


def test_a_name_is_looked_for_and_not_found_whatever_may_be_done_to_things(alice):
    """Seen: 405, where another method of the same path came first."""
    for noun in NOUNS:
        assert_fault(alice.get(f"{ROOT}/{noun}/lan"), 404, noun)


def test_what_has_no_limit_is_counted_too(cloud, lans, alice):
    details = alice.get(f"{ROOT}/quotas/{cloud.project('red').id.hex}/details").json["quota"]
    for name, path in (("port", "ports"), ("subnet", "subnets")):
        there = len(alice.get(f"{ROOT}/{path}").json[path])
        assert details[name] == {"limit": -1, "used": there, "reserved": 0}


def test_quotas_are_set_and_taken_back_by_the_clouds_administrators(cloud, alice, program):
    place = f"{ROOT}/quotas/{cloud.project('red').id.hex}"
    ada, wish = program("ada", "red"), {"quota": {"network": 7, "check_limit": True}}
    assert ada.put(place, wish).json["quota"]["network"] == 7
    assert alice.get(place).json["quota"]["network"] == 7
    assert_fault(alice.put(place, wish), 403)
    for wrong in ({"port": 5}, {"network": -2}, {"router": 1}):
        assert_fault(ada.put(place, {"quota": wrong}), 400)
    assert_fault(ada.put(place, {"quota": {"security_group": 0}}), 400)  # it has some
    assert ada.put(place, {"quota": {"security_group": 0, "force": True}}).status_code == 200
    assert ada.delete(place).status_code == 204
    assert ada.get(place).json == ada.get(f"{place}/default").json
