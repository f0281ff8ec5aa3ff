"""Access keys, as their users see them, without scripts."""

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import AccessKey
from portal.services import access_keys

KEYS = "/account/access-keys"


@pytest.fixture
def place(alice, cloud) -> str:
    """The page of a key that Alice has made."""
    fields = {"name": "backup", "project": str(cloud.project().id)}
    answer = alice.send(KEYS, fields, page=KEYS)
    assert answer.status_code == 303
    return answer.location


def test_a_key_that_is_made_is_shown_with_its_secret_on_its_page_alone(alice, cloud, place):
    key = session.scalar(select(AccessKey))
    secret = access_keys.secret_of(cloud.actor("alice"), key)
    page = alice.open(place)
    assert secret in page.text
    assert page.headers["Cache-Control"] == "no-store"
    listed = alice.open(KEYS).text
    assert key.access[:8] in listed
    assert "backup" in listed
    assert secret not in listed


def test_nobody_sees_the_key_of_somebody_else(sign_in, ada, place):
    for each in (sign_in("bob"), ada):
        assert each.open(place).status_code == 404


def test_a_project_that_one_is_not_in_is_no_choice(alice, cloud):
    answer = alice.send(KEYS, {"project": str(cloud.project("blue").id)}, page=KEYS)
    assert answer.status_code == 422


def test_a_key_is_deleted(alice, place):
    assert alice.send(f"{place}/delete").location == KEYS
    assert alice.open(place).status_code == 404
    assert "No access key yet." in alice.open(KEYS).text
