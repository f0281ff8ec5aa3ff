"""Placement groups, and the fields of the form that say where an instance shall be."""

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import Instance, PlacementGroup, Policy
from portal.services import aggregates, placement_groups
from portal.services.placement_groups import NewPlacementGroup
from tests.cloud import host_row


@pytest.fixture
def place(red):
    return f"{red}/placement-groups"


@pytest.fixture
def two_zones(cloud):
    cloud.add_host("kvm-2")
    cloud.settle()
    aggregates.put_into_zone(cloud.actor("ada"), host_row("kvm-2").id, "east")
    return cloud


@pytest.fixture
def make(cloud):
    """Makes a group of Alice's."""

    def make(policy: str) -> PlacementGroup:
        new = NewPlacementGroup(name="db", policy=policy)
        return placement_groups.create(cloud.actor("alice"), cloud.project().id, new)

    return make


def send(alice, place: str, **answers):
    """Alice sends the form for a group as it stands, but for these answers."""
    fields = alice.fields(f"{place}/new") | {name: [value] for name, value in answers.items()}
    return alice.send(place, fields, page=f"{place}/new")


def test_a_group_is_made_seen_and_deleted(alice, place, red, cloud):
    assert "No placement group yet" in alice.open(place).text
    assert send(alice, place, name="db", most_per_host="2").status_code == 303
    group = session.scalars(select(PlacementGroup)).one()
    assert (group.policy, group.most_per_host) == (Policy.APART, 2)
    assert "Apart, at most 2 on a host" in alice.open(place).text
    instance = cloud.running(placement_group_id=group.id)
    assert f"/instances/{instance.id}" in alice.open(place).text
    assert ">db</a>" in alice.open(f"{red}/instances/{instance.id}").text
    assert alice.send(f"{place}/{group.id}/delete", {}, page=place).status_code == 303
    assert "Its instances stay where they are" in alice.open(place).text
    assert cloud.see(instance).placement_group_id is None


def test_what_is_wrong_with_a_group_is_said_beside_its_field(alice, place):
    for answers, said in (
        ({"name": ""}, "Give it a name."),
        ({"name": "db", "most_per_host": "0"}, "From 1 to 1000."),
        ({"name": "db", "policy": "alone"}, "A policy is one of "),
    ):
        answer = send(alice, place, **answers)
        assert (answer.status_code, said in answer.text) == (422, True)


def test_the_form_for_an_instance_asks_for_a_group_when_there_is_one(alice, red, make):
    assert 'name="placement_group_id"' not in alice.open(f"{red}/instances/new").text
    group = make("soft-affinity")
    assert f'value="{group.id}">db</option>' in alice.open(f"{red}/instances/new").text


def test_the_form_for_an_instance_asks_for_a_zone_when_there_are_two(alice, red, cloud, request):
    assert 'name="zone"' not in alice.open(f"{red}/instances/new").text
    request.getfixturevalue("two_zones")
    assert 'value="east">east</option>' in alice.open(f"{red}/instances/new").text


def test_an_instance_is_made_in_the_zone_and_the_group_that_were_chosen(
    alice, red, two_zones, make
):
    group = make("affinity")
    form = f"{red}/instances/new"
    chosen = {"zone": ["east"], "placement_group_id": [str(group.id)]}
    answer = alice.send(f"{red}/instances", alice.fields(form) | chosen, page=form)
    assert answer.status_code == 303
    made = session.scalars(select(Instance)).one()
    assert (made.host_id, made.zone) == (host_row("kvm-2").id, "east")
    assert made.placement_group_id == group.id
    assert "<span>east</span>" in alice.open(answer.location).text


def test_whether_it_fits_is_said_of_the_group_that_was_chosen(alice, red, cloud, make):
    group = make("anti-affinity")
    cloud.running(placement_group_id=group.id)
    form = f"{red}/instances/new"
    answers = alice.fields(form) | {"count": ["1"]}
    page = alice.send(f"{form}/summary", answers, page=form).text
    assert "fits now" in page
    answers |= {"placement_group_id": [str(group.id)]}
    page = alice.send(f"{form}/summary", answers, page=form).text
    assert "It does not fit now: no host without another of the group db has room for it." in page


def test_what_no_host_can_take_is_said_on_the_form(alice, red, cloud, make):
    group = make("anti-affinity")
    cloud.running(placement_group_id=group.id)
    form = f"{red}/instances/new"
    chosen = {"placement_group_id": [str(group.id)]}
    answer = alice.send(f"{red}/instances", alice.fields(form) | chosen, page=form)
    assert answer.status_code == 409
    assert "No host without another of the group db has room" in answer.text
