"""Servers: from the wish for one to its end, as clients go about it."""

import base64
import dataclasses

import pytest

from portal import config
from portal.db import session
from portal.models import Activity, Instance
from portal.services import networks
from tests.api.bodies import an_ordinary_server
from tests.api.shapes import assert_fault
from tests.test_flat import statements

SERVERS = "/compute/v2.1/servers"
LIST_MOST = 4  # statements, the token's among them


def create(program, name: str = "web", **changes):
    return program.post(SERVERS, {"server": an_ordinary_server(name, **changes)})


def running(cloud, program, name: str = "web", **changes) -> str:
    """The path of a server that runs."""
    made = create(program, name, **changes)
    assert made.status_code == 202, made.text
    cloud.settle()
    session.rollback()
    return f"{SERVERS}/{made.json['server']['id']}"


def act(program, path: str, **action):
    return program.post(f"{path}/action", action)


def server(program, path: str) -> dict:
    session.rollback()
    return program.get(path).json["server"]


def test_a_server_is_built_shown_and_deleted(cloud, alice):
    made = create(alice)
    assert made.status_code == 202
    path = made.headers["Location"].removeprefix("http://localhost")
    assert made.json["server"]["security_groups"] == [{"name": "default"}]
    assert server(alice, path)["status"] == "BUILD"
    cloud.settle()
    shown = server(alice, path)
    assert (shown["status"], shown["OS-EXT-STS:vm_state"]) == ("ACTIVE", "active")
    assert (shown["OS-EXT-STS:task_state"], shown["OS-EXT-STS:power_state"]) == (None, 1)
    [[address]] = shown["addresses"].values()
    assert (address["version"], address["OS-EXT-IPS:type"]) == (4, "fixed")
    assert shown["OS-SRV-USG:launched_at"][-1].isdigit()
    assert shown["security_groups"] == [{"name": "default"}]
    assert "OS-EXT-SRV-ATTR:host" not in shown
    assert alice.delete(path).status_code == 204
    cloud.settle()
    session.rollback()
    assert_fault(alice.get(path), 404)


def test_a_server_has_what_was_wished_for(cloud, alice):
    alice.post("/compute/v2.1/os-keypairs", {"keypair": {"name": "laptop"}})
    script = "#!/bin/sh\necho hello\n"
    path = running(
        cloud,
        alice,
        key_name="laptop",
        metadata={"role": "web"},
        user_data=base64.b64encode(script.encode()).decode(),
        security_groups=[{"name": "ssh"}, {"name": "default"}],
        availability_zone="nova",
        networks=[{"uuid": str(cloud.new_instance().network_id)}],
    )
    shown = server(alice, path)
    assert (shown["key_name"], shown["metadata"]) == ("laptop", {"role": "web"})
    assert [each["name"] for each in shown["security_groups"]] == ["default", "ssh"]
    assert session.query(Instance).one().user_data == script


def test_several_are_made_at_once(cloud, alice):
    assert create(alice, min_count=2, max_count="3").status_code == 202
    listed = alice.get(SERVERS).json["servers"]
    assert sorted(each["name"] for each in listed) == ["web-1", "web-2", "web-3"]


def test_the_same_wish_by_the_same_key_makes_one(cloud, alice):
    key = {"headers": {"Idempotency-Key": "once"}}
    wish = {"server": an_ordinary_server()}
    made = [alice.post(SERVERS, wish, **key).json["server"]["id"] for _ in range(2)]
    assert made[0] == made[1]
    other = {"server": an_ordinary_server("other")}
    assert_fault(alice.post(SERVERS, other, **key), 409)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"imageRef": "no-such-image"},
        {"imageRef": ""},
        {"flavorRef": "no-such-flavor"},
        {"networks": [{"uuid": "x"}]},
        {"networks": [{"uuid": "00000000-0000-4000-8000-000000000000"}]},
        {"networks": "auto"},  # a word of 2.37
        {"key_name": "nobody's"},
        {"security_groups": [{"name": "nobody's"}]},
        {"user_data": "not base64!"},
        {"metadata": {"a": "x" * 256}},
        {"metadata": {"a": 1}},
        {"availability_zone": "elsewhere"},
        {"min_count": 3, "max_count": 2},
        {"min_count": 0},
        {"max_count": 21},
        {"colour": "red"},
    ],
)
def test_a_wish_that_cannot_be_is_refused(cloud, alice, changes):
    assert_fault(create(alice, **changes), 400)


def test_one_of_several_networks_has_to_be_named(cloud, alice):
    networks.create(cloud.actor("alice"), cloud.project().id, "second", "10.9.0.0/24", nat=True)
    assert "use a Network ID" in assert_fault(create(alice), 409)


def test_whoever_may_only_read_makes_none_however_they_ask(cloud, program):
    rita = program("rita", "red")
    assert_fault(create(rita), 403)
    assert_fault(create(rita, networks=[{"uuid": str(cloud.new_instance().network_id)}]), 403)


def test_whoever_has_no_quota_left_is_told_by_403(cloud, alice):
    config.use(dataclasses.replace(config.current(), quota_instances=1))
    assert "quota" in assert_fault(create(alice, max_count=2), 403)


def test_a_list_takes_as_many_statements_for_many_as_for_few(cloud, alice):
    def sent_for(count: int) -> int:
        create(alice, max_count=count)
        cloud.settle()
        alice.get(f"{SERVERS}/detail")
        with statements() as sent:
            alice.get(f"{SERVERS}/detail")
        return len(sent)

    assert sent_for(2) == sent_for(7) <= LIST_MOST


def test_servers_are_stopped_started_and_rebooted(cloud, alice):
    path = running(cloud, alice)
    assert act(alice, path, **{"os-stop": None}).status_code == 202
    assert server(alice, path)["OS-EXT-STS:task_state"] == "powering-off"
    cloud.settle()
    assert server(alice, path)["status"] == "SHUTOFF"
    assert_fault(act(alice, path, reboot={"type": "SOFT"}), 409)
    assert act(alice, path, **{"os-start": None}).status_code == 202
    cloud.settle()
    for kind in ("SOFT", "HARD"):
        assert act(alice, path, reboot={"type": kind}).status_code == 202
        assert server(alice, path)["status"] == "REBOOT"
        cloud.settle()
        assert server(alice, path)["status"] == "ACTIVE"
    instance = session.query(Instance).one()
    assert (instance.boots, instance.grace_seconds) == (3, 0)


def test_what_the_guest_wrote_is_read_once_its_host_has_answered(cloud, alice):
    path = running(cloud, alice)
    act(alice, path, **{"os-getConsoleOutput": {}})
    cloud.settle()
    session.rollback()
    whole = act(alice, path, **{"os-getConsoleOutput": {"length": None}}).json["output"]
    assert whole
    some = act(alice, path, **{"os-getConsoleOutput": {"length": 1}}).json["output"]
    assert some == whole.splitlines(keepends=True)[-1]


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ({"pause": None}, 501),
        ({"resize": {"flavorRef": "x"}}, 501),
        ({"dance": None}, 400),
        ({}, 400),
        ({"lock": None, "unlock": None}, 400),
        ({"reboot": {}}, 400),
        ({"reboot": {"type": "GENTLE"}}, 400),
        ({"os-getConsoleOutput": {"length": "many"}}, 400),
    ],
)
def test_an_action_that_is_none_is_refused(cloud, alice, action, status):
    path = running(cloud, alice)
    answer = act(alice, path, **action)
    assert answer.status_code == status, answer.text


def test_servers_are_found_by_what_they_bear_and_by_how_they_are(cloud, alice):
    running(cloud, alice, "web")
    path = running(cloud, alice, "db")
    act(alice, path, **{"os-stop": None})
    cloud.settle()
    session.rollback()
    shown = server(alice, path)
    [[address]] = shown["addresses"].values()

    def names(query: str) -> list[str]:
        listed = alice.get(f"{SERVERS}/detail?{query}").json["servers"]
        return [each["name"] for each in listed]

    assert names("") == ["db", "web"]
    assert names("sort_key=display_name&sort_dir=desc") == ["web", "db"]
    assert names("status=SHUTOFF") == names("name=db") == ["db"]
    assert names("status=active") == ["web"]
    assert names("status=banana") == names("name=nothing") == names("image=nothing") == []
    assert names(f"ip={address['addr']}") == ["db"]
    assert names(f"flavor={shown['flavor']['id']}") == ["db", "web"]
    assert names("changes-since=2100-01-01T00:00:00Z") == []
    assert names(f"ip={address['addr'][:-1]}") == ["db", "web"]
    assert names("name=^w.b$") == names("name=.*e") == ["web"]
    assert names("status=ACTIVE&status=SHUTOFF") == ["db", "web"]
    assert names("sort_key=launched_at&sort_key=vm_state&sort_key=uuid") == ["db", "web"]
    assert names("host=kvm-9&deleted=true") == ["db", "web"]  # not for who may not ask
    assert names("limit=1") == ["db"]
    assert names(f"limit=1&marker={shown['id']}") == ["web"]
    assert_fault(alice.get(f"{SERVERS}?changes-since=yesterday"), 400)
    assert_fault(alice.get(f"{SERVERS}?name=(a%2B)%2B"), 400)
    assert_fault(alice.get(f"{SERVERS}?status=DELETED"), 403)


def test_the_whole_cloud_is_listed_for_who_may_look_at_it(cloud, alice, program):
    running(cloud, alice)
    charlie = program("charlie", "blue")
    assert charlie.get(SERVERS).json == {"servers": []}
    assert_fault(charlie.get(f"{SERVERS}?all_tenants=1"), 403)
    [seen] = program("ada", "system").get(f"{SERVERS}/detail?all_tenants=1").json["servers"]
    assert seen["OS-EXT-SRV-ATTR:host"] == "kvm-1"


def test_a_server_whose_making_failed_says_why(cloud, alice):
    path = running(cloud, alice)
    instance = session.query(Instance).one()
    instance.fault = "kvm-1 has no space left."
    session.commit()
    shown = server(alice, path)
    assert (shown["status"], shown["fault"]["message"]) == ("ERROR", "kvm-1 has no space left.")
    assert len(alice.get(f"{SERVERS}?status=ERROR").json["servers"]) == 1


@pytest.mark.parametrize(
    ("action", "version", "status"),
    [
        ("pause", "2.1", 501),
        ("createImage", "2.1", 501),
        ("os-getSPICEConsole", "2.1", 400),
        ("os-getSPICEConsole", "2.6", 404),
        ("addFloatingIp", "2.1", 501),
        ("addFloatingIp", "2.44", 404),
    ],
)
def test_what_is_not_there_is_said_as_nova_does_where_it_is_switched_off(
    cloud, alice, action, version, status
):
    path = running(cloud, alice)
    asked = {"headers": {"OpenStack-API-Version": f"compute {version}"}}
    assert_fault(alice.post(f"{path}/action", {action: {}}, **asked), status)
    gone = "/compute/v2.1/servers/00000000-0000-4000-8000-000000000000"
    assert_fault(alice.post(f"{gone}/action", {action: {}}, **asked), 404)


def test_a_server_is_deleted_by_force_too(cloud, alice):
    path = running(cloud, alice)
    assert act(alice, path, forceDelete=None).status_code == 202
    cloud.settle()
    session.rollback()
    assert_fault(alice.get(path), 404)


def test_what_was_refused_is_in_the_record_by_what_was_asked_for(cloud, alice, program):
    path = running(cloud, alice)
    assert_fault(act(program("rita", "red"), path, reboot={"type": "HARD"}), 403)
    session.rollback()
    [entry] = session.query(Activity).filter(Activity.refused != "")
    assert (entry.action, entry.user_name) == ("instances.reboot", "rita")


def test_since_later_versions_more_is_asked_for_and_what_is_unknown_is_refused(cloud, alice):
    def names(version: str, query: str) -> list[str]:
        newer = {"headers": {"OpenStack-API-Version": f"compute {version}"}}
        answer = alice.get(f"{SERVERS}?{query}", **newer)
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json["servers"]]

    newer = {"headers": {"OpenStack-API-Version": "compute 2.52"}}
    network = [{"uuid": str(cloud.new_instance().network_id)}]
    for name, tags in (("one", ["x"]), ("two", ["X", 'y"']), ("both", ["x", 'y"'])):
        body = {"server": an_ordinary_server(name, tags=tags, networks=network)}
        assert alice.post(SERVERS, body, **newer).status_code == 202
    order = "&sort_key=display_name&sort_dir=asc"
    assert names("2.26", f"tags=x{order}") == ["both", "one"]
    assert names("2.26", f'tags=x,y"{order}') == ["both"]
    assert names("2.26", f'tags-any=X,y"{order}') == ["both", "two"]
    assert names("2.26", f'not-tags=x,y"{order}') == ["one", "two"]
    assert names("2.26", f"not-tags-any=x{order}") == ["two"]
    assert names("2.25", f"tags=z{order}") == ["both", "one", "two"]
    assert names("2.66", "changes-before=2001-01-01T00:00:00Z") == []
    assert names("2.74", "colour=red")
    for version, query in (("2.75", "colour=red"), ("2.38", "status=banana")):
        asked = {"headers": {"OpenStack-API-Version": f"compute {version}"}}
        assert_fault(alice.get(f"{SERVERS}?{query}", **asked), 400)


def test_what_was_deleted_is_shown_to_who_asks_what_has_changed(cloud, alice, program):
    path = running(cloud, alice)
    alice.delete(path)
    cloud.settle()
    session.rollback()
    assert alice.get(SERVERS).json["servers"] == []
    [seen] = alice.get(f"{SERVERS}/detail?changes-since=2020-01-01T00:00:00Z").json["servers"]
    assert (seen["status"], seen["OS-EXT-STS:vm_state"]) == ("DELETED", "deleted")
    assert seen["OS-SRV-USG:terminated_at"]
    ada = program("ada", "red")
    for query in ("deleted=true", "status=deleted"):
        assert len(ada.get(f"{SERVERS}?{query}").json["servers"]) == 1, query
    assert ada.get(f"{SERVERS}?deleted=false").json["servers"] == []
    assert alice.get(f"{SERVERS}?deleted=true").json["servers"] == []


def test_administrators_find_servers_by_their_hosts_and_projects(cloud, alice, program):
    running(cloud, alice)
    ada, red = program("ada", "system"), cloud.project().id.hex
    assert len(ada.get(f"{SERVERS}?all_tenants&host=kvm-1").json["servers"]) == 1
    assert ada.get(f"{SERVERS}?all_tenants=1&host=kvm-2").json["servers"] == []
    blue = cloud.project("blue").id.hex
    ada = program("ada", "blue")
    assert len(ada.get(f"{SERVERS}?project_id={red}").json["servers"]) == 1
    assert ada.get(f"{SERVERS}?tenant_id={blue}").json["servers"] == []


def test_a_server_has_the_addresses_for_access_that_it_was_given(cloud, alice):
    path = running(cloud, alice, accessIPv6="2001:2001:0000::0.0.0.3")
    shown = server(alice, path)
    assert (shown["accessIPv4"], shown["accessIPv6"]) == ("", "2001:2001::3")
    access = {"accessIPv4": "1.1.1.1", "accessIPv6": "::babe:202:202"}
    told = alice.put(path, {"server": access}).json["server"]
    assert {name: told[name] for name in access} == access
    assert_fault(alice.put(path, {"server": {"accessIPv4": "1.1.1.1.1"}}), 400)
    assert_fault(alice.put(path, {"server": {"accessIPv6": "notvalid"}}), 400)


def test_a_password_is_told_once_and_a_reservation_where_it_is_asked_for(cloud, alice):
    made = [create(alice, **each).json["server"]["adminPass"] for each in ({}, {})]
    assert len(set(made)) == 2
    assert create(alice, adminPass="given").json["server"]["adminPass"] == "given"
    reserved = create(alice, "many", min_count=2, return_reservation_id=True)
    assert (reserved.status_code, list(reserved.json)) == (202, ["reservation_id"])
    by_it = alice.get(f"{SERVERS}?reservation_id={reserved.json['reservation_id']}")
    assert {each["name"] for each in by_it.json["servers"]} == {"many-1", "many-2"}


def test_a_server_is_called_as_was_wished_and_stays_so(cloud, alice):
    newest = {"headers": {"OpenStack-API-Version": "compute 2.90"}}
    network = [{"uuid": str(cloud.new_instance().network_id)}]
    body = {"server": an_ordinary_server("web", hostname="db", networks=network)}
    path = alice.post(SERVERS, body, **newest).headers["Location"].removeprefix("http://localhost")
    assert alice.get(path, **newest).json["server"]["OS-EXT-SRV-ATTR:hostname"] == "db"
    assert "OS-EXT-SRV-ATTR:hostname" not in alice.get(path).json["server"]
    assert_fault(alice.put(path, {"server": {"hostname": "other"}}, **newest), 400)


def test_a_server_that_is_off_makes_no_progress(cloud, alice):
    path = running(cloud, alice)
    assert server(alice, path)["progress"] == 100
    act(alice, path, **{"os-stop": None})
    cloud.settle()
    assert "progress" not in server(alice, path)
