"""A lamp is lit, mended when its host lost it, and removed: the engine carries it like any noun."""

import pytest

from portal.models import Outcome
from portal.services import lamps
from tests.cloud import host_row


@pytest.fixture
def lamp(cloud):
    """A lamp that is lit in red."""
    made = lamps.create(cloud.actor("alice"), cloud.project().id, "desk", "red", host_row().id)
    cloud.settle()
    return made


def lit(cloud) -> list[str]:
    return [each["colour"] for each in cloud.hosts["kvm-1"].every("lamp").values()]


def test_a_created_lamp_is_lit_on_its_host(cloud, lamp):
    assert lit(cloud) == [cloud.see(lamp).observed_colour] == ["red"]
    assert [each.outcome for each in cloud.operations(lamp)] == [Outcome.DONE]


def test_a_lamp_that_its_host_lost_is_lit_again(cloud, lamp):
    cloud.hosts["kvm-1"].drop("lamp", str(lamp.id))
    cloud.look()
    assert cloud.see(lamp).observed_colour == ""
    cloud.settle()
    assert lit(cloud) == ["red"]
    assert [each.action for each in cloud.operations(lamp)] == ["create", "repair"]


def test_a_deleted_lamp_is_gone(cloud, lamp):
    lamps.delete(cloud.actor("alice"), lamp.project_id, lamp.id)
    cloud.settle()
    assert lit(cloud) == []
    assert cloud.see(lamp).deleted_at
