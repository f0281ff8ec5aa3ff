"""The record as people read it: of a project, and of the whole cloud."""

import pytest
from sqlalchemy import select

from portal.db import session, transaction
from portal.models import Activity, Image, Outcome
from portal.services import activities, consoles, images, instances


def test_a_change_is_in_the_record_with_who_and_from_where(alice, red, cloud):
    form = f"{red}/instances/new"
    alice.send(f"{red}/instances", alice.fields(form) | {"name": ["web"]}, page=form)
    page = alice.open(f"{red}/activity").text
    assert "Created instance <b>web</b>" in page
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


def test_what_somebody_mistyped_is_told_to_the_auditors_alone(alice, ada, red, cloud):
    """Seen: typing mistakes and the attempts of an open console filled most of the rows."""
    form = f"{red}/instances/new"
    alice.send(f"{red}/instances", alice.fields(form) | {"name": [""]}, page=form)
    off = cloud.running("off")
    instances.stop(cloud.actor("alice"), off.project_id, off.id)
    cloud.settle()
    place = f"{red}/instances/{off.id}"
    assert alice.send(f"{place}/console/ticket", page=f"{place}/settings").status_code == 409
    alice.send(f"{place}/settings", {"name": ""})
    for page in (f"{red}/activity", f"{red}/", f"{place}/activity"):
        assert "</svg>Refused</span>" not in alice.open(page).text
    audit = ada.open("/admin/audit").text
    assert audit.count("Give it a name.") == 2
    assert "Open the screen of instance" in audit
    assert "</svg>Refused</span>" in audit
    fields = alice.fields(form) | {"count": ["20"]}
    alice.send(f"{red}/instances", fields, page=form)
    assert "The quota for instances does not allow it" in alice.open(f"{red}/activity").text


def test_a_screen_that_is_opened_again_by_itself_is_one_entry(alice, red, cloud):
    instance = cloud.running("web")
    for person, minutes in (("alice", 0), ("alice", 5), ("bob", 0), ("alice", 6)):
        cloud.clock.forward(minutes=minutes)
        consoles.opened(cloud.actor(person), instance)
    query = select(Activity.user_name).where(Activity.action == consoles.OPENED)
    assert list(session.scalars(query.order_by(Activity.created_at))) == ["alice", "bob", "alice"]
    page = alice.open(f"{red}/instances/{instance.id}/activity").text
    assert page.count("Opened the screen of instance <b>web</b>") == 3


@pytest.fixture
def secret(cloud) -> Image:
    """An image that is private to Alice."""
    owner = cloud.actor("alice")
    with transaction():
        image = Image(
            name="Secret of Alice", project_id=cloud.project().id, user_id=owner.user_id,
            format="raw", sha256="5ec2e7" * 10 + "5ec2", size_bytes=2**20,
            virtual_size_bytes=2**20,
        )  # fmt: skip
        session.add(image)
        session.flush()
        activities.record(owner, "images:create", image, after={"sha256": image.sha256})
    return image


def test_what_was_done_to_a_private_image_is_its_owners_news_alone(
    alice, sign_in, ada, red, secret
):
    """Seen: its name and its sum stood in the activity of everybody in the project."""
    image = secret
    place = f"{red}/images/{image.id}"
    ada.send(f"{place}/protect", page=place)
    ada.send(f"{place}/delete", {"confirm": "Secret of Alice"}, page=place)
    for name in ("bob", "rita"):
        person = sign_in(name)
        for page in (f"{red}/activity", f"{red}/"):
            text = person.open(page).text
            assert "Uploaded image" in text
            assert "private to somebody else" in text
            assert "Secret" not in text
            assert "5ec2e7" not in text
        assert "matches the filter" in person.open(f"{red}/activity?q=secret").text
    for page in (alice.open(f"{red}/activity"), ada.open(f"{red}/activity")):
        assert "Uploaded image <b>Secret of Alice</b>" in page.text
        assert "Protected image <b>Secret of Alice</b>" in page.text
        assert "5ec2e7" in page.text
    assert "Secret of Alice" in alice.open(f"{red}/activity?q=secret").text
    session.rollback()
    names = session.scalars(select(Activity.target_name).where(Activity.target_id == image.id))
    assert "Secret of Alice" in set(names)


def test_what_was_started_from_a_private_image_does_not_name_it_to_others(
    alice, sign_in, ada, auditor, red, secret, cloud
):
    """Seen: the entry of the instance, and its page, named the image to the whole project."""
    web = cloud.running("web", image_id=secret.id)
    instances.rename(cloud.actor("alice"), web.project_id, web.id, "shop")
    place = f"{red}/instances/{web.id}"
    pages = (f"{red}/activity", f"{red}/", f"{place}/activity", place)
    for deleted in (False, True):
        for name in ("bob", "rita"):
            person = sign_in(name)
            for page in pages:
                assert "Secret" not in person.open(page).text
            entries = person.open(f"{place}/activity").text
            assert "Created instance <b>web</b>" in entries
            assert "Demo" not in entries
            assert "small" in entries
            assert "Renamed" in entries
            assert "Private to somebody else" in person.open(place).text
        for person in (alice, ada, auditor):
            for page in (f"{red}/activity", f"{place}/activity", place):
                assert "Secret of Alice" in person.open(page).text
        if not deleted:
            images.delete(cloud.actor("alice"), web.project_id, secret.id)


def test_the_record_is_read_a_page_at_a_time(alice, red, cloud):
    instance = cloud.create("web")
    for number in range(60):
        place = (instance.project_id, instance.id)
        instances.rename(cloud.actor("alice"), *place, f"web-{number}")
    first, second = (alice.open(f"{red}/activity?page={number}").text for number in (1, 2))
    assert "1 to 50 of 61" in first
    assert "web-59" in first
    assert "Created instance" in second


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
