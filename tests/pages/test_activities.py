"""The record as people read it: of a project, and of the whole cloud."""

from portal.models import Outcome
from portal.services import instances


def test_a_change_is_in_the_record_with_who_and_from_where(alice, red, cloud):
    form = f"{red}/instances/new"
    alice.send(f"{red}/instances", alice.fields(form) | {"name": ["web"]}, page=form)
    page = alice.open(f"{red}/activity").text
    assert "Create instance <b>web</b>" in page
    assert "alice" in page
    assert "127.0.0.1" in page


def test_a_refusal_is_in_the_record_too_and_can_be_asked_for(alice, sign_in, red):
    sign_in("rita").send(
        f"{red}/networks", {"name": "a", "cidr": "10.7.0.0/24"}, page="/account/ssh-keys/new"
    )
    page = alice.open(f"{red}/activity?state=refused").text
    assert "rita" in page
    assert "This needs the role “member”" in page
    assert "matches the filter" in alice.open(f"{red}/activity?state=refused&q=bob").text
    assert "matches the filter" in alice.open(f"{red}/activity?state=done").text


def test_the_record_is_read_a_page_at_a_time(alice, red, cloud):
    instance = cloud.create("web")
    for number in range(60):
        place = (instance.project_id, instance.id)
        instances.rename(cloud.actor("alice"), *place, f"web-{number}")
    first, second = (alice.open(f"{red}/activity?page={number}").text for number in (1, 2))
    assert "1 to 50 of 61" in first
    assert "web-59" in first
    assert "Create instance" in second


def test_a_reader_reads_and_a_stranger_does_not(sign_in, red, cloud):
    cloud.create("canary")
    assert "canary" in sign_in("rita").open(f"{red}/activity").text
    charlie = sign_in("charlie")
    assert charlie.open(f"{red}/activity").status_code == 404
    own = f"/projects/{cloud.project('blue').id}/activity"
    assert "canary" not in charlie.open(own).text


def test_the_audit_log_names_the_project_of_each_entry(ada, auditor, cloud):
    cloud.create("web")
    cloud.create("shop", project_id=cloud.project("blue").id, by="charlie", **_blue(cloud))
    for person in (ada, auditor):
        page = person.open("/admin/audit").text
        assert '<td data-label="Project">red</td>' in page
        assert '<td data-label="Project">blue</td>' in page


def test_operations_of_the_whole_cloud_are_listed_by_their_state(ada, cloud):
    cloud.hosts["kvm-1"].fail("ensure_disk", "The disk of kvm-1 is full.", permanent=True)
    broken = cloud.running("broken")
    assert cloud.operations(broken)[0].outcome is Outcome.FAILED
    cloud.running("whole")
    page = ada.open("/admin/operations?state=failed").text
    assert "The disk of kvm-1 is full." in page
    assert "broken" in page
    assert "whole" not in page
    assert '<td data-label="Project">red</td>' in page
    assert "matches the filter" in ada.open("/admin/operations?state=under+way").text


def test_a_projects_admin_reads_neither_the_audit_log_nor_all_operations(alice):
    for path in ("/admin/audit", "/admin/operations"):
        assert alice.open(path).status_code == 403


def _blue(cloud) -> dict:
    return {"network_id": cloud.new_instance(project="blue").network_id}
