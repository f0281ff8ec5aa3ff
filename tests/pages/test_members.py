"""Who works in a project, as its people see it, without scripts."""

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import User


@pytest.fixture
def members(red):
    return f"{red}/members"


def id_of(name: str):
    return session.scalar(select(User.id).where(User.name == name))


def test_somebody_added_by_name_may_work_at_once(alice, sign_in, members, red):
    charlie = sign_in("charlie")
    assert charlie.open(f"{red}/instances").status_code == 404
    answer = alice.send(members, {"user_name": " charlie ", "role": "reader"})
    assert answer.status_code == 303
    assert "charlie is reader of this project." in alice.open(members).text
    assert charlie.open(f"{red}/instances").status_code == 200


@pytest.mark.parametrize("name", ["nobody", "", "<script>"])
def test_a_name_that_nobody_bears_is_refused_beside_its_field(alice, members, name):
    answer = alice.send(members, {"user_name": name, "role": "reader"})
    assert answer.status_code == 422
    assert "There is no user of that name." in answer.text
    assert 'id="user_name-wrong"' in answer.text


def test_a_role_that_is_none_is_refused(alice, members):
    answer = alice.send(members, {"user_name": "charlie", "role": "owner"})
    assert answer.status_code == 422
    assert "Not a valid choice." in answer.text


def test_a_weaker_role_and_a_removal_count_at_once_and_end_no_session(alice, sign_in, members, red):
    bob, place = sign_in("bob"), f"{members}/{id_of('bob')}"
    assert alice.send(f"{place}/role", {"role": "reader"}, page=members).status_code == 303
    assert bob.open(f"{red}/instances/new").status_code == 403
    assert bob.open(members).status_code == 200
    assert alice.send(f"{place}/remove").status_code == 303
    assert bob.open(members).status_code == 404
    assert bob.open("/account/password").status_code == 200


def test_a_project_keeps_its_last_admin(alice, members):
    place = f"{members}/{id_of('alice')}"
    for path, page in ((f"{place}/role", members), (f"{place}/remove", f"{place}/remove")):
        answer = alice.send(path, {"role": "member"}, page=page)
        assert answer.status_code == 422
        assert "alice is the last admin of red." in answer.text
    alice.send(members, {"user_name": "bob", "role": "admin"})
    assert alice.send(f"{place}/remove").status_code == 303
    assert alice.open(members).status_code == 404
    assert alice.open("/account/password").status_code == 200


def test_a_member_looks_and_decides_nothing(sign_in, members):
    for name in ("bob", "rita"):
        person = sign_in(name)
        page = person.open(members).text
        assert "alice" in page
        assert "/remove" not in page
        assert "Add somebody" not in page
        place = f"{members}/{id_of('rita')}"
        assert person.open(f"{place}/remove").status_code == 403
        fields = {"user_name": name, "role": "admin"}
        for path in (members, f"{place}/role", f"{place}/remove"):
            assert person.send(path, fields, page="/account/ssh-keys/new").status_code == 403


def test_strangers_see_no_members_and_change_none(sign_in, members, cloud):
    charlie = sign_in("charlie")
    place = f"{members}/{id_of('rita')}"
    assert charlie.open(members).status_code == 404
    for path in (members, f"{place}/role", f"{place}/remove"):
        fields = {"user_name": "charlie", "role": "admin"}
        assert charlie.send(path, fields, page="/account/ssh-keys/new").status_code == 404
    own = f"/projects/{cloud.project('blue').id}/members/{id_of('rita')}"
    assert charlie.send(f"{own}/remove", page="/account/ssh-keys/new").status_code == 404
