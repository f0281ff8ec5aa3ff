"""What people attach to their things, and how they keep them from harm, without scripts."""

import re

import pytest
from sqlalchemy import select

from portal.db import session, transaction
from portal.models import Image, Visibility
from portal.services import images, instances
from portal.services.details import Details

FORM = {"description": " the shop ", "properties": "tier = web\r\nowner=eu = 1", "tags": "a, b,,a"}


@pytest.fixture
def web(cloud):
    return cloud.running("web")


@pytest.fixture
def place(red, web):
    return f"{red}/instances/{web.id}"


@pytest.fixture
def image(cloud):
    """An image of Alice's project."""
    with transaction():
        image = session.scalar(select(Image))
        image.project_id, image.user_id = cloud.project().id, cloud.actor("alice").user_id
        image.visibility = Visibility.SHARED
    return image


def describe(person, place, **fields):
    page = f"{place}/settings"
    return person.send(f"{page}/details", FORM | fields, page=page)


def test_details_are_written_on_the_settings_and_read_on_the_page(alice, place, cloud, web):
    assert describe(alice, place).status_code == 303
    seen = cloud.see(web)
    assert (seen.description, seen.tags) == ("the shop", ["a", "b"])
    assert seen.properties == {"tier": "web", "owner": "eu = 1"}
    page = alice.open(place).text
    for words in ("the shop", "a, b", "tier", "eu = 1"):
        assert words in page
    assert "owner = eu = 1" in alice.open(f"{place}/settings").text
    assert "tier = web, owner = eu = 1" in alice.open(f"{place}/activity").text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"properties": "tier"}, "as name = text. This one is not: tier"),
        ({"properties": "a = 1\na = 2"}, "a is there twice."),
        ({"properties": " = 1"}, "as name = text. This one is not: = 1"),
        ({"tags": "x" * 61}, "A tag has 1 to 60 characters."),
        ({"description": "<b>" * 100}, "A description has at most 255 characters"),
    ],
)
def test_details_that_make_no_sense_are_refused_beside_their_field(
    alice, place, cloud, web, fields, sentence
):
    answer = describe(alice, place, **fields)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'value="a, b,,a"' in answer.text or "tags" in fields
    assert "<b>" not in answer.text.replace("<b>web</b>", "")
    assert cloud.see(web).description == ""


def test_properties_that_no_line_can_say_outlive_a_change_of_the_description(
    alice, place, cloud, web
):
    odd = {"a = b": "two\nlines"}
    instances.describe(
        cloud.actor("alice"), web.project_id, web.id, Details(properties=odd, tags=["t"])
    )
    found = re.search(
        r'<textarea[^>]*name="properties"[^>]*>\s*(.*?)</textarea>',
        alice.open(f"{place}/settings").text,
        re.DOTALL,
    )
    assert describe(alice, place, properties=found[1]).status_code == 303
    assert cloud.see(web).properties == odd


def test_an_administrator_locks_and_members_are_told_whom_to_ask(alice, sign_in, place, cloud, web):
    bob, told = sign_in("bob"), "Ask one of them to unlock it."
    assert "Lock</button>" in alice.open(f"{place}/settings").text
    assert alice.send(f"{place}/settings/lock", page=f"{place}/settings").status_code == 303
    assert cloud.see(web).locked
    assert "/settings/unlock" not in bob.open(f"{place}/settings").text
    assert bob.send(f"{place}/settings/unlock", page="/account/password").status_code == 403
    for page in (place, f"{place}/settings"):
        assert told in bob.open(page).text
        assert told not in alice.open(page).text
    for gone in ("/actions/", "/delete", "Rename"):
        assert gone not in bob.open(place).text
        assert gone not in bob.open(f"{place}/settings").text
    refused = [
        bob.send(f"{place}/delete", {"confirm": "web"}),
        bob.send(f"{place}/actions/stop"),
        bob.send(f"{place}/settings", {"name": "mine"}, page="/account/password"),
        bob.send(f"{place}/settings/details", FORM, page="/account/password"),
    ]
    for answer in refused:
        assert answer.status_code == 409
        assert told in answer.text
    assert alice.send(f"{place}/settings/unlock", page=f"{place}/settings").status_code == 303
    assert bob.send(f"{place}/actions/stop").status_code == 303


def test_a_member_locks_what_they_want_to_keep_as_it_is_and_unlocks_it(
    alice, sign_in, place, cloud, web
):
    bob, told = sign_in("bob"), "It is locked."
    assert bob.send(f"{place}/settings/lock", page=f"{place}/settings").status_code == 303
    assert told in bob.open(place).text
    assert bob.send(f"{place}/delete", {"confirm": "web"}).status_code == 409
    assert bob.send(f"{place}/settings/unlock", page=f"{place}/settings").status_code == 303
    assert not cloud.see(web).locked
    assert (
        sign_in("rita").send(f"{place}/settings/lock", page="/account/password").status_code == 403
    )


def test_everybody_is_told_that_an_instance_is_locked_and_why(alice, sign_in, place, cloud, web):
    """Seen: an administrator saw nothing of it, and nobody the reason that a program gave."""
    why = "Moves on Friday"
    instances.lock(cloud.actor("alice"), web.project_id, web.id, reason=why)
    for person in (alice, sign_in("bob"), sign_in("rita")):
        for page in (place, f"{place}/settings"):
            assert why in person.open(page).text, page
    instances.lock(cloud.actor("alice"), web.project_id, web.id)
    for person in (alice, sign_in("bob"), sign_in("rita")):
        page = person.open(place).text
        assert "It is locked" in page
        assert why not in page


def test_a_protected_image_is_deleted_by_nobody_until_its_protection_ends(alice, red, cloud, image):
    place = f"{red}/images/{image.id}"
    assert "Protect from deletion" in alice.open(place).text
    assert alice.send(f"{place}/protect", page=place).status_code == 303
    page = alice.open(place).text
    assert "End its protection" in page
    assert "/delete" not in page
    answer = alice.send(f"{place}/delete", {"confirm": image.name}, page=place)
    assert answer.status_code == 409
    assert "is protected from deletion. End its protection first." in answer.text
    assert alice.send(f"{place}/unprotect", page=place).status_code == 303
    assert alice.send(f"{place}/delete", {"confirm": image.name}).status_code == 303
    assert cloud.see(image).deleted_at


def test_a_reader_sees_none_of_it(sign_in, red, place, cloud, web, image):
    of_image = f"{red}/images/{image.id}"
    instances.lock(cloud.actor("alice"), web.project_id, web.id)
    images.protect(cloud.actor("alice"), cloud.project().id, image.id)
    rita = sign_in("rita")
    for page in (place, f"{place}/settings", of_image):
        text = rita.open(page).text
        for path in ("/settings/lock", "/settings/unlock", "/settings/details", 'protect"'):
            assert path not in text
    for path in (
        f"{place}/settings/unlock",
        f"{place}/settings/details",
        f"{of_image}/unprotect",
    ):
        assert rita.send(path, FORM, page="/account/password").status_code == 403
