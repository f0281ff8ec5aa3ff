"""Projects as administrators of the cloud manage them, without scripts."""

import uuid

import pytest

PROJECTS = "/admin/projects"


@pytest.fixture
def place(cloud):
    """The path of Alice's project among all."""
    return f"{PROJECTS}/{cloud.project('red').id}"


def test_a_new_project_is_whole_and_waits_for_its_first_admin(ada, sign_in, cloud):
    answer = ada.send(PROJECTS, {"name": "green"}, page=f"{PROJECTS}/new")
    assert answer.location == f"/projects/{cloud.project('green').id}/members"
    assert "Nobody is in this project." in ada.open(answer.location).text
    ada.send(answer.location, {"user_name": "bob", "role": "admin"})
    bob = sign_in("bob")
    assert "10.0.0.0/24" in bob.open(answer.location.replace("members", "networks")).text


def test_two_projects_have_two_names(ada):
    answer = ada.send(PROJECTS, {"name": "red"}, page=f"{PROJECTS}/new")
    assert answer.status_code == 409
    assert "There is a project named red already." in answer.text


def test_a_quota_holds_from_the_next_request_on(ada, alice, place, red):
    fields = ada.fields(place) | {"instances": ["0"], "role": [""]}
    assert ada.send(f"{place}/quotas", fields, page=place).status_code == 303
    assert "0 of 0" in ada.open(place).text
    form = f"{red}/instances/new"
    answer = alice.send(f"{red}/instances", alice.fields(form), page=form)
    assert answer.status_code == 403
    assert "0 of 0 are used, 1 more were asked for" in answer.text


@pytest.mark.parametrize("limit", ["-1", "1000000001", "many"])
def test_a_limit_that_makes_no_sense_is_refused_beside_its_field(ada, place, limit):
    answer = ada.send(f"{place}/quotas", {"vcpus": limit}, page=place)
    assert answer.status_code == 422
    assert 'id="vcpus-wrong"' in answer.text


def test_a_disabled_project_is_gone_for_its_members_and_not_for_administrators(
    ada, alice, place, red, cloud
):
    instance = cloud.running("web")
    assert ada.send(f"{place}/disable", page=place).status_code == 303
    assert alice.open(f"{red}/instances").status_code == 404
    assert "red" not in alice.open("/").text
    assert "web" in ada.open(f"{red}/instances").text
    assert cloud.see(instance).status.word == "Running"
    ada.send(f"{place}/enable", page=place)
    assert alice.open(f"{red}/instances").status_code == 200


def test_a_project_that_never_was_is_not_found_by_anybody(ada, alice):
    nowhere = uuid.uuid4()
    for person in (ada, alice):
        assert person.open(f"/projects/{nowhere}/instances").status_code == 404
    assert ada.open(f"{PROJECTS}/{nowhere}").status_code == 404


def test_only_administrators_of_the_cloud_manage_projects(alice, auditor, place):
    acts = [f"{place}/{act}" for act in ("quotas", "enable", "disable")]
    for someone, may_look in ((alice, 403), (auditor, 200)):
        assert someone.open(PROJECTS).status_code == may_look
        assert someone.open(place).status_code == may_look
        assert someone.open(f"{PROJECTS}/new").status_code == 403
        for path in (PROJECTS, *acts):
            fields = {"name": "mine", "instances": "999"}
            assert someone.send(path, fields, page="/account/ssh-keys/new").status_code == 403
    page = auditor.open(place).text
    assert "/quotas" not in page
    assert "/disable" not in page
