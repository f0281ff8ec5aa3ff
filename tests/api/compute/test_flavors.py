"""Sizes, as programs choose them."""

import uuid

import pytest

from portal.db import session
from portal.models import Flavor
from portal.services import flavors
from tests.api.bodies import an_ordinary_server
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
        ("is_public=False", ["small", "large"]),  # a question for administrators
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
        {"id": "m1/x"},
        {"os-flavor-access:is_public": "perhaps"},
        {"colour": "red"},
    ],
)
def test_a_size_that_cannot_be_is_refused(program, changes):
    assert_fault(program("ada", "system").post(FLAVORS, wish(**changes)), 400)


PRIVATE = {"os-flavor-access:is_public": "False"}


def test_a_private_flavor_is_there_for_those_alone_to_whom_it_is_given(cloud, program, alice):
    ada, charlie = program("ada", "system"), program("charlie", "blue")
    path = f"{FLAVORS}/{ada.post(FLAVORS, wish(**PRIVATE)).json['flavor']['id']}"
    red, blue = (cloud.project(each).id.hex for each in ("red", "blue"))
    assert names(ada.get(FLAVORS)) == ["small", "large"]
    assert names(ada.get(f"{FLAVORS}?is_public=None")) == ["tiny", "small", "large"]
    assert names(ada.get(f"{FLAVORS}?is_public=f")) == ["tiny"]
    server = {"server": an_ordinary_server(flavorRef=path.rpartition("/")[2])}
    for each in (alice, charlie):
        assert_fault(each.get(path), 404)
        assert names(each.get(FLAVORS)) == ["small", "large"]
        assert_fault(each.post("/compute/v2.1/servers", server), 400)
    given = ada.post(f"{path}/action", {"addTenantAccess": {"tenant": red}})
    [row] = given.json["flavor_access"]
    assert (row["tenant_id"], ada.get(f"{path}/os-flavor-access").json) == (red, given.json)
    assert names(alice.get(f"{FLAVORS}/detail")) == ["tiny", "small", "large"]
    assert_fault(charlie.get(path), 404)
    assert_fault(ada.post(f"{path}/action", {"addTenantAccess": {"tenant": red}}), 409)
    assert_fault(ada.post(f"{path}/action", {"removeTenantAccess": {"tenant": blue}}), 404)
    assert_fault(ada.post(f"{path}/action", {"addTenantAccess": {"tenant": "nobody"}}), 400)
    assert_fault(alice.post(f"{path}/action", {"addTenantAccess": {"tenant": blue}}), 403)
    taken = ada.post(f"{path}/action", {"removeTenantAccess": {"tenant": red}})
    assert taken.json == {"flavor_access": []}
    assert_fault(alice.get(path), 404)
    assert ada.delete(path).status_code == 202


def test_a_flavor_for_everybody_is_given_to_nobody_besides(cloud, program):
    ada = program("ada", "system")
    path = f"{FLAVORS}/{ada.get(FLAVORS).json['flavors'][0]['id']}"
    assert_fault(ada.get(f"{path}/os-flavor-access"), 404)
    wanted = {"addTenantAccess": {"tenant": cloud.project("red").id.hex}}
    assert_fault(ada.post(f"{path}/action", wanted), 409)


@pytest.mark.parametrize("chosen", [1234, "1234", "m1.tiny", "auto", None])
def test_a_flavor_has_the_id_that_was_chosen_for_it(program, alice, chosen):
    ada = program("ada", "system")
    made = ada.post(FLAVORS, wish(id=chosen)).json["flavor"]["id"]
    assert made == str(chosen) if chosen not in ("auto", None) else uuid.UUID(made)
    assert alice.get(f"{FLAVORS}/{made}").json["flavor"]["name"] == "tiny"
    assert_fault(ada.post(FLAVORS, wish(name="other", id=made)), 409)


def test_extra_specs_are_set_shown_and_taken_away(program, alice):
    ada = program("ada", "system")
    path = f"{FLAVORS}/{ada.post(FLAVORS, wish()).json['flavor']['id']}/os-extra_specs"
    specs = {"hw:numa_nodes": "1", "rack": "7"}
    assert ada.post(path, {"extra_specs": specs}).json == {"extra_specs": specs}
    assert ada.put(f"{path}/rack", {"rack": 8}).json == {"rack": "8"}
    assert alice.get(path).json == {"extra_specs": specs | {"rack": "8"}}
    assert alice.get(f"{path}/rack").json == {"rack": "8"}
    assert_fault(ada.put(f"{path}/rack", {"shelf": "8"}), 400)
    assert_fault(ada.post(path, {"extra_specs": {"a/b": "1"}}), 400)
    newer = {"headers": {"OpenStack-API-Version": "compute 2.86"}}
    wrong = {"extra_specs": {"hw:cpu_policy": "perhaps"}}
    assert_fault(ada.post(path, wrong, **newer), 400)
    assert_fault(alice.post(path, {"extra_specs": specs}), 403)
    assert ada.delete(f"{path}/rack").status_code == 200
    assert_fault(ada.delete(f"{path}/rack"), 404)
    assert_fault(alice.get(f"{path}/rack"), 404)


def test_a_server_keeps_the_name_of_a_flavor_that_is_gone(cloud, program, alice):
    ada = program("ada", "system")
    path = f"{FLAVORS}/{ada.post(FLAVORS, wish(id='m1.tiny', disk=2)).json['flavor']['id']}"
    made = alice.post("/compute/v2.1/servers", {"server": an_ordinary_server(flavorRef="m1.tiny")})
    assert ada.delete(path).status_code == 202
    server = f"/compute/v2.1/servers/{made.json['server']['id']}"
    assert alice.get(server).json["server"]["flavor"]["id"] == "m1.tiny"
    newer = {"headers": {"OpenStack-API-Version": "compute 2.47"}}
    told = alice.get(server, **newer).json["server"]["flavor"]
    assert (told["original_name"], told["ram"], told["extra_specs"]) == ("tiny", 256, {})
    assert len(alice.get("/compute/v2.1/servers?flavor=m1.tiny").json["servers"]) == 1
