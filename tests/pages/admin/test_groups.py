"""Groups, as administrators and admins of projects see them, without scripts."""

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import Group, Role, User
from portal.services import projects

GROUPS = "/admin/groups"


@pytest.fixture
def crew(ada) -> str:
    """The page of a group that Charlie is in."""
    fields = {"name": "crew", "description": "of the ship"}
    place = ada.send(GROUPS, fields, page=f"{GROUPS}/new").location
    assert ada.send(f"{place}/members", {"user_name": "charlie"}, page=place).status_code == 303
    return place


def id_of(model, name: str):
    return session.scalar(select(model.id).where(model.name == name))


def test_a_list_says_what_groups_are_for_and_who_may_make_them(ada, crew, alice):
    page = ada.open(GROUPS).text
    assert "of the ship" in page
    assert "Create group" in page
    assert "No group&#39;s name holds that." not in ada.open(f"{GROUPS}?q=cre").text
    assert "crew" not in ada.open(f"{GROUPS}?q=%25").text.partition("<main")[2]
    assert alice.open(GROUPS).status_code == 403
    answer = ada.send(GROUPS, {"name": "Crew"}, page=f"{GROUPS}/new")
    assert answer.status_code == 409
    assert "reads like it" in answer.text


def test_without_a_group_the_page_says_what_one_is(ada):
    assert "No group yet" in ada.open(GROUPS).text


def test_a_group_that_is_in_a_project_lets_its_people_in(ada, alice, sign_in, crew, red):
    charlie, members = sign_in("charlie"), f"{red}/members"
    assert charlie.open(f"{red}/instances").status_code == 404
    fields = {"group_name": " crew ", "role": "reader"}
    assert alice.send(f"{members}/groups", fields, page=members).status_code == 303
    page = alice.open(members).text
    assert "Who is in the group crew is reader of this project." in page
    assert "charlie" in page
    assert charlie.open(f"{red}/instances").status_code == 200
    assert charlie.open(f"{red}/instances/new").status_code == 403
    assert ">red<" in charlie.open(f"{red}/instances").text.replace("\n", "")
    place = f"{members}/groups/{id_of(Group, 'crew')}"
    alice.send(f"{place}/role", {"role": "member"}, page=members)
    assert charlie.open(f"{red}/instances/new").status_code == 200
    assert ", by <a" in ada.open(f"/admin/users/{id_of(User, 'charlie')}").text
    assert alice.send(f"{place}/remove").status_code == 303
    assert charlie.open(f"{red}/instances").status_code == 404


def test_whoever_is_taken_out_of_a_group_is_out_at_once(ada, alice, sign_in, crew, red):
    members = f"{red}/members"
    alice.send(f"{members}/groups", {"group_name": "crew", "role": "admin"}, page=members)
    charlie = sign_in("charlie")
    assert charlie.open(members).status_code == 200
    answer = ada.send(f"{crew}/members/{id_of(User, 'charlie')}/remove", page=crew)
    assert answer.status_code == 303
    assert charlie.open(members).status_code == 404


def test_whoever_alone_is_admin_of_a_project_by_a_group_is_said_before_they_go(
    ada, alice, crew, red, cloud
):
    members = f"{red}/members"
    alice.send(f"{members}/groups", {"group_name": "crew", "role": "admin"}, page=members)
    page = f"/admin/users/{id_of(User, 'charlie')}/delete"
    assert "admin of blue, red." not in ada.open(page).text
    projects.set_member(cloud.actor("ada"), cloud.project().id, "alice", Role.MEMBER)
    assert "Nobody else is admin of blue, red." in ada.open(page).text


@pytest.mark.parametrize("name", ["nobody", "", "<script>"])
def test_names_that_nothing_bears_are_refused_beside_their_fields(ada, alice, crew, red, name):
    answer = ada.send(f"{crew}/members", {"user_name": name}, page=crew)
    assert answer.status_code == 422
    assert 'id="user_name-wrong"' in answer.text
    members = f"{red}/members"
    fields = {"group_name": name, "role": "reader"}
    answer = alice.send(f"{members}/groups", fields, page=members)
    assert answer.status_code == 422
    assert 'id="group_name-wrong"' in answer.text


def test_a_role_in_the_cloud_counts_for_everybody_in_the_group(ada, sign_in, crew):
    assert ada.send(f"{crew}/role", {"role": "reader"}, page=crew).status_code == 303
    charlie = sign_in("charlie")
    assert charlie.open(GROUPS).status_code == 200
    assert charlie.open(f"{GROUPS}/new").status_code == 403
    ada.send(f"{crew}/role", {"role": ""}, page=crew)
    assert charlie.open(GROUPS).location.startswith("/login")


def test_a_group_is_deleted_once_its_name_was_typed(ada, crew):
    answer = ada.send(f"{crew}/delete", {"confirm": "other"}, page=f"{crew}/delete")
    assert answer.status_code == 422
    assert ada.send(f"{crew}/delete", {"confirm": "crew"}, page=f"{crew}/delete").location == GROUPS
    assert ada.open(crew).status_code == 404
    assert id_of(User, "charlie")
