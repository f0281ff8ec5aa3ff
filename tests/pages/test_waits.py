"""What is slow or has failed, as people see it: what is waited for, whose move it is, and the
button for it."""

import re

import pytest

from portal.conductor import lead, tick
from portal.models import Outcome, Status
from portal.services import images, instances
from tests.cloud import host_row


def words(answer) -> str:
    """The text of a page, its white space made one."""
    return " ".join(answer.text.split())


def place_of(instance) -> str:
    return f"/projects/{instance.project_id}/instances/{instance.id}"


def operation_of(cloud, instance) -> str:
    operation = cloud.operations(instance)[-1]
    return f"/projects/{instance.project_id}/operations/{operation.id}"


def told_only(cloud) -> None:
    """The host is alive and told what to do, and nobody on it does it: its worker has died."""
    cloud.beat()
    cloud.ear.listen()
    tick.tick(cloud.wire)


@pytest.fixture
def web(cloud):
    return cloud.running("web")


@pytest.fixture
def deaf(cloud, web):
    """A guest that does not heed its power button, and was asked to shut down."""
    host = cloud.hosts["kvm-1"]
    guest = host.get("guest", str(web.id))
    host.put("guest", str(web.id), guest | {"deaf": True})
    instances.stop(cloud.actor("alice"), web.project_id, web.id)
    for _ in range(3):
        cloud.turn()
    return web


def test_a_try_that_failed_says_why_and_when_the_next_one_begins(cloud, alice):
    cloud.hosts["kvm-1"].fail("ensure_disk", "the disk is slow to come", times=2)
    instance = cloud.create("web")
    for _ in range(3):
        cloud.turn()
    for page in (place_of(instance), operation_of(cloud, instance)):
        text = words(alice.open(page))
        assert "Attempt 1 of 5 failed: OSError: the disk is slow to come." in text
        assert "Portico tries again by itself." in text
        assert "the next one begins." in text
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING
    assert "Attempt" not in words(alice.open(place_of(instance)))
    assert "attempt 3 of 5" in words(alice.open(operation_of(cloud, instance)))


def test_a_host_whose_worker_died_is_said_to_be_slow_and_when_it_is_tried_again(
    cloud, alice, ada, web
):
    instances.force_stop(cloud.actor("alice"), web.project_id, web.id)
    told_only(cloud)
    text = words(alice.open(place_of(web)))
    told = r"Its host was told (just now|\d+ s ago) to switch off the guest\. Portico goes on"
    assert re.search(told, text)
    assert "attempt 2 of 5 begins." in text
    cloud.clock.forward(seconds=40)
    told_only(cloud)
    for page in (place_of(web), operation_of(cloud, web)):
        text = words(alice.open(page))
        assert re.search(r"was told \d+ s ago to switch off the guest, and has not answered", text)
        assert "kvm-1" not in text
        text = words(ada.open(page))
        assert re.search(r"Host kvm-1 was told \d+ s ago", text)
        assert f'href="/admin/hosts/{host_row().id}">Look at kvm-1' in text
    cloud.settle()
    assert "has not answered" not in words(alice.open(place_of(web)))


def test_a_host_that_fell_silent_is_named_to_whom_may_know_and_whose_move_it_is(
    cloud, sign_in, ada, web
):
    cloud.silent.add("kvm-1")
    instances.stop(cloud.actor("alice"), web.project_id, web.id)
    tick.tick(cloud.wire)
    cloud.clock.forward(minutes=2)
    tick.tick(cloud.wire)
    text = words(sign_in("rita").open(place_of(web)))
    assert "Its host has not answered since" in text
    assert "An administrator of the cloud has to see to it; Portico goes on by itself" in text
    assert "it is given up." in text
    text = words(ada.open(operation_of(cloud, web)))
    assert "Host kvm-1 has not answered since" in text
    assert "See whether it is on, and whether its worker and its agent run" in text


def test_a_stop_counts_down_to_the_plug_and_says_what_is_overdue(cloud, alice, deaf):
    """Seen: three minutes of nothing, after sixty seconds had been promised."""
    for page in (place_of(deaf), operation_of(cloud, deaf)):
        text = words(alice.open(page))
        assert "web was asked to shut down. It is the guest" in text
        assert "s, it is switched off." in text
        assert "Force stop" in words(alice.open(place_of(deaf)))
    cloud.clock.forward(seconds=100)
    told_only(cloud)
    text = words(alice.open(place_of(deaf)))
    assert "and should have been off since" in text
    assert "Its host has not said that it is. Portico tries again by itself." in text
    cloud.settle()
    assert cloud.see(deaf).status is Status.STOPPED


def test_a_stop_whose_plug_fails_says_the_cause_and_promises_nothing_more(cloud, alice, deaf):
    """Seen: "Its host has not said that it is", when it had said why it could not."""
    cloud.hosts["kvm-1"].fail("ensure_power", "the plug is stuck")
    cloud.clock.forward(seconds=100)
    told_only(cloud)
    cloud.work()
    told_only(cloud)
    for page in (place_of(deaf), operation_of(cloud, deaf)):
        text = words(alice.open(page))
        assert "failed: OSError: the plug is stuck. Portico tries again by itself." in text
        assert "should have been off" not in text
        assert "was asked to shut down" not in text


@pytest.mark.parametrize("where", [place_of, None])
def test_a_stop_is_cancelled_by_a_button_and_the_guest_goes_on(cloud, alice, deaf, where):
    page = where(deaf) if where else operation_of(cloud, deaf)
    form = f"{place_of(deaf)}/actions/cancel"
    assert f'action="{form}"' in alice.open(page).text
    answer = alice.send(form, page=page)
    assert answer.status_code == 303
    assert "It is cancelled" in alice.open(answer.location).text
    cloud.settle()
    assert cloud.see(deaf).status is Status.RUNNING
    [_, stop, *_] = cloud.operations(deaf)
    assert (stop.outcome, stop.reason) == (Outcome.SUPERSEDED, "alice cancelled it")
    assert form not in alice.open(place_of(deaf)).text
    assert "Ended early" in alice.open(operation_of(cloud, deaf).rpartition("/")[0]).text


def test_a_creation_and_a_fetch_are_cancelled_by_deleting_what_they_make(cloud, ada):
    instance = cloud.create("web")
    for page in (place_of(instance), operation_of(cloud, instance)):
        assert f'href="{place_of(instance)}/delete"' in ada.open(page).text
    image = images.fetch(cloud.actor("ada"), instance.project_id, "rocky-9")
    tick.tick(cloud.wire)
    about = words(ada.open(f"/projects/{instance.project_id}/images/{image.id}"))
    assert "Host kvm-1 was told just now to fetch it from its publisher" in about
    page = ada.open(operation_of_image(cloud, image, instance.project_id)).text
    assert f'href="/projects/{instance.project_id}/images/{image.id}/delete"' in page


def operation_of_image(cloud, image, project_id) -> str:
    return f"/projects/{project_id}/operations/{cloud.operations(image)[-1].id}"


def test_a_failed_stop_says_its_cause_once_with_the_button_to_try_again(cloud, alice, web):
    cloud.hosts["kvm-1"].fail("ensure_power", "the plug is stuck", permanent=True)
    instances.stop(cloud.actor("alice"), web.project_id, web.id)
    cloud.settle()
    [_, stop, *_] = cloud.operations(web)
    where = f"/projects/{web.project_id}/operations/{stop.id}"
    for page in (place_of(web), where):
        text = alice.open(page).text
        assert text.count("the plug is stuck") == 1
        assert f'action="{place_of(web)}/actions/stop"' in text
    answer = alice.send(f"{place_of(web)}/actions/stop", page=where)
    assert answer.status_code == 303
    cloud.settle()
    assert cloud.see(web).status is Status.STOPPED
    assert "the plug is stuck" not in alice.open(place_of(web)).text


def test_a_reader_gets_no_button_that_is_not_theirs(cloud, sign_in, deaf):
    text = sign_in("rita").open(operation_of(cloud, deaf)).text
    assert "was asked to shut down" in text
    assert "actions/cancel" not in text


def test_a_fetch_that_failed_says_so_in_its_publishers_row_with_the_button(cloud, ada):
    red = cloud.project().id
    cloud.hosts["kvm-1"].fail("ensure_fetch", "the publisher is away", permanent=True)
    image = images.fetch(cloud.actor("ada"), red, "rocky-9")
    cloud.settle()
    page = ada.open(f"/projects/{red}/images").text
    row = page[page.index('id="published-rocky-9"') :].partition("</tr>")[0]
    assert row.count("the publisher is away") == 1
    form = f"/projects/{red}/images/{image.id}/retry"
    assert f'action="{form}"' in row
    operation = ada.open(operation_of_image(cloud, image, red)).text
    assert operation.count("the publisher is away") == 1
    assert f'action="{form}"' in operation
    assert ada.send(form, page=f"/projects/{red}/images").status_code == 303
    cloud.settle()
    assert cloud.see(image).ready


def test_where_no_conductor_leads_everybody_is_told_that_nothing_is_carried_out(
    cloud, alice, ada, web
):
    instances.stop(cloud.actor("alice"), web.project_id, web.id)
    cloud.clock.forward(seconds=8)
    cloud.beat()
    cloud.ear.listen()
    text = words(alice.open(place_of(web)))
    assert "No change is carried out at present; what was asked for is kept." in text
    assert "An administrator of the cloud has to see to it." in text
    assert "The conductor does not run: start it" in words(ada.open(place_of(web)))
    assert lead.Leader("one").leads()
    assert "other changes before this one" in words(alice.open(place_of(web)))


def test_a_deletion_that_waits_for_its_host_says_so_and_what_is_free_already(cloud, alice, web):
    cloud.silent.add("kvm-1")
    instances.delete(cloud.actor("alice"), web.project_id, web.id)
    cloud.clock.forward(minutes=6)
    cloud.turn()
    text = words(alice.open(place_of(web)))
    assert "Waiting for its host" in text
    assert "It is deleted as soon as its host answers; its name and its share" in text
    assert "It is as it was before" not in text
    assert alice.open(operation_of(cloud, web)).status_code == 200
