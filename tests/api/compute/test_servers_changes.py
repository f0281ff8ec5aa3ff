"""What programs change of servers that are there: what is said of them, and who may change them."""

from tests.api.compute.test_servers import act, running
from tests.api.shapes import assert_fault
from tests.test_flat import statements


def test_servers_are_renamed_and_their_description_is_of_a_later_version(cloud, alice):
    path = running(cloud, alice)
    assert alice.put(path, {"server": {"name": "db"}}).json["server"]["name"] == "db"
    assert_fault(alice.put(path, {"server": {"description": "x"}}), 400)
    assert_fault(alice.put(path, {"server": {"name": ""}}), 400)


def test_all_that_is_changed_at_once_is_one_transaction(cloud, alice):
    """Seen: three, so that a server got its new name and not what was said of it beside that."""
    path, version = running(cloud, alice), {"headers": {"OpenStack-API-Version": "compute 2.19"}}
    wish = {"name": "db", "description": "mine", "accessIPv4": "1.1.1.1"}
    with statements() as sent:
        told = alice.put(path, {"server": wish}, **version).json["server"]
    assert {name: told[name] for name in wish} == wish
    assert sum(each.startswith("BEGIN IMMEDIATE") for each in sent) == 1


def test_a_locked_server_is_changed_by_administrators_alone(cloud, alice, program):
    path, bob = running(cloud, alice), program("bob", "red")
    assert act(alice, path, lock=None).status_code == 202
    assert_fault(act(bob, path, **{"os-stop": None}), 409)
    assert_fault(act(bob, path, unlock=None), 403)
    assert_fault(act(program("rita", "red"), path, lock=None), 403)
    assert act(alice, path, unlock=None).status_code == 202
    assert act(bob, path, **{"os-stop": None}).status_code == 202


def test_why_a_server_is_locked_is_told_since_2_73(cloud, alice):
    path, newest = running(cloud, alice), {"headers": {"OpenStack-API-Version": "compute 2.73"}}
    body = {"lock": {"locked_reason": "for the audit"}}
    assert alice.post(f"{path}/action", body, **newest).status_code == 202
    assert alice.get(path, **newest).json["server"]["locked_reason"] == "for the audit"
    assert_fault(alice.post(f"{path}/action", {"lock": {"colour": "red"}}, **newest), 400)
    assert act(alice, path, unlock=None).status_code == 202
    assert alice.get(path, **newest).json["server"]["locked_reason"] is None
