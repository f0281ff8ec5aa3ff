"""Sizes, as programs choose them."""

import uuid

import pytest

from portal.db import session
from portal.models import Flavor
from portal.services import flavors
from tests.api.shapes import assert_fault

FLAVORS = "/compute/v2.1/flavors"


def names(answer) -> list[str]:
    return [each["name"] for each in answer.json["flavors"]]


def wish(**changes) -> dict:
    return {"flavor": {"name": "tiny", "ram": 256, "vcpus": 1, "disk": 1} | changes}


def test_the_menu_is_listed_smallest_first(alice):
    assert names(alice.get(FLAVORS)) == ["small", "large"]
    [small, _] = alice.get(f"{FLAVORS}/detail").json["flavors"]
    assert (small["ram"], small["vcpus"], small["disk"], small["swap"]) == (512, 1, 2, "")
    assert alice.get(f"{FLAVORS}/{small['id']}").json["flavor"] == small
    assert alice.get(f"{FLAVORS}/{small['id']}/os-extra_specs").json == {"extra_specs": {}}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("minRam=1000", ["large"]),
        ("minDisk=3", ["large"]),
        ("is_public=None", ["small", "large"]),
        ("is_public=False", []),
        ("sort_key=name&sort_dir=asc", ["large", "small"]),
        ("limit=1", ["small"]),
    ],
)
def test_the_menu_is_narrowed_and_ordered(alice, query, expected):
    assert names(alice.get(f"{FLAVORS}?{query}")) == expected


def test_whoever_follows_the_links_reads_the_whole_menu(alice):
    first = alice.get(f"{FLAVORS}?limit=1").json
    [following] = first["flavors_links"]
    assert names(alice.get(following["href"].removeprefix("http://localhost"))) == ["large"]


@pytest.mark.parametrize("query", ["minRam=much", "sort_key=colour", "marker=x", "is_public=x"])
def test_what_cannot_be_meant_is_refused(alice, query):
    assert_fault(alice.get(f"{FLAVORS}?{query}"), 400)


def test_what_is_no_longer_offered_is_seen_by_administrators_of_the_cloud_alone(
    cloud, alice, program
):
    small = session.query(Flavor).filter_by(name="small").one()
    flavors.enable(cloud.actor("ada"), small.id, enabled=False)
    assert names(alice.get(FLAVORS)) == ["large"]
    assert names(program("ada", "system").get(FLAVORS)) == ["small", "large"]


def test_administrators_of_the_cloud_keep_the_menu(program, alice):
    ada, chosen = program("ada", "system"), str(uuid.uuid4())
    made = ada.post(FLAVORS, wish(id=chosen, ram="256"))
    assert (made.status_code, made.json["flavor"]["id"]) == (200, chosen)
    assert names(alice.get(FLAVORS)) == ["tiny", "small", "large"]
    assert_fault(ada.post(FLAVORS, wish(name="other", id=chosen)), 409)
    assert_fault(ada.post(FLAVORS, wish()), 409)
    assert ada.delete(f"{FLAVORS}/{chosen}").status_code == 202
    assert_fault(alice.get(f"{FLAVORS}/{chosen}"), 404)
    assert_fault(alice.post(FLAVORS, wish()), 403)


@pytest.mark.parametrize(
    "changes",
    [
        {"ram": 0},
        {"ram": "much"},
        {"vcpus": -1},
        {"swap": 512},
        {"name": ""},
        {"name": "x" * 256},
        {"id": "m1"},
        {"os-flavor-access:is_public": False},
        {"colour": "red"},
    ],
)
def test_a_size_that_cannot_be_is_refused(program, changes):
    assert_fault(program("ada", "system").post(FLAVORS, wish(**changes)), 400)
