"""SSH keys as people see them, without scripts."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from portal.db import session
from portal.models import KeyPair

KEYS = "/account/ssh-keys"


def new_key(comment: str = "") -> str:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{line} {comment}".strip()


@pytest.fixture
def key(alice):
    """A key of Alice's, named laptop."""
    alice.send(KEYS, {"public_key": new_key("laptop")}, page=f"{KEYS}/new")
    return session.scalar(select(KeyPair))


def test_an_added_key_is_offered_for_new_instances_by_its_comment(alice, red):
    assert "No SSH key yet" in alice.open(KEYS).text
    line = new_key("alice@laptop")
    answer = alice.send(KEYS, {"public_key": line}, page=f"{KEYS}/new")
    assert answer.status_code == 303
    page = alice.open(KEYS).text
    assert "alice@laptop" in page
    assert "SHA256:" in page
    assert "alice@laptop</option>" in alice.open(f"{red}/instances/new").text


def test_a_private_key_is_refused_and_not_shown_again_as_kept(alice):
    secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----"
    answer = alice.send(KEYS, {"public_key": secret, "name": "mine"}, page=f"{KEYS}/new")
    assert answer.status_code == 422
    assert "This is a private key" in answer.text
    assert "c2VjcmV0" not in answer.text
    assert 'value="mine"' in answer.text
    assert session.scalar(select(KeyPair)) is None


def test_two_keys_of_one_person_have_two_names(alice, key):
    answer = alice.send(KEYS, {"public_key": new_key(), "name": "laptop"}, page=f"{KEYS}/new")
    assert answer.status_code == 409
    assert "You have a key named laptop already." in answer.text
    answer = alice.send(KEYS, {"public_key": key.public_key, "name": "other"}, page=f"{KEYS}/new")
    assert "You have added this key already, as laptop." in answer.text


def test_a_name_is_shown_as_text(alice):
    name = "<script>alert(1)</script> 🚀"
    alice.send(KEYS, {"public_key": new_key(), "name": name}, page=f"{KEYS}/new")
    page = alice.open(KEYS).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 🚀" in page
    assert "<script>alert" not in page


def test_a_deleted_key_stays_in_the_instances_that_have_it(alice, red, cloud, key):
    instance = cloud.create("web", key_pair_id=key.id)
    answer = alice.send(f"{KEYS}/{key.id}/delete")
    assert answer.status_code == 303
    assert "No SSH key yet" in alice.open(KEYS).text
    assert cloud.see(instance).public_keys == [["laptop", key.public_key]]


def test_other_peoples_keys_do_not_exist(sign_in, key):
    bob = sign_in("bob")
    place = f"{KEYS}/{key.id}/delete"
    assert bob.open(place).status_code == 404
    assert bob.send(place, page=f"{KEYS}/new").status_code == 404
    assert "laptop" not in bob.open(KEYS).text
    assert session.scalar(select(KeyPair.id)) == key.id
