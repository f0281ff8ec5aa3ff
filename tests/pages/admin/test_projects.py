"""Projects as administrators of the cloud manage them, without scripts."""

import uuid

import pytest

from portal.services import instances
from tests.cloud import host_row

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


def test_minus_one_is_no_limit(ada, alice, place, red):
    assert ada.send(f"{place}/quotas", {"instances": "-1"}, page=place).status_code == 303
    assert "no limit" in ada.open(place).text
    assert ada.fields(place)["instances"] == ["-1"]
    assert "no limit" in alice.open(f"{red}/").text
    form = f"{red}/instances/new"
    assert alice.send(f"{red}/instances", alice.fields(form), page=form).status_code == 303


@pytest.mark.parametrize("limit", ["-2", "1000000001", "many"])
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
    assert red not in alice.open("/").text
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


def test_a_project_is_deleted_by_its_name_after_what_goes_is_said(ada, alice, place, red, cloud):
    cloud.running("web")
    assert f"{place}/delete" in ada.open(place).text
    page = ada.open(f"{place}/delete").text
    for words in ("1 instance, with 2 GiB of disks", "1 network", "2 security groups"):
        assert words in page
    assert "The roles of alice, bob, rita in it" in page
    wrong = ada.send(f"{place}/delete", {"confirm": "blue"})
    assert wrong.status_code == 422
    assert "Type red, exactly" in wrong.text
    answer = ada.send(f"{place}/delete", {"confirm": "red"})
    assert answer.status_code == 303
    operation = answer.location
    page = ada.open(operation, **{"HX-Request": "true", "HX-Request-Type": "partial"}).text
    assert "Remove the guest web" in page
    assert f'hx-get="{operation}"' in page
    assert alice.open(f"{red}/instances").status_code == 404
    assert "Deleting" in ada.open(place).text
    assert "Deleting" in ada.open(PROJECTS).text
    page = ada.open(f"{red}/instances").text
    assert "red is being deleted." in page
    assert "/instances/new" not in page
    refused = ada.send(f"{red}/networks", {"name": "late"}, page="/account/password")
    assert refused.status_code == 409
    assert "red is being deleted: nothing in it can be changed any more." in refused.text
    cloud.settle()
    assert ada.open(place).status_code == ada.open(f"{red}/instances").status_code == 404
    assert "Done" in ada.open(operation).text
    assert "red (deleted)" in ada.open("/admin/operations").text
    assert "red (deleted)" in ada.open("/admin/audit").text
    assert ">red<" not in ada.open(PROJECTS).text


def test_what_stands_against_the_end_of_a_project_is_named_with_the_way_there(
    ada, place, red, cloud
):
    instance = cloud.running("web")
    instances.lock(cloud.actor("alice"), instance.project_id, instance.id)
    web = f"{red}/instances/{instance.id}"
    page = ada.open(f"{place}/delete").text
    assert "web is locked. Unlock it in its settings." in page
    assert f'href="{web}/settings"' in page
    assert 'name="confirm"' not in page
    refused = ada.send(f"{place}/delete", {"confirm": "red"}, page="/account/password")
    assert refused.status_code == 409
    assert "web is locked" in refused.text


def test_a_project_that_waits_for_its_host_is_tried_again_by_a_button(ada, place, cloud):
    cloud.running("web")
    operation = ada.send(f"{place}/delete", {"confirm": "red"}).location
    cloud.silent.add("kvm-1")
    cloud.turn()
    cloud.clock.forward(minutes=21)
    cloud.turn()
    ada.sign_in("ada")
    assert "host kvm-1 did not answer" in ada.open(operation).text
    assert "Waiting for a host" in ada.open(place).text
    cloud.silent.clear()
    answer = ada.send(f"{place}/retry", page=operation)
    assert answer.status_code == 303
    cloud.settle()
    assert "Done" in ada.open(answer.location).text
    assert ada.open(place).status_code == 404


def test_a_host_that_tried_and_could_not_is_not_said_to_have_been_silent(ada, place, red, cloud):
    """Seen: "has not answered", where it had answered five times that it could not."""
    cloud.running("web")
    cloud.hosts["kvm-1"].fail("remove_domain", "the disk is stuck", times=5)
    ada.send(f"{place}/delete", {"confirm": "red"})
    while cloud.see(cloud.project()).busy:
        cloud.turn()
        cloud.clock.forward(seconds=1)
    page = ada.open(place).text
    assert "Waiting for a host" in page
    assert "It has not gone yet" in page
    assert "the disk is stuck" in page
    assert "answer" not in page
    ada.send(f"{place}/retry", page=place)
    cloud.settle()
    assert "Tried again to delete project" in ada.open("/admin/audit").text


def test_an_instance_that_goes_with_its_project_is_being_deleted(ada, place, red, cloud):
    """Seen: "Waiting for its host", while the host was removing it."""
    web = f"{red}/instances/{cloud.running('web').id}"
    host = f"/admin/hosts/{host_row().id}"
    ada.send(f"{place}/delete", {"confirm": "red"})
    for page in (f"{red}/instances", web, host):
        text = ada.open(page).text
        assert "Deleting" in text
        assert "Waiting for its host" not in text
    assert "It goes with its project" in ada.open(web).text
    assert f'hx-get="{web}"' in ada.open(web).text
    assert f'hx-get="{web}/row"' in ada.open(f"{red}/instances").text
    cloud.silent.add("kvm-1")
    cloud.turn()
    cloud.clock.forward(minutes=21)
    cloud.turn()
    ada.sign_in("ada")
    for page in (f"{red}/instances", web, host):
        assert "Waiting for its host" in ada.open(page).text


def test_only_administrators_of_the_cloud_delete_projects(alice, auditor, place):
    for someone in (alice, auditor):
        assert someone.open(f"{place}/delete").status_code == 403
        for act in ("delete", "retry"):
            answer = someone.send(
                f"{place}/{act}", {"confirm": "red"}, page="/account/ssh-keys/new"
            )
            assert answer.status_code == 403
    assert "/delete" not in auditor.open(place).text
