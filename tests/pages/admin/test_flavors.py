"""The menu of sizes as administrators keep it, without scripts."""

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import Flavor
from portal.services import flavors

MENU = "/admin/flavors"
TINY = {"name": "tiny", "vcpus": "1", "memory_mib": "256", "disk_gib": "1"}


def small():
    return session.scalar(select(Flavor).where(Flavor.name == "small"))


def test_a_new_size_is_offered_to_everybody(ada, alice, red):
    assert ada.send(MENU, TINY, page=f"{MENU}/new").status_code == 303
    assert "256 MiB" in ada.open(MENU).text
    assert "1 vCPU, 256 MiB, 1 GiB disk" in alice.open(f"{red}/instances/new").text


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("vcpus", "0", "A whole number from 1 to 288."),
        ("vcpus", "289", "A whole number from 1 to 288."),
        ("memory_mib", "63", "A whole number from 64 to 8,388,608."),
        ("disk_gib", "-1", "A whole number from 1 to 65,536."),
        ("disk_gib", "99999999999999999999", "A whole number from 1 to 65,536."),
        ("disk_gib", "ten", "Not a valid integer value."),
        ("name", "", "Give it a name."),
        ("name", "x" * 256, "at most 255 characters; this one has 256"),
    ],
)
def test_a_size_that_makes_no_sense_is_refused_beside_its_field(ada, field, value, sentence):
    answer = ada.send(MENU, TINY | {field: value}, page=f"{MENU}/new")
    assert answer.status_code == 422
    assert sentence in answer.text


def test_two_flavors_have_two_names(ada):
    answer = ada.send(MENU, TINY | {"name": "small"}, page=f"{MENU}/new")
    assert answer.status_code == 409
    assert "There is a flavor named small already." in answer.text


def test_what_is_not_offered_cannot_be_chosen_and_changes_nothing_that_runs(ada, alice, red, cloud):
    cloud.create("web")
    assert ada.send(f"{MENU}/{small().id}/disable", page=MENU).status_code == 303
    assert "Not offered" in ada.open(MENU).text
    form = f"{red}/instances/new"
    fields = alice.fields(form) | {"flavor_id": [str(small().id)]}
    answer = alice.send(f"{red}/instances", fields, page=form)
    assert answer.status_code == 422
    assert "Choose a flavor from the list." in answer.text
    assert ada.send(f"{MENU}/{small().id}/enable", page=MENU).status_code == 303
    assert alice.send(f"{red}/instances", fields, page=form).status_code == 303


def test_a_deleted_flavor_stays_with_its_instances(ada, alice, red, cloud):
    instance = cloud.create("web")
    place = f"{MENU}/{small().id}/delete"
    assert ada.send(place, {"confirm": "large"}).status_code == 422
    assert ada.send(place, {"confirm": "small"}).status_code == 303
    assert small() is None
    assert "small" in alice.open(f"{red}/instances/{instance.id}").text


def test_a_projects_admin_keeps_no_menu_of_the_cloud(alice):
    assert alice.open(MENU).status_code == 403
    for path in ("", "/new", f"/{small().id}/delete"):
        assert alice.open(MENU + path).status_code == 403
    for path in ("", *(f"/{small().id}/{act}" for act in ("enable", "disable", "delete"))):
        answer = alice.send(MENU + path, TINY | {"confirm": "small"}, page="/account/password")
        assert answer.status_code == 403
    assert small().enabled


def test_an_auditor_of_the_cloud_sees_no_way_to_change_the_menu(auditor):
    page = auditor.open(MENU).text
    assert "small" in page
    for word in ("/new", "/delete", "/disable"):
        assert word not in page
    answer = auditor.send(f"{MENU}/{small().id}/disable", page="/account/password")
    assert answer.status_code == 403


PRIVATE = flavors.NewFlavor(name="private", public=False, vcpus=1, memory_mib=512, disk_gib=2)


def test_the_menu_says_for_whom_each_flavor_is(cloud, ada):
    page = ada.open(MENU).text
    assert "Every project" in page
    assert "No project yet" not in page
    made = flavors.create(cloud.actor("ada"), PRIVATE)
    assert "No project yet" in ada.open(MENU).text
    for name in ("red", "blue"):
        flavors.give(cloud.actor("ada"), str(made.id), cloud.project(name).id)
    assert "blue, red" in ada.open(MENU).text


def test_the_form_offers_a_private_flavor_to_its_projects_alone(cloud, alice, red):
    made = flavors.create(cloud.actor("ada"), PRIVATE)
    assert str(made.id) not in alice.open(f"{red}/instances/new").text
    flavors.give(cloud.actor("ada"), str(made.id), cloud.project("red").id)
    assert str(made.id) in alice.open(f"{red}/instances/new").text
