"""Where servers are, as programs ask for it and read it: groups, zones, aggregates, hosts.

Every answer is held against the schemas by which OpenStack's own tests judge it, at every version.
"""

import pytest
from tempest.lib.api_schema.response.compute.v2_1 import availability_zone
from tempest.lib.common import jsonschema_validator
from tempest.lib.services.compute.aggregates_client import AggregatesClient
from tempest.lib.services.compute.hypervisor_client import HypervisorClient
from tempest.lib.services.compute.server_groups_client import ServerGroupsClient
from tempest.lib.services.compute.services_client import ServicesClient

from portal.services import aggregates, hosts
from tests.api.bodies import an_ordinary_server
from tests.api.shapes import assert_fault
from tests.cloud import host_row
from tests.test_flat import statements

BELOW = "/compute/v2.1"
SERVICES, HYPERVISORS = f"{BELOW}/os-services", f"{BELOW}/os-hypervisors"
GROUPS, AGGREGATES = f"{BELOW}/os-server-groups", f"{BELOW}/os-aggregates"
LATEST = 96
EVERY = range(1, LATEST + 1)


@pytest.fixture
def ada(program):
    return program("ada", "red")


def at(minor: int) -> dict:
    return {"headers": {"OpenStack-API-Version": f"compute 2.{minor}"}}


def assert_shaped(client, schema: str, answer, minor: int) -> None:
    """The answer is as the newest of the client's schemas has it that is for this version."""
    fitting = [
        each["schema"]
        for each in client.schema_versions_info
        if each["min"] is None or int(each["min"].split(".")[1]) <= minor
    ]
    wanted = getattr(fitting[-1], schema)
    assert answer.status_code in wanted["status_code"], (minor, answer.text)
    validate(answer.json, wanted)


def validate(body: dict, wanted: dict) -> None:
    """The body is as this schema of Tempest's has it, judged as Tempest judges."""
    judge = jsonschema_validator.JSONSCHEMA_VALIDATOR
    checker = jsonschema_validator.FORMAT_CHECKER
    judge(wanted["response_body"], format_checker=checker).validate(body)


def test_hypervisors_are_listed_as_their_schemas_have_it(cloud, ada):
    cloud.running()
    for minor in range(1, 88):
        brief = ada.get(f"{HYPERVISORS}?with_servers=true", **at(minor))
        assert_shaped(HypervisorClient, "list_search_hypervisors", brief, minor)
        whole = ada.get(f"{HYPERVISORS}/detail?with_servers=true", **at(minor))
        assert_shaped(HypervisorClient, "list_hypervisors_detail", whole, minor)
        [one] = whole.json["hypervisors"]
        alone = ada.get(f"{HYPERVISORS}/{one['id']}?with_servers=true", **at(minor))
        assert_shaped(HypervisorClient, "get_hypervisor", alone, minor)
        assert alone.json["hypervisor"] == one
        sums = ada.get(f"{HYPERVISORS}/statistics", **at(minor))
        assert_shaped(HypervisorClient, "get_hypervisor_statistics", sums, minor)
        up = ada.get(f"{HYPERVISORS}/{one['id']}/uptime", **at(minor))
        assert_shaped(HypervisorClient, "get_hypervisor_uptime", up, minor)


def test_hypervisors_say_what_they_have_and_have_promised(cloud, ada):
    instance = cloud.running()
    [host] = ada.get(f"{HYPERVISORS}/detail", **at(1)).json["hypervisors"]
    assert (host["vcpus_used"], host["memory_mb_used"], host["local_gb_used"]) == (
        *(instance.vcpus, instance.memory_mib, instance.disk_gib),
    )
    assert (host["running_vms"], host["state"], host["status"]) == (1, "up", "enabled")
    assert host["hypervisor_hostname"] == host["service"]["host"] == "kvm-1"


def test_from_2_88_on_hypervisors_say_nothing_of_how_full_they_are(cloud, ada):
    for minor in range(88, LATEST + 1):
        [host] = ada.get(f"{HYPERVISORS}/detail", **at(minor)).json["hypervisors"]
        assert host.keys() == {
            *("id", "hypervisor_hostname", "state", "status", "hypervisor_type"),
            *("hypervisor_version", "host_ip", "service", "uptime"),
        }
        assert_fault(ada.get(f"{HYPERVISORS}/statistics", **at(minor)), 404)
        assert_fault(ada.get(f"{HYPERVISORS}/{host['id']}/uptime", **at(minor)), 404)


def test_up_to_2_52_hypervisors_are_searched_for_by_a_part_of_their_name(cloud, ada):
    instance = cloud.running()
    for minor in range(1, 53):
        assert_shaped(
            HypervisorClient,
            "list_search_hypervisors",
            ada.get(f"{HYPERVISORS}/kvm/search", **at(minor)),
            minor,
        )
        with_servers = ada.get(f"{HYPERVISORS}/kvm/servers", **at(minor))
        assert_shaped(HypervisorClient, "get_hypervisors_servers", with_servers, minor)
    [host] = with_servers.json["hypervisors"]
    assert host["servers"] == [{"uuid": str(instance.id), "name": "web"}]
    for word in ("search", "servers"):
        assert_fault(ada.get(f"{HYPERVISORS}/nobody/{word}", **at(52)), 404)
        assert_fault(ada.get(f"{HYPERVISORS}/kvm/{word}", **at(53)), 404)
    found = ada.get(f"{HYPERVISORS}?hypervisor_hostname_pattern=vm-1&with_servers=1", **at(53))
    assert found.json["hypervisors"][0]["servers"] == host["servers"]
    assert_fault(ada.get(f"{HYPERVISORS}?hypervisor_hostname_pattern=x", **at(53)), 404)


@pytest.mark.parametrize("minor", [33, 53, 88])
def test_whoever_follows_the_links_reads_all_hypervisors(cloud, ada, minor):
    for name in ("kvm-2", "kvm-3"):
        cloud.add_host(name)
    path, names = f"{HYPERVISORS}?limit=1", []
    while path:
        answer = ada.get(path, **at(minor)).json
        names += [each["hypervisor_hostname"] for each in answer["hypervisors"]]
        following = answer.get("hypervisors_links")
        path = following and following[0]["href"].removeprefix("http://localhost")
    assert names == ["kvm-1", "kvm-2", "kvm-3"]
    assert_fault(ada.get(f"{HYPERVISORS}?marker=nothing", **at(minor)), 400)
    assert_fault(ada.get(f"{HYPERVISORS}?limit=-1", **at(minor)), 400)


@pytest.mark.parametrize(
    "path", ["os-hypervisors/detail?x=1", "os-services?x=1", "os-server-groups?x=1"]
)
def test_from_2_75_on_a_query_that_is_not_known_is_refused(cloud, ada, path):
    assert ada.get(f"{BELOW}/{path}", **at(74)).status_code == 200
    assert_fault(ada.get(f"{BELOW}/{path}", **at(75)), 400)


def test_services_are_listed_as_their_schemas_have_it(cloud, ada):
    for minor in EVERY:
        answer = ada.get(SERVICES, **at(minor))
        assert_shaped(ServicesClient, "list_services", answer, minor)
        [service] = answer.json["services"]
        assert (service["host"], service["binary"], service["state"], service["zone"]) == (
            *("kvm-1", "nova-compute", "up", "nova"),
        )
    for query in ("binary=nova-compute", "host=kvm-1"):
        assert len(ada.get(f"{SERVICES}?{query}").json["services"]) == 1
    for query in ("binary=other", "host=kvm-9"):
        assert ada.get(f"{SERVICES}?{query}").json == {"services": []}


def test_up_to_2_52_a_service_is_switched_off_and_on_by_name(cloud, ada):
    named = {"host": "kvm-1", "binary": "nova-compute"}
    for minor in range(1, 53):
        off = ada.put(f"{SERVICES}/disable", named, **at(minor))
        assert_shaped(ServicesClient, "enable_disable_service", off, minor)
        assert not host_row().enabled
        why = named | {"disabled_reason": "new disks"}
        told = ada.put(f"{SERVICES}/disable-log-reason", why, **at(minor))
        assert_shaped(ServicesClient, "disable_log_reason", told, minor)
        assert host_row().disabled_reason == "new disks"
        on = ada.put(f"{SERVICES}/enable", named, **at(minor))
        assert_shaped(ServicesClient, "enable_disable_service", on, minor)
        assert host_row().enabled
    for minor in range(11, 53):
        forced = ada.put(f"{SERVICES}/force-down", named | {"forced_down": False}, **at(minor))
        assert_shaped(ServicesClient, "update_forced_down", forced, minor)
    assert_fault(ada.put(f"{SERVICES}/disable", named | {"host": "kvm-9"}, **at(52)), 404)
    assert_fault(ada.put(f"{SERVICES}/disable", named, **at(53)), 404)


def test_from_2_53_on_a_service_is_changed_by_its_id(cloud, ada):
    for minor in range(53, LATEST + 1):
        [service] = ada.get(SERVICES, **at(minor)).json["services"]
        path = f"{SERVICES}/{service['id']}"
        off = {"status": "disabled", "disabled_reason": "new disks"}
        answer = ada.put(path, off, **at(minor))
        assert_shaped(ServicesClient, "update_service", answer, minor)
        assert (host_row().enabled, host_row().disabled_reason) == (False, "new disks")
        answer = ada.put(path, {"status": "enabled"}, **at(minor))
        assert_shaped(ServicesClient, "update_service", answer, minor)
    for wrong in ({}, {"status": "enabled", "disabled_reason": "x"}, {"forced_down": True}):
        assert_fault(ada.put(path, wrong, **at(53)), 400)
    nobody = f"{SERVICES}/{service['id'][:-4]}0000"
    assert_fault(ada.put(nobody, {"status": "enabled"}, **at(53)), 404)
    assert_fault(ada.put(path, {"status": "enabled"}, **at(52)), 404)


def group(minor: int, policy: str = "anti-affinity", **rules) -> dict:
    said = {"policy": policy} if minor >= 64 else {"policies": [policy]}
    return {"server_group": {"name": "db"} | said | ({"rules": rules} if rules else {})}


def test_server_groups_are_as_their_schemas_have_it(cloud, alice):
    for minor in EVERY:
        made = alice.post(GROUPS, group(minor), **at(minor))
        assert_shaped(ServerGroupsClient, "create_show_server_group", made, minor)
        path = f"{GROUPS}/{made.json['server_group']['id']}"
        shown = alice.get(path, **at(minor))
        assert_shaped(ServerGroupsClient, "create_show_server_group", shown, minor)
        assert shown.json == made.json
        listed = alice.get(GROUPS, **at(minor))
        assert_shaped(ServerGroupsClient, "list_server_groups", listed, minor)
        assert listed.json["server_groups"] == [shown.json["server_group"]]
        assert alice.delete(path, **at(minor)).status_code == 204
        assert_fault(alice.get(path, **at(minor)), 404)


@pytest.mark.parametrize(
    ("minor", "body"),
    [
        (14, group(14, "soft-affinity")),
        (15, group(15, "alone")),
        (63, group(64)),
        (64, group(63)),
        (64, group(64, "affinity", max_server_per_host=2)),
        (64, group(64, max_server_per_host=0)),
        (1, {"server_group": {"name": "db", "policies": []}}),
        (1, {"server_group": {"name": "db", "policies": ["affinity", "anti-affinity"]}}),
        (1, {"server_group": {"name": "", "policies": ["affinity"]}}),
    ],
)
def test_a_group_that_this_version_has_not_is_refused(cloud, alice, minor, body):
    assert_fault(alice.post(GROUPS, body, **at(minor)), 400)


def test_a_hint_puts_servers_into_a_group(cloud, alice):
    made = alice.post(GROUPS, group(64, max_server_per_host=2), **at(64)).json["server_group"]
    assert (made["rules"], made["members"]) == ({"max_server_per_host": 2}, [])
    hint = {"group": made["id"]}
    ids = []
    for key in ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"):
        answer = alice.post(f"{BELOW}/servers", {"server": an_ordinary_server(), key: hint})
        assert answer.status_code == 202, answer.text
        ids.append(answer.json["server"]["id"])
    assert alice.get(f"{GROUPS}/{made['id']}").json["server_group"]["members"] == ids
    full = alice.post(
        f"{BELOW}/servers", {"server": an_ordinary_server(), "os:scheduler_hints": hint}
    )
    assert "No host without another of the group db has room" in assert_fault(full, 409)
    for wrong in ({"group": "db"}, {"group": made["id"][:-4] + "0000"}, {"colour": "red"}):
        body = {"server": an_ordinary_server(), "os:scheduler_hints": wrong}
        assert_fault(alice.post(f"{BELOW}/servers", body), 400)


def test_administrators_say_on_which_host(cloud, alice, ada):
    for key in ("host", "hypervisor_hostname"):
        wish = {"server": an_ordinary_server(networks="auto") | {key: "kvm-1"}}
        made = ada.post(f"{BELOW}/servers", wish, **at(74))
        assert made.status_code == 202, made.text
        told = ada.get(f"{BELOW}/servers/{made.json['server']['id']}").json["server"]
        assert told["OS-EXT-SRV-ATTR:host"] == "kvm-1"
        assert_fault(alice.post(f"{BELOW}/servers", wish, **at(74)), 400)
    wish["server"]["host"] = "kvm-2"
    assert_fault(ada.post(f"{BELOW}/servers", wish, **at(74)), 400)


def test_the_same_request_twice_makes_one_group(cloud, alice):
    once = {"headers": {"Idempotency-Key": "of the cluster"}}
    first, again = (alice.post(GROUPS, group(1), **once).json for _ in range(2))
    assert first == again
    assert len(alice.get(GROUPS).json["server_groups"]) == 1


def test_groups_of_all_projects_are_for_administrators(cloud, alice, program):
    alice.post(GROUPS, group(1))
    charlie, ada = program("charlie", "blue"), program("ada", "blue")
    everywhere = f"{GROUPS}?all_projects"
    assert charlie.get(everywhere).json == ada.get(GROUPS).json == {"server_groups": []}
    assert len(ada.get(everywhere).json["server_groups"]) == 1


def test_aggregates_are_as_their_schemas_have_it(cloud, ada):
    client = AggregatesClient
    for minor in EVERY:
        body = {"aggregate": {"name": "rack 7", "availability_zone": "east"}}
        made = ada.post(AGGREGATES, body, **at(minor))
        assert_shaped(client, "create_aggregate", made, minor)
        assert "hosts" not in made.json["aggregate"]
        path = f"{AGGREGATES}/{made.json['aggregate']['id']}"
        wishes = (
            {"add_host": {"host": "kvm-1"}},
            {"set_metadata": {"metadata": {"disk": "quick", "availability_zone": "west"}}},
            {"remove_host": {"host": "kvm-1"}},
        )
        for wish, zone in zip(wishes, ("east", "west", "nova"), strict=True):
            done = ada.post(f"{path}/action", wish, **at(minor))
            assert_shaped(client, "aggregate_add_remove_host", done, minor)
            assert host_row().zone == zone
        changed = ada.put(path, {"aggregate": {"name": "rack 8"}}, **at(minor))
        assert_shaped(client, "update_aggregate", changed, minor)
        shown = ada.get(path, **at(minor))
        assert_shaped(client, "get_aggregate", shown, minor)
        assert shown.json["aggregate"]["metadata"] == {
            "disk": "quick",
            "availability_zone": "west",
        }
        assert_shaped(client, "list_aggregates", ada.get(AGGREGATES, **at(minor)), minor)
        assert ada.delete(path, **at(minor)).status_code == 200
        assert_fault(ada.get(path, **at(minor)), 404)


def test_what_cannot_be_done_to_aggregates_is_refused(cloud, ada):
    made = ada.post(AGGREGATES, {"aggregate": {"name": "rack 7"}}).json["aggregate"]
    path = f"{AGGREGATES}/{made['id']}"
    for name, status in (("", 400), ("x" * 256, 400), ("rack 7", 409)):
        assert_fault(ada.post(AGGREGATES, {"aggregate": {"name": name}}), status)
    for wish, status in (
        ({"add_host": {"host": "nobody"}}, 404),
        ({"remove_host": {"host": "nobody"}}, 404),
        ({"remove_host": {"host": "kvm-1"}}, 404),
        ({"explode": {}}, 400),
        ({}, 400),
    ):
        assert_fault(ada.post(f"{path}/action", wish), status)
    ada.post(f"{path}/action", {"add_host": {"host": "kvm-1"}})
    assert_fault(ada.post(f"{path}/action", {"add_host": {"host": "kvm-1"}}), 409)
    assert_fault(ada.delete(path), 409)
    for number in (-1, "x"):
        assert_fault(ada.get(f"{AGGREGATES}/{number}"), 404)
        assert_fault(ada.delete(f"{AGGREGATES}/{number}"), 404)


def test_servers_are_in_the_zone_that_they_ask_for(cloud, alice, ada):
    cloud.add_host("kvm-2")
    cloud.settle()
    aggregates.put_into_zone(cloud.actor("ada"), host_row("kvm-2").id, "east")
    shown = alice.get(f"{BELOW}/os-availability-zone")
    validate(shown.json, availability_zone.list_availability_zone_list)
    assert [each["zoneName"] for each in shown.json["availabilityZoneInfo"]] == ["east", "nova"]
    whole = ada.get(f"{BELOW}/os-availability-zone/detail").json
    validate(whole, availability_zone.list_availability_zone_list_detail)
    hosts_of = [list(each["hosts"]) for each in whole["availabilityZoneInfo"]]
    assert hosts_of == [["kvm-2"], ["kvm-1"]]
    for zone in ("east", "nova"):
        server = an_ordinary_server(availability_zone=zone)
        made = alice.post(f"{BELOW}/servers", {"server": server}).json["server"]
        told = alice.get(f"{BELOW}/servers/{made['id']}").json["server"]
        assert told["OS-EXT-AZ:availability_zone"] == zone
    wrong = an_ordinary_server(availability_zone="north")
    assert_fault(alice.post(f"{BELOW}/servers", {"server": wrong}), 400)


def test_lists_cost_the_same_for_few_and_for_many(cloud, alice, ada):
    cloud.running()
    asked = [
        *((ada, path) for path in (f"{HYPERVISORS}/detail", SERVICES, AGGREGATES)),
        *((ada, f"{BELOW}/os-availability-zone/detail"), (alice, GROUPS)),
    ]

    def cost() -> list[int]:
        counted = []
        for who, path in asked:
            who.get(path)
            with statements() as sent:
                assert who.get(path).status_code == 200
            counted.append(len(sent))
        return counted

    def grow(number: int) -> None:
        cloud.add_host(f"kvm-{number}")
        alice.post(GROUPS, group(1, "affinity"))
        name = f"rack {number}"
        made = ada.post(AGGREGATES, {"aggregate": {"name": name}}).json["aggregate"]
        wish = {"add_host": {"host": f"kvm-{number}"}}
        assert ada.post(f"{AGGREGATES}/{made['id']}/action", wish).status_code == 200

    grow(2)
    few = cost()
    for number in range(3, 9):
        grow(number)
    assert cost() == few


def test_a_zone_whose_hosts_are_in_maintenance_is_not_available(cloud, alice):
    hosts.enable(cloud.actor("ada"), host_row().id, enabled=False)
    [zone] = alice.get(f"{BELOW}/os-availability-zone").json["availabilityZoneInfo"]
    assert zone["zoneState"] == {"available": False}


def test_a_host_that_is_not_heard_is_down(cloud, ada):
    cloud.clock.forward(minutes=5)
    [host] = ada.get(HYPERVISORS).json["hypervisors"]
    assert host["state"] == "down"
    assert_fault(ada.get(f"{HYPERVISORS}/{host['id']}/uptime"), 400)
