"""Published images as people see them, without scripts."""

import re

import pytest
from sqlalchemy import select

from portal.db import session
from portal.models import Image


@pytest.fixture
def images(red):
    return f"{red}/images"


@pytest.fixture
def fetch(ada, images):
    """Ada presses the button beside Debian 13."""

    def press(**fields):
        wish = {"published_as": "debian-13", "key": "k"} | fields
        return ada.send(f"{images}/fetch", wish, page=images)

    return press


def image() -> Image:
    session.rollback()
    return session.scalar(
        select(Image).where(Image.published_as == "debian-13", Image.deleted_at.is_(None))
    )


def offer(person, images) -> str:
    """What the part of the page says of Debian 13."""
    page = person.open(f"{images}/published").text
    return re.search(r'<tr id="published-debian-13">.*?</tr>', page, re.DOTALL)[0]


def test_administrators_of_the_cloud_are_offered_what_publishers_have(alice, ada, images):
    page = ada.open(images).text
    for words in ("Debian 13", "Ubuntu 24.04", "AlmaLinux 9", "cloud.debian.org"):
        assert words in page
    assert "<button" in offer(ada, images)
    assert "From their publishers" not in alice.open(images).text


def test_one_click_fetches_and_the_row_asks_until_it_is_there(ada, alice, images, fetch, cloud):
    assert fetch().status_code == 303
    page = ada.open(images).text
    assert "Debian 13 is being fetched." in page
    row = f"{images}/{image().id}/row"
    for part in (ada.open(row).text, ada.open(f"{images}/published").text):
        assert "hx-trigger" in part
    assert "Fetching" in offer(ada, images)
    assert "<button" not in offer(ada, images)
    assert "Debian 13" not in alice.open(images).text
    cloud.settle()
    for part in (ada.open(row).text, ada.open(f"{images}/published").text):
        assert "hx-trigger" not in part
        assert "Ready" in part
    assert "Debian 13" in alice.open(images).text
    assert "512 MiB" in ada.open(f"{images}/{image().id}").text


def test_pressing_twice_fetches_once_and_another_tab_is_told(fetch, images):
    assert fetch().status_code == fetch().status_code == 303
    answer = fetch(key="of another tab")
    assert answer.status_code == 409
    assert "Debian 13 is on its way already." in answer.text


def test_the_page_leads_to_the_operation_and_its_log(ada, images, fetch, cloud):
    fetch()
    place = f"{images}/{image().id}"
    page = ada.open(place).text
    assert "hx-trigger" in page
    where = re.search(r'href="([^"]+/operations/[^"]+)">Fetch is under way', page)[1]
    assert "Fetch it from its publisher" in ada.open(where).text
    cloud.settle()
    cloud.observe()
    assert "512 of 512 MiB are here." in ada.open(where).text
    assert place in ada.open(where).text
    page = ada.open(place).text
    assert "its sum is the one in the publisher" in page
    assert "hx-trigger" not in page


def test_what_failed_says_why_and_is_tried_again_by_one_click(ada, alice, images, fetch, cloud):
    reason = "cloud.debian.org cannot be reached from host kvm-1"
    cloud.hosts["kvm-1"].fail("ensure_fetch", reason, permanent=True)
    fetch()
    cloud.settle()
    place = f"{images}/{image().id}"
    page = ada.open(place).text
    assert "Error" in offer(ada, images)
    assert reason in page
    assert "Create instance" not in page
    assert alice.open(place).status_code == 404
    changes = ada.open(images.replace("/images", "/operations")).text
    operation = ada.open(re.search(r'href="([^"]+)">Fetch Debian 13<', changes)[1]).text
    assert reason in operation
    assert place in operation
    assert ada.send(f"{place}/retry", page=place).status_code == 303
    cloud.settle()
    assert "Ready" in offer(ada, images)
    assert reason not in ada.open(place).text


def test_who_may_not_mend_a_failed_fetch_is_told_whom_to_ask_and_for_what(
    ada, alice, sign_in, red, images, fetch, cloud
):
    """Seen: a link to an image that is not there for them, and talk of hosts and proxies."""
    reason = "cloud.debian.org cannot be reached from host kvm-1: no proxy answers"
    cloud.hosts["kvm-1"].fail("ensure_fetch", reason, permanent=True)
    fetch()
    cloud.settle()
    cloud.observe()
    [operation] = cloud.operations(image())
    place = f"{red}/operations/{operation.id}"
    asked = f"Ask an administrator of the cloud why, and name the request {operation.request_id}."
    for person in (alice, sign_in("rita")):
        for page in (f"{red}/operations", f"{red}/", place):
            text = person.open(page).text
            assert f"Debian 13 could not be fetched. {asked}" in text
            assert "kvm-1" not in text
            assert "proxy" not in text
            assert f"/images/{image().id}" not in text
    for page in (f"{red}/operations", place):
        assert reason in ada.open(page).text
    assert f"/images/{image().id}" in ada.open(place).text


def test_who_may_not_mend_a_fetch_is_not_told_why_a_try_of_it_failed(
    ada, alice, sign_in, auditor, red, fetch, cloud
):
    """Seen: what stood between a host and its publisher, for as long as it was tried again."""
    reason = "cloud.debian.org cannot be reached from host kvm-1: no proxy answers"
    cloud.hosts["kvm-1"].fail("ensure_fetch", reason, times=2)
    fetch()
    for _ in range(3):
        cloud.turn()
    [operation] = cloud.operations(image())
    place = f"{red}/operations/{operation.id}"
    assert f"Attempt 1 of 5 failed: OSError: {reason}." in ada.open(place).text
    for person in (alice, sign_in("rita"), auditor):
        text = person.open(place).text
        assert "A host is at work on Debian 13. Portico goes on by itself." in text
        for word in ("kvm-1", "proxy", "Attempt", "Said last"):
            assert word not in text


def test_one_that_is_being_fetched_can_be_deleted(ada, images, fetch, cloud):
    fetch()
    place = f"{images}/{image().id}"
    page = ada.open(f"{place}/delete").text
    assert "image store" not in page
    assert ada.send(f"{place}/delete", {"confirm": "Debian 13"}).status_code == 303
    assert ada.open(f"{place}/row").text == ""
    assert "<button" in offer(ada, images)
    cloud.settle()
    assert cloud.hosts["kvm-1"].every("fetch") == {}


def test_no_host_that_answers_is_said_at_once(fetch, cloud):
    cloud.silent.add("kvm-1")
    cloud.clock.forward(minutes=2)
    answer = fetch()
    assert answer.status_code == 503
    assert "No host answers, so none can fetch Debian 13." in answer.text
