"""Images that one project gives to another."""

import pytest

from portal.db import session
from portal.models import Activity
from tests.api.image.test_arrivals import ROOT, announced, send
from tests.api.shapes import assert_fault
from tests.services.image_files import qcow2


@pytest.fixture
def charlie(program):
    return program("charlie", "blue")


@pytest.fixture
def blue(cloud) -> str:
    return cloud.project("blue").id.hex


@pytest.fixture
def shared(alice, blue) -> str:
    """The path of an image of red that blue was offered."""
    image = announced(alice, disk_format="qcow2")
    assert send(alice, image, qcow2()).status_code == 204
    path = f"{ROOT}/{image['id']}"
    answer = alice.post(f"{path}/members", {"member": blue})
    assert (answer.status_code, answer.json["status"]) == (200, "pending"), answer.text
    return path


def listed(program, query: str = "") -> set[str]:
    return {f"{ROOT}/{each['id']}" for each in program.get(f"{ROOT}?{query}").json["images"]}


def test_what_is_offered_is_in_lists_once_it_is_accepted(shared, alice, charlie, blue):
    assert charlie.get(shared).status_code == 200
    assert shared not in listed(charlie)
    assert shared in listed(charlie, "member_status=pending&visibility=shared")
    answer = charlie.put(f"{shared}/members/{blue}", {"status": "accepted"})
    assert (answer.status_code, answer.json["status"]) == (200, "accepted")
    assert shared in listed(charlie)
    assert alice.get(f"{shared}/members/{blue}").json["status"] == "accepted"
    charlie.put(f"{shared}/members/{blue}", {"status": "rejected"})
    assert shared not in listed(charlie)
    assert_fault(charlie.put(f"{shared}/members/{blue}", {"status": "perhaps"}), 400)


def test_a_server_starts_from_what_was_accepted(shared, charlie, blue):
    charlie.put(f"{shared}/members/{blue}", {"status": "accepted"})
    flavor = charlie.get("/compute/v2.1/flavors").json["flavors"][0]["id"]
    server = {"name": "web", "flavorRef": flavor, "imageRef": shared.rpartition("/")[2]}
    answer = charlie.post("/compute/v2.1/servers", {"server": server})
    assert answer.status_code == 202, answer.text
    assert charlie.get(f"{shared}/file").data == qcow2()


def test_a_name_that_was_not_accepted_is_no_name_here(shared, alice, charlie, cloud, blue):
    from portal.errors import NotFound
    from portal.services import images

    actor, project_id = cloud.actor("charlie"), cloud.project("blue").id
    with pytest.raises(NotFound):
        images.find(actor, project_id, "disk")
    charlie.put(f"{shared}/members/{blue}", {"status": "accepted"})
    assert images.find(actor, project_id, "disk")


def test_only_its_owner_shares_and_only_a_member_answers(shared, alice, charlie, program, blue):
    assert_fault(alice.put(f"{shared}/members/{blue}", {"status": "accepted"}), 403)
    assert_fault(program("rita", "red").post(f"{shared}/members", {"member": blue}), 403)
    assert_fault(charlie.post(f"{shared}/members", {"member": blue}), 404)
    assert_fault(charlie.delete(f"{shared}/members/{blue}"), 404)
    assert_fault(charlie.delete(shared), 404)
    assert_fault(alice.post(f"{shared}/members", {"member": blue}), 409)
    assert_fault(alice.post(f"{shared}/members", {"member": "0" * 32}), 404)
    assert_fault(alice.post(f"{shared}/members", {"member": "blue"}), 400)


def test_what_is_shared_no_longer_is_gone(shared, alice, charlie, blue):
    charlie.put(f"{shared}/members/{blue}", {"status": "accepted"})
    assert alice.delete(f"{shared}/members/{blue}").status_code == 204
    assert_fault(charlie.get(shared), 404)
    assert shared not in listed(charlie)
    assert alice.get(f"{shared}/members").json["members"] == []
    assert_fault(alice.delete(f"{shared}/members/{blue}"), 404)


def test_an_image_that_becomes_private_is_nobody_elses(shared, alice, charlie, blue):
    charlie.put(f"{shared}/members/{blue}", {"status": "accepted"})
    step = {"op": "replace", "path": "/visibility", "value": "private"}
    assert alice.ask("PATCH", shared, json=[step]).status_code == 200
    assert_fault(charlie.get(shared), 404)
    assert_fault(alice.post(f"{shared}/members", {"member": blue}), 403)


def test_the_record_says_who_was_given_what(shared, charlie, blue):
    charlie.put(f"{shared}/members/{blue}", {"status": "accepted"})
    said = {each.action: each.after for each in session.query(Activity)}
    assert said["images:share"] == {"project": "blue"}
    assert said["images:accept"] == {"project": "blue", "answer": "accepted"}
