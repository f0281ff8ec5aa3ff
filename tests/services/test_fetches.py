"""Published images, from one click to the catalogue of everybody."""

import json
import uuid

import pytest
from rq import Queue
from sqlalchemy import select

from portal.conductor import outcomes, tick
from portal.db import session, transaction
from portal.errors import Conflict, Forbidden, NotFound, Refused, Unavailable
from portal.models import Flavor, Image, ImageStatus, Outcome, Visibility
from portal.policies import COMMAND_LINE
from portal.services import catalog, hosts, images, instances
from portal.services.images import NewImage, store
from tests.cloud import host_row
from tests.crowd import at_once
from tests.services.image_files import qcow2
from tests.test_flat import statements
from workers import wire
from workers.specs import Fetched, Observation


@pytest.fixture
def fetch(cloud):
    """Asks for a published image: `fetch()`."""

    def ask(name: str = "debian-13", by: str = "ada", **more) -> Image:
        return images.fetch(cloud.actor(by), cloud.project().id, name, **more)

    return ask


@pytest.fixture
def place(cloud):
    return cloud.actor("ada"), cloud.project().id


def note(cloud, image: Image, file: bytes = qcow2()) -> str:
    """A host has put this file into the store, and its answer is on its way."""
    folder = cloud.directory / "images"
    folder.mkdir(exist_ok=True)
    sha256 = "e" * 64
    (folder / sha256).write_bytes(file)
    (folder / f"{image.id}.note").write_text(json.dumps({"sha256": sha256}))
    return sha256


def test_what_was_fetched_is_everybodys_to_start_from(cloud, fetch):
    image = fetch()
    assert cloud.see(image).status is ImageStatus.FETCHING
    cloud.settle()
    image = cloud.see(image)
    assert image.status is ImageStatus.READY
    assert (image.name, image.login_user, image.visibility) == (
        "Debian 13",
        "debian",
        Visibility.PUBLIC,
    )
    assert (image.project_id, image.format, len(image.sha256)) == (None, "qcow2", 64)
    assert image.disk_gib == 3
    charlie, blue = cloud.actor("charlie"), cloud.project("blue").id
    assert image.id in {each.id for each in catalog.images(charlie, blue)}
    instance = cloud.running("web", image_id=image.id, flavor_id=_flavor("large"))
    assert instance.status.word == "Running"


def test_it_is_fetched_once(cloud, fetch):
    fetch()
    with pytest.raises(Conflict, match="Debian 13 is on its way already"):
        fetch()
    cloud.settle()
    with pytest.raises(Conflict, match="Debian 13 is there already"):
        fetch()
    assert len(cloud.hosts["kvm-1"].every("fetch")) == 1


def test_of_many_clicks_at_once_one_fetches(any_cloud):
    any_cloud.add_host("kvm-1")
    ada = any_cloud.actor("ada")
    projects = [any_cloud.project(name).id for name in ("red", "blue")]

    def click(number: int) -> None:
        images.fetch(ada, projects[number % 2], "debian-13", key=str(number))

    assert at_once(8, click) == {"done": 1, "Conflict": 7}


def test_the_same_key_twice_fetches_once(cloud, fetch):
    one, two = fetch(key="k"), fetch(key="k")
    assert one.id == two.id
    with pytest.raises(Conflict, match="sent before with other answers"):
        fetch("debian-12", key="k")


def test_only_who_may_publish_may_fetch(cloud, fetch):
    for name in ("alice", "rita", "charlie"):
        with pytest.raises(Forbidden):
            fetch(by=name)
    with pytest.raises(NotFound, match="There is no published image"):
        fetch("http://169.254.169.254/")


def test_nothing_is_asked_of_hosts_that_do_not_answer(cloud, fetch):
    cloud.silent.add("kvm-1")
    cloud.clock.forward(minutes=2)
    with pytest.raises(Unavailable, match="No host answers, so none can fetch Debian 13"):
        fetch()
    session.rollback()
    assert session.scalar(select(Image.id).where(Image.published_as != "")) is None


def test_a_host_in_maintenance_is_not_asked(cloud, fetch):
    ada = cloud.actor("ada")
    cloud.add_host("kvm-2")
    hosts.enable(ada, host_row("kvm-1").id, enabled=False, reason="a new disk")
    fetch()
    cloud.settle()
    assert cloud.hosts["kvm-2"].every("fetch")
    hosts.enable(ada, host_row("kvm-2").id, enabled=False, reason="a new disk")
    with pytest.raises(Unavailable, match="Every host that answers is in maintenance, so none can"):
        fetch("debian-12")


def test_what_is_offered_is_read_at_once_with_what_is_under_way(cloud, fetch, place):
    for name in ("debian-13", "debian-12"):
        fetch(name)
    session.remove()
    with statements() as sent:
        busy = [image.busy for _, image in images.published(place[0]) if image]
    assert busy == [True, True]
    assert len(sent) == 1


def test_what_could_not_be_fetched_says_why_and_can_be_tried_again(cloud, fetch, place):
    cloud.hosts["kvm-1"].fail("ensure_fetch", "the image store is full", permanent=True)
    image = fetch()
    cloud.settle()
    image = cloud.see(image)
    assert (image.status, image.fault) == (ImageStatus.ERROR, "the image store is full")
    with pytest.raises(Conflict, match="could not be fetched before"):
        fetch()
    images.retry(*place, image.id)
    assert cloud.see(image).status is ImageStatus.FETCHING
    cloud.settle()
    image = cloud.see(image)
    assert (image.status, image.fault) == (ImageStatus.READY, "")
    with pytest.raises(Conflict, match="Debian 13 is ready"):
        images.retry(*place, image.id)


def test_its_life_is_the_same_on_either_database(any_cloud):
    any_cloud.add_host("kvm-1").fail("ensure_fetch", "no room", permanent=True)
    place = any_cloud.actor("ada"), any_cloud.project().id
    image = images.fetch(*place, "debian-13")
    any_cloud.settle()
    assert any_cloud.see(image).fault == "no room"
    images.retry(*place, image.id)
    images.delete(*place, image.id)
    any_cloud.settle()
    again = images.fetch(*place, "debian-13")
    any_cloud.settle()
    assert any_cloud.see(again).status is ImageStatus.READY
    images.delete(*place, again.id)
    ends = [each.outcome for each in any_cloud.operations(image)]
    assert ends == [Outcome.FAILED, Outcome.SUPERSEDED, Outcome.DONE]


def test_a_retry_asks_another_host(cloud, fetch, place):
    cloud.add_host("kvm-2")
    cloud.hosts["kvm-1"].fail("ensure_fetch", "no image store", permanent=True)
    image = fetch()
    cloud.settle()
    assert cloud.see(image).fault == "no image store"
    images.retry(*place, image.id)
    cloud.settle()
    assert cloud.see(image).status is ImageStatus.READY
    assert cloud.hosts["kvm-2"].every("fetch")


def test_a_publisher_that_fails_for_a_moment_is_asked_again(cloud, fetch):
    cloud.hosts["kvm-1"].fail("ensure_fetch", "the line was cut", times=4)
    image = fetch()
    cloud.settle()
    assert cloud.see(image).status is ImageStatus.READY


def test_a_delete_ends_the_fetching_and_makes_room_for_another(cloud, fetch, place):
    image = fetch()
    images.delete(*place, image.id)
    assert cloud.see(image).status is ImageStatus.DELETED
    again = fetch()
    cloud.settle()
    fetching, deleting = cloud.operations(image)
    assert (fetching.outcome, deleting.outcome) == (Outcome.SUPERSEDED, Outcome.DONE)
    assert list(cloud.hosts["kvm-1"].every("fetch")) == [str(again.id)]
    assert cloud.see(image).sha256 == ""
    assert cloud.see(again).status is ImageStatus.READY


def test_a_job_that_comes_after_the_delete_fetches_nothing(cloud, fetch, place):
    image = fetch()
    tick.tick(cloud.wire)
    assert len(Queue(wire.queue("kvm-1", wire.LONG), connection=cloud.redis)) == 1
    images.delete(*place, image.id)
    cloud.settle()
    assert cloud.operations(image)[-1].outcome is Outcome.DONE
    assert cloud.hosts["kvm-1"].every("fetch") == {}


def test_a_host_that_was_dark_is_told_to_stop_when_it_answers_again(any_cloud):
    kvm = any_cloud.add_host("kvm-1")
    place = any_cloud.actor("ada"), any_cloud.project().id
    image = images.fetch(*place, "debian-13")
    tick.tick(any_cloud.wire)
    kvm.put("fetch", str(image.id), {"sha256": "f" * 64})  # it has begun, and falls silent
    any_cloud.silent.add("kvm-1")
    images.delete(*place, image.id)
    for _ in range(3):
        any_cloud.clock.forward(minutes=6)
        any_cloud.settle()
    assert _ends(any_cloud, image) == [Outcome.SUPERSEDED, Outcome.FAILED]
    assert kvm.every("fetch")
    any_cloud.silent.clear()
    any_cloud.settle()
    any_cloud.clock.forward(minutes=6)
    any_cloud.settle()
    assert _ends(any_cloud, image) == [Outcome.SUPERSEDED, Outcome.FAILED, Outcome.DONE]
    assert kvm.every("fetch") == {}


def test_a_host_that_cannot_stop_fetching_is_told_again_later_and_later(cloud, fetch, place):
    image = fetch()
    cloud.hosts["kvm-1"].fail("remove_fetch", "the disk is broken", times=2, permanent=True)
    images.delete(*place, image.id)
    cloud.settle()
    assert _ends(cloud, image)[1:] == [Outcome.FAILED]
    cloud.clock.forward(seconds=31)
    cloud.settle()
    assert _ends(cloud, image)[1:] == [Outcome.FAILED] * 2
    cloud.clock.forward(seconds=31)
    cloud.settle()
    assert _ends(cloud, image)[1:] == [Outcome.FAILED] * 2
    cloud.clock.forward(minutes=2)
    cloud.settle()
    assert _ends(cloud, image)[1:] == [Outcome.FAILED] * 2 + [Outcome.DONE]


def test_what_a_host_says_of_a_deleted_image_changes_nothing(cloud, fetch, place):
    image = fetch()
    images.delete(*place, image.id)
    found = Fetched(
        id=str(image.id), sha256="f" * 64, format="qcow2", size_bytes=1, virtual_size_bytes=1
    )
    with transaction():
        outcomes.take(host_row(), Observation(boot_id="x", sequence=10**6, fetches=(found,)))
    assert cloud.see(image).sha256 == ""


def test_nothing_starts_from_what_is_not_there_yet(cloud, fetch):
    cloud.hosts["kvm-1"].fail("ensure_fetch", "the image store is full", permanent=True)
    image = fetch()
    ada = cloud.actor("ada")
    assert image.id not in {each.id for each in catalog.images(ada, cloud.project().id)}
    wish = cloud.new_instance(image_id=image.id)
    with pytest.raises(Refused, match="Debian 13 is not there yet: it is fetching"):
        instances.create(ada, wish)
    cloud.settle()
    with pytest.raises(Refused, match="Debian 13 could not be fetched, so nothing starts from it"):
        instances.create(ada, wish)


def test_what_is_not_there_yet_is_shown_to_who_may_fetch_it_alone(cloud, fetch):
    image = fetch()
    assert images.find(cloud.actor("ada"), cloud.project().id, image.id)
    with pytest.raises(NotFound):
        images.find(cloud.actor("alice"), cloud.project().id, image.id)
    cloud.settle()
    assert images.find(cloud.actor("alice"), cloud.project().id, image.id)


def test_a_file_that_a_host_has_just_put_there_is_no_stranger(cloud, fetch, place):
    image = fetch()
    sha256 = note(cloud, image)
    assert images.strangers() == set()
    images.delete(*place, image.id)
    assert not store.place(sha256).exists()
    assert store.fetched() == {}


def test_deleting_another_image_of_the_same_content_leaves_the_file(cloud, fetch, place):
    new = NewImage(name="disk", visibility=Visibility.SHARED)
    other = images.create(*place, new, iter([qcow2()]))
    image = fetch()
    (cloud.directory / "images" / f"{image.id}.note").write_text(
        json.dumps({"sha256": other.sha256})
    )
    images.delete(*place, other.id)
    assert store.place(other.sha256).exists()
    images.delete(*place, image.id)
    assert not store.place(other.sha256).exists()


def test_half_of_a_note_is_none(cloud, fetch):
    image = fetch()
    note(cloud, image)
    (cloud.directory / "images" / f"{image.id}.note").write_text('{"sha2')
    assert store.fetched() == {}
    assert images.strangers() == {"e" * 64}


def test_notes_of_images_that_are_gone_go_with_the_strangers(cloud, fetch, place):
    gone, there = fetch(), fetch("debian-12")
    images.delete(*place, gone.id)
    note(cloud, there)
    for image_id in (gone.id, uuid.uuid4()):
        (cloud.directory / "images" / f"{image_id}.note").write_text("{}")
        (cloud.directory / "images" / f"{image_id}.note.new").write_text("")
    assert images.remove_strangers(COMMAND_LINE, []) == set()
    assert store.noted() == {there.id}


def test_an_image_of_the_whole_cloud_stays_public(cloud, fetch, place):
    image = fetch()
    with pytest.raises(Refused, match="belongs to no project, so it stays public"):
        images.change(*place, image.id, NewImage(name="x", visibility=Visibility.SHARED))


def _ends(cloud, image: Image) -> list[Outcome | None]:
    """How each change of the image has ended, oldest first."""
    return [each.outcome for each in cloud.operations(image)]


def _flavor(name: str):
    return session.scalar(select(Flavor.id).where(Flavor.name == name))
