"""Roles, and who has which where, as clients read and change them."""

import pytest

from portal.api import roles
from portal.db import session
from portal.errors import Forbidden, Refused
from portal.models import Role
from portal.services import cloud_roles, deletions, projects, users
from tests.api.identity.people import V3, assignments, granted, id_of, in_cloud, names, role_of
from tests.api.shapes import assert_fault
from tests.programs import by_password


@pytest.fixture
def ada(program):
    return program("ada", "red")


def test_there_are_four_roles_and_they_are_found_by_name(ada):
    assert names(ada.get(f"{V3}/roles"), "roles") == ["reader", "member", "manager", "admin"]
    [found] = ada.get(f"{V3}/roles?name=member").json["roles"]
    assert ada.get(f"{V3}/roles/{found['id']}").json["role"] == found
    assert ada.get(f"{V3}/roles?name=none").json["roles"] == []
    assert_fault(ada.get(f"{V3}/roles/{'0' * 32}"), 404)


def test_roles_are_given_looked_for_and_taken(cloud, program):
    alice = program("alice", "red")
    path = granted(cloud, "charlie", "member")
    assert_fault(alice.get(path), 404)
    for _ in range(2):
        assert alice.put(path).status_code == 204
    assert role_of(cloud, "charlie") is Role.MEMBER
    assert alice.get(path).status_code == 204
    assert alice.ask("HEAD", path).status_code == 204
    assert alice.get(granted(cloud, "charlie", "reader")).status_code == 204
    assert alice.get(granted(cloud, "charlie", "manager")).status_code == 404
    assert alice.delete(path).status_code == 204
    assert role_of(cloud, "charlie") is None
    assert_fault(alice.delete(path), 404)


def test_a_weaker_role_takes_nothing_from_a_stronger_one(cloud, program):
    alice = program("alice", "red")
    assert alice.put(granted(cloud, "bob", "reader")).status_code == 204
    assert role_of(cloud, "bob") is Role.MEMBER
    assert_fault(alice.delete(granted(cloud, "bob", "reader")), 409)
    assert alice.put(granted(cloud, "bob", "manager")).status_code == 204
    assert role_of(cloud, "bob") is Role.ADMIN


def test_a_project_keeps_an_administrator(cloud, program):
    alice = program("alice", "red")
    assert_fault(alice.delete(granted(cloud, "alice", "manager")), 400)
    assert role_of(cloud, "alice") is Role.ADMIN


def test_nobody_comes_to_look_after_the_cloud_by_way_of_a_project(cloud, program):
    assert_fault(program("alice", "red").put(granted(cloud, "bob", "admin")), 403)
    assert role_of(cloud, "bob") is Role.MEMBER
    assert cloud.actor("bob").system is None


def test_admin_of_a_project_looks_after_the_cloud_for_as_long_as_it_is_given(cloud, program, ada):
    path = granted(cloud, "bob", "admin")
    bob = program("bob", "red")
    assert_fault(bob.get(f"{V3}/users"), 403)
    assert ada.put(path).status_code == 204
    assert bob.get(f"{V3}/users").status_code == 200
    assert bob.get(path).status_code == 204
    [held] = bob.get(path.rpartition("/")[0]).json["roles"]
    assert held["name"] == "admin"
    answer = program().post(f"{V3}/auth/tokens", by_password("bob", "red")).json["token"]
    assert [each["name"] for each in answer["roles"]] == ["admin", "manager", "member", "reader"]
    listed = f"{V3}/role_assignments?include_names&user.id={id_of('bob')}"
    assert assignments(ada.get(listed)) == {("bob", "admin", "red")}
    assert_fault(program("alice", "red").delete(path), 403)
    assert_fault(ada.delete(granted(cloud, "bob", "manager")), 409)
    assert ada.delete(path).status_code == 204
    assert cloud.actor("bob").system is None
    assert role_of(cloud, "bob") is None
    assert_fault(bob.get(f"{V3}/users"), 401)


def test_an_admin_of_a_project_looks_after_the_cloud_in_other_projects_too(cloud, program, ada):
    assert ada.put(granted(cloud, "bob", "admin")).status_code == 204
    bob = program("bob", "blue")
    assert bob.get(f"{V3}/users").status_code == 200
    projects.enable(cloud.actor("ada"), cloud.project().id, enabled=False)
    assert bob.get(f"{V3}/users").status_code == 200
    cloud_roles.set_role(cloud.actor("ada"), cloud.actor("bob").user_id, None)
    assert cloud.actor("bob").system is None


@pytest.mark.parametrize(
    "how",
    [
        lambda cloud, ada: ada.delete(granted(cloud, "ada", "admin")),
        lambda cloud, ada: ada.delete(f"{V3}/projects/{cloud.project().id.hex}"),
    ],
)
def test_whoever_looks_after_the_cloud_last_goes_on(cloud, ada, program, how):
    """Bob alone does, by a project: neither that role nor the project can be taken away."""
    assert ada.put(granted(cloud, "ada", "admin")).status_code == 204
    assert ada.delete(in_cloud("ada", "admin")).status_code == 204
    ada = program("ada", "red")
    assert "last administrator" in assert_fault(how(cloud, ada), 400)
    assert ada.get(f"{V3}/users").status_code == 200


@pytest.mark.parametrize(
    "how",
    [
        lambda by, red, whom: projects.set_member(by, red, "bob", Role.MEMBER),
        lambda by, red, whom: projects.remove_member(by, red, whom),
    ],
)
def test_a_manager_takes_the_cloud_from_nobody_who_looks_after_it_by_the_project(
    cloud, program, ada, how
):
    """The cloud's own do, but from the last of them; and whoever had it is signed out."""
    assert ada.put(granted(cloud, "bob", "admin")).status_code == 204
    bob, red = program("bob", "red"), cloud.project().id
    whom = cloud.actor("bob").user_id
    with pytest.raises(Forbidden):
        how(cloud.actor("alice"), red, whom)
    assert bob.get(f"{V3}/users").status_code == 200
    assert ada.delete(in_cloud("ada", "admin")).status_code == 204
    with pytest.raises(Refused, match="last administrator"):
        how(cloud.actor("bob"), red, whom)
    assert bob.put(in_cloud("ada", "admin")).status_code == 204
    how(cloud.actor("ada"), red, whom)
    assert cloud.actor("bob").system is None
    assert_fault(bob.get(f"{V3}/auth/projects"), 401)


@pytest.mark.parametrize(
    "lock_out",
    [
        lambda by, whom: users.enable(by, whom.user_id, enabled=False),
        lambda by, whom: users.update(by, whom.user_id, {"enabled": False}),
    ],
)
def test_of_two_who_lock_each_other_out_at_once_one_goes_on(cloud, ada, lock_out):
    assert ada.put(in_cloud("bob", "admin")).status_code == 204
    one, other = cloud.actor("ada"), cloud.actor("bob")
    lock_out(one, other)
    with pytest.raises(Refused, match="last administrator"):
        lock_out(other, one)
    assert ada.get(f"{V3}/users").status_code == 200


def test_roles_in_the_whole_cloud_are_given_looked_for_and_taken(cloud, program, ada):
    bob = program("bob", "red")
    assert_fault(bob.put(in_cloud("bob", "reader")), 403)
    assert_fault(ada.get(in_cloud("bob", "reader")), 404)
    assert_fault(ada.put(in_cloud("bob", "manager")), 400)
    assert ada.put(in_cloud("bob", "reader")).status_code == 204
    assert cloud.actor("bob").system is Role.READER
    assert ada.get(in_cloud("bob", "reader")).status_code == 204
    assert names(ada.get(f"{V3}/system/users/{id_of('bob')}/roles"), "roles") == ["reader"]
    assert ada.put(in_cloud("bob", "admin")).status_code == 204
    assert ada.delete(in_cloud("bob", "admin")).status_code == 204
    session.rollback()
    assert cloud.actor("bob").system is None
    assert "last administrator" in assert_fault(ada.delete(in_cloud("ada", "admin")), 400)


def test_roles_and_domains_stay_as_they_are(program, ada):
    assert_fault(ada.post(f"{V3}/roles", {"role": {"name": "member"}}), 409)
    assert_fault(ada.post(f"{V3}/roles", {"role": {"name": "observer"}}), 403)
    assert_fault(ada.patch(f"{V3}/roles/{roles.IDS['member'].hex}", {"role": {}}), 403)
    assert_fault(ada.delete(f"{V3}/roles/{'0' * 32}"), 404)
    assert_fault(ada.post(f"{V3}/domains", {"domain": {"name": "other"}}), 403)
    assert_fault(ada.patch(f"{V3}/domains/default", {"domain": {"enabled": False}}), 403)
    assert_fault(ada.delete(f"{V3}/domains/other"), 404)


def test_each_role_implies_the_one_before_it(ada):
    rules = ada.get(f"{V3}/role_inferences").json["role_inferences"]
    assert [
        (each["prior_role"]["name"], [implied["name"] for implied in each["implies"]])
        for each in rules
    ] == [("member", ["reader"]), ("manager", ["member"]), ("admin", ["manager"])]
    admin, member = roles.IDS["admin"].hex, roles.IDS["member"].hex
    assert ada.get(f"{V3}/roles/{admin}/implies").json["role_inference"] == rules[-1]
    assert_fault(ada.get(f"{V3}/roles/{admin}/implies/{member}"), 404)


def test_roles_in_a_project_that_is_being_deleted_stay_as_they_are(cloud, program, ada):
    deletions.delete(cloud.actor("ada"), cloud.project("blue").id)
    assert_fault(ada.put(granted(cloud, "bob", "member", "blue")), 409)


def test_who_has_which_role_is_shown_to_who_may_know(cloud, program, ada):
    path = f"{V3}/role_assignments?include_names=True"
    red = {("alice", "manager", "red"), ("bob", "member", "red"), ("rita", "reader", "red")}
    everything = red | {("charlie", "manager", "blue"), ("ada", "admin", "system")}
    assert assignments(ada.get(path)) == everything
    mine = f"{path}&scope.project.id={cloud.project().id.hex}"
    rita = program("rita", "red")
    assert assignments(rita.get(mine)) == red
    assert assignments(rita.get(f"{path}&user.id={id_of('rita')}")) == {("rita", "reader", "red")}
    assert_fault(rita.get(path), 403)
    assert_fault(rita.get(f"{path}&user.id={id_of('bob')}"), 403)
    assert_fault(rita.get(f"{path}&scope.project.id={cloud.project('blue').id.hex}"), 404)
    manager = f"{mine}&role.id={roles.IDS['manager'].hex}"
    assert assignments(rita.get(manager)) == {("alice", "manager", "red")}
    assert assignments(ada.get(f"{path}&scope.system=all")) == {("ada", "admin", "system")}
