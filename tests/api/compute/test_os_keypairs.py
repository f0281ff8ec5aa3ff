"""SSH keys of whoever asks."""

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from portal.db import session
from portal.models import Activity
from tests.api.bodies import an_ordinary_server
from tests.api.shapes import assert_fault

KEYS = "/compute/v2.1/os-keypairs"
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqp5fQq1rYt3D0nQ8g3V1gO9Yw8Y4gJvT1cW1Zb4H0E laptop"


def wish(**changes) -> dict:
    return {"keypair": {"name": "laptop", "public_key": PUBLIC} | changes}


def test_a_key_that_is_given_is_kept_and_found_by_its_name(alice):
    made = alice.post(KEYS, wish())
    assert made.status_code == 200
    assert "private_key" not in made.json["keypair"]
    shown = alice.get(f"{KEYS}/laptop").json["keypair"]
    assert (shown["public_key"], shown["deleted"]) == (PUBLIC, False)
    [listed] = alice.get(KEYS).json["keypairs"]
    assert listed["keypair"]["fingerprint"] == shown["fingerprint"]
    assert alice.delete(f"{KEYS}/laptop").status_code == 202
    assert alice.get(KEYS).json == {"keypairs": []}
    assert_fault(alice.get(f"{KEYS}/laptop"), 404)


def test_whoever_gives_none_gets_both_halves_and_the_private_one_is_not_kept(alice):
    made = alice.post(KEYS, {"keypair": {"name": "made"}}).json["keypair"]
    private = load_ssh_private_key(made["private_key"].encode(), None)
    assert private.public_key() == load_ssh_public_key(made["public_key"].encode())
    assert "private_key" not in alice.get(f"{KEYS}/made").json["keypair"]
    assert not any("PRIVATE" in repr(vars(each)) for each in session.query(Activity))


def test_nobody_finds_anothers_key(alice, program):
    alice.post(KEYS, wish())
    assert_fault(program("bob", "red").get(f"{KEYS}/laptop"), 404)
    assert_fault(program("bob", "red").delete(f"{KEYS}/laptop"), 404)


def test_a_name_is_borne_once(alice):
    alice.post(KEYS, wish())
    assert_fault(alice.post(KEYS, {"keypair": {"name": "laptop"}}), 409)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"name": "key_/.\\@:"},
        {"public_key": "ssh-rsa JUNK nova@ubuntu"},
        {"type": "ssh"},
        {"colour": "red"},
    ],
)
def test_what_is_no_key_is_refused(alice, changes):
    assert_fault(alice.post(KEYS, wish(**changes)), 400)


def test_keys_are_listed_page_by_page_since_2_35(alice):
    for name in ("c", "a", "b"):
        alice.post(KEYS, {"keypair": {"name": name}})
    assert len(alice.get(f"{KEYS}?limit=1").json["keypairs"]) == 3
    newer = {"headers": {"OpenStack-API-Version": "compute 2.35"}}
    first = alice.get(f"{KEYS}?limit=2", **newer).json
    assert [each["keypair"]["name"] for each in first["keypairs"]] == ["a", "b"]
    [following] = first["keypairs_links"]
    rest = alice.get(following["href"].removeprefix("http://localhost"), **newer).json
    assert [each["keypair"]["name"] for each in rest["keypairs"]] == ["c"]
    assert "keypairs_links" not in rest
    assert_fault(alice.get(f"{KEYS}?marker=nobody's", **newer), 400)


def test_administrators_of_the_cloud_keep_somebody_elses_keys_since_2_10(cloud, program, alice):
    ada, bob = program("ada", "system"), cloud.actor("bob").user_id.hex
    newer = {"headers": {"OpenStack-API-Version": "compute 2.10"}}
    made = ada.post(KEYS, wish(user_id=bob), **newer).json["keypair"]
    assert made["user_id"] == bob
    [listed] = ada.get(f"{KEYS}?user_id={bob}", **newer).json["keypairs"]
    assert listed["keypair"]["name"] == "laptop"
    assert program("bob", "red").get(f"{KEYS}/laptop").status_code == 200
    assert_fault(alice.get(f"{KEYS}?user_id={bob}", **newer), 403)
    assert_fault(alice.post(KEYS, wish(user_id=bob), **newer), 403)
    assert_fault(alice.delete(f"{KEYS}/laptop?user_id={bob}", **newer), 403)
    assert ada.delete(f"{KEYS}/laptop?user_id={bob}", **newer).status_code == 204
    assert ada.get(f"{KEYS}?user_id={bob}", **newer).json["keypairs"] == []


def test_since_2_92_a_key_is_brought_along(alice):
    newest = {"headers": {"OpenStack-API-Version": "compute 2.92"}}
    assert_fault(alice.post(KEYS, {"keypair": {"name": "laptop"}}, **newest), 400)
    assert alice.post(KEYS, wish(name="me@laptop.local"), **newest).status_code == 201
    assert_fault(alice.post(KEYS, {"keypair": {"name": "me@work"}}), 400)


def test_certificates_are_kept_since_2_2_and_put_into_no_guest(cloud, alice):
    newer = {"headers": {"OpenStack-API-Version": "compute 2.2"}}
    wished = {"keypair": {"name": "windows", "type": "x509"}}
    made = alice.post(KEYS, wished, **newer).json["keypair"]
    assert "BEGIN RSA PRIVATE KEY" in made["private_key"]
    shown = alice.get(f"{KEYS}/windows", **newer).json["keypair"]
    assert (shown["type"], shown["fingerprint"]) == ("x509", made["fingerprint"])
    assert shown["public_key"].startswith("-----BEGIN CERTIFICATE-----")
    alice.delete(f"{KEYS}/windows")
    given = {"keypair": wished["keypair"] | {"public_key": made["public_key"]}}
    assert alice.post(KEYS, given, **newer).json["keypair"]["fingerprint"] == made["fingerprint"]
    assert_fault(
        alice.post(KEYS, {"keypair": given["keypair"] | {"public_key": "x"}}, **newer), 400
    )
    server = {"server": an_ordinary_server(key_name="windows")}
    assert "certificate" in assert_fault(alice.post("/compute/v2.1/servers", server), 400)
