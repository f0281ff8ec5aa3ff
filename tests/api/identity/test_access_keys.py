"""Access keys for EC2 and S3, as clients read and make them."""

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import AccessKey, Activity
from portal.services import access_keys, deletions, departures
from tests.api.identity.people import V3, id_of
from tests.api.shapes import assert_fault


@pytest.fixture
def path():
    return f"{V3}/users/{id_of('alice')}/credentials/OS-EC2"


@pytest.fixture
def key(alice, cloud, path) -> dict:
    answer = alice.post(path, {"tenant_id": cloud.project().id.hex})
    assert answer.status_code == 201
    return answer.json["credential"]


def test_a_key_is_shown_whole_to_its_user_alone(cloud, alice, program, path, key):
    assert key["user_id"] == id_of("alice")
    assert key["tenant_id"] == cloud.project().id.hex
    assert alice.get(f"{path}/{key['access']}").json["credential"] == key
    assert alice.get(path).json["credentials"] == [key]
    [seen] = program("ada", "red").get(path).json["credentials"]
    assert seen == key | {"secret": None}
    assert_fault(program("bob", "red").get(path), 403)
    assert_fault(program("bob", "red").get(f"{path}/{key['access']}"), 403)


def test_a_secret_is_kept_encrypted_and_is_in_no_record(cloud, key):
    kept = session.scalar(select(AccessKey).where(AccessKey.access == key["access"]))
    assert key["secret"] not in kept.sealed_secret
    assert access_keys.secret_of(cloud.actor("alice"), kept) == key["secret"]
    entry = session.scalar(select(Activity).where(Activity.action == "access_keys:create"))
    assert key["secret"] not in str((entry.before, entry.after))
    assert entry.target_name == key["access"]


def test_nobody_makes_one_for_others_or_for_a_project_they_are_not_in(cloud, alice, program, path):
    red, blue = (cloud.project(name).id.hex for name in ("red", "blue"))
    assert_fault(program("ada", "red").post(path, {"tenant_id": red}), 403)
    assert_fault(alice.post(path, {"tenant_id": blue}), 404)
    assert_fault(alice.post(path, {"tenant_id": "red"}), 400)


def test_an_application_credential_learns_and_makes_none(cloud, alice, program, path, key):
    wish = {"application_credential": {"name": "ci"}}
    made = alice.post(f"{V3}/users/{id_of('alice')}/application_credentials", wish)
    said = {each: made.json["application_credential"][each] for each in ("id", "secret")}
    identity = {"methods": ["application_credential"], "application_credential": said}
    answer = program().post(f"{V3}/auth/tokens", {"auth": {"identity": identity}})
    alice.token = answer.headers["X-Subject-Token"]
    assert_fault(alice.get(path), 403)
    assert_fault(alice.post(path, {"tenant_id": cloud.project().id.hex}), 403)


def test_a_key_that_is_deleted_is_gone(alice, program, path, key):
    assert_fault(program("bob", "red").delete(f"{path}/{key['access']}"), 403)
    assert alice.delete(f"{path}/{key['access']}").status_code == 204
    assert_fault(alice.get(f"{path}/{key['access']}"), 404)
    assert_fault(alice.delete(f"{path}/{key['access']}"), 404)


def test_a_user_takes_their_keys_along(cloud, key):
    departures.delete(cloud.actor("ada"), cloud.actor("alice").user_id)
    assert session.scalar(select(AccessKey.id)) is None


def test_a_project_takes_the_keys_to_it_along(cloud, key):
    deletions.delete(cloud.actor("ada"), cloud.project().id)
    cloud.settle()
    session.rollback()
    assert session.scalar(select(AccessKey.id)) is None


def test_the_same_request_twice_makes_one_key(cloud, alice, path, program):
    wish, once = {"tenant_id": str(cloud.project().id)}, {"Idempotency-Key": "of the backup"}
    first, again = (alice.post(path, wish, headers=once) for _ in range(2))
    assert first.json == again.json
    assert len(alice.get(path).json["credentials"]) == 1
    rita = program("rita", "red")
    theirs = f"/identity/v3/users/{cloud.actor('rita').user_id.hex}/credentials/OS-EC2"
    assert_fault(rita.post(theirs, wish, headers=once), 409)
