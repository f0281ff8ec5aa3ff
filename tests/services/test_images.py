"""Images in the store: once by content, whole or not at all."""

import fcntl
import subprocess
import threading

import pytest
from sqlalchemy import select

from portal.db import session, transaction
from portal.errors import Conflict, Forbidden, NotFound, OverQuota, Refused
from portal.models import Image, Quota, Role, Visibility
from portal.policies import COMMAND_LINE
from portal.sentences import Sentence
from portal.services import cloud_roles, departures, images, projects, users
from portal.services.images import NewImage, store
from tests.services.image_files import MIB, bootable, qcow2


def upload(cloud, name="disk", by="alice", file=None, **more) -> Image:
    new = NewImage(name=name, visibility=more.pop("visibility", Visibility.SHARED))
    chunks = more.pop("chunks", None) or iter([file or qcow2()])
    return images.create(cloud.actor(by), cloud.project().id, new, chunks, **more)


def files(cloud) -> set[str]:
    """Everything in the store but its lock."""
    folder = cloud.directory / "images"
    return {each.name for each in folder.rglob("*") if each.is_file()} - {"lock"}


def limit(cloud, **limits) -> None:
    with transaction():
        for resource, number in limits.items():
            session.add(Quota(project_id=cloud.project().id, resource=resource, limit=number))


def test_two_images_of_one_content_share_its_file_until_the_last_is_deleted(cloud):
    one, two = upload(cloud, "one"), upload(cloud, "two")
    assert one.sha256 == two.sha256
    assert files(cloud) == {one.sha256}
    assert store.place(one.sha256).read_bytes() == qcow2()
    place = cloud.actor("alice"), cloud.project().id
    images.delete(*place, one.id)
    assert files(cloud) == {two.sha256}
    images.delete(*place, two.id)
    assert files(cloud) == set()


def test_what_is_refused_half_way_leaves_nothing_and_is_not_read_further(cloud):
    read = 0

    def endless():
        nonlocal read
        yield bootable(b"")
        while True:
            read += 1
            yield bytes(MIB)

    with pytest.raises(Refused, match="larger than this"):
        with store.receive(endless(), most_bytes=5 * MIB, too_large=Sentence("larger than this")):
            raise AssertionError("it came in")
    assert read == 5
    assert files(cloud) == set()


@pytest.mark.parametrize("how", ["removed", "deleted", "disabled"])
def test_whoever_loses_their_part_while_the_bytes_come_in_leaves_none(cloud, how):
    bob, project = cloud.actor("bob"), cloud.project()

    def slow():
        yield bootable(b"")
        match how:
            case "removed":
                projects.remove_member(COMMAND_LINE, project.id, bob.user_id)
            case "deleted":
                departures.delete(COMMAND_LINE, bob.user_id)
            case "disabled":
                users.enable(COMMAND_LINE, bob.user_id, enabled=False)
        yield bytes(MIB)

    with pytest.raises(NotFound):
        upload(cloud, by="bob", chunks=slow())
    assert session.scalar(select(Image).where(Image.name == "disk")) is None
    assert files(cloud) == set()


def test_whoever_loses_the_cloud_while_the_bytes_come_in_publishes_nothing(cloud):
    alice = cloud.actor("alice")
    cloud_roles.set_role(COMMAND_LINE, alice.user_id, Role.ADMIN)

    def slow():
        yield bootable(b"")
        cloud_roles.set_role(COMMAND_LINE, alice.user_id, None)
        yield bytes(MIB)

    with pytest.raises(Forbidden):
        upload(cloud, chunks=slow(), visibility=Visibility.PUBLIC)
    assert session.scalar(select(Image).where(Image.name == "disk")) is None


def test_the_quota_counts_images_and_their_bytes_together(cloud):
    limit(cloud, images=3, image_gib=1)
    for number in range(3):  # three small files are one GiB begun
        upload(cloud, f"disk-{number}")
    with pytest.raises(OverQuota, match="3 of 3 are used"):
        upload(cloud, "disk-3")


def test_a_quota_that_is_used_up_is_refused_before_anything_is_read(cloud):
    limit(cloud, image_gib=0)

    def unread():
        raise AssertionError("it was read")
        yield

    with pytest.raises(OverQuota, match="image store does not allow it: 0 GiB of 0 GiB"):
        upload(cloud, chunks=unread())


def test_the_same_key_twice_makes_one_image(cloud):
    one, two = upload(cloud, key="k"), upload(cloud, key="k")
    assert one.id == two.id
    with pytest.raises(Conflict, match="sent before with other answers"):
        upload(cloud, "another", key="k")


def test_what_a_crash_left_is_swept_up_and_what_is_being_written_is_not(cloud):
    upload(cloud)
    folder = cloud.directory / "images" / "tmp"
    (folder / "left").write_bytes(b"half a file")
    with open(folder / "busy", "wb") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        upload(cloud, "again")
        assert {each.name for each in folder.iterdir()} == {"busy"}


def test_a_file_that_no_image_names_is_known(cloud):
    assert images.strangers() == set()
    image = upload(cloud)
    (cloud.directory / "images" / ("0" * 64)).write_bytes(b"")
    assert images.strangers() == {"0" * 64}
    assert image.sha256 not in images.strangers()


def test_deleting_one_while_the_same_content_comes_in_keeps_the_file(cloud):
    """Twenty rounds of both at once, in threads as the web server has them."""
    alice, project_id = cloud.actor("alice"), cloud.project().id
    image_id = upload(cloud, "0").id
    for number in range(1, 21):
        made: list = []
        coming = threading.Thread(target=_in_thread, args=(alice, project_id, made))
        coming.start()
        images.delete(alice, project_id, image_id)
        coming.join()
        image_id = made[0]
        assert files(cloud) == {session.get(Image, image_id).sha256}, f"round {number}"


def _in_thread(actor, project_id, made):
    new = NewImage(name="disk", visibility=Visibility.SHARED)
    made.append(images.create(actor, project_id, new, iter([qcow2()])).id)
    session.remove()


def test_an_instance_that_is_not_built_yet_needs_its_image(cloud):
    image = upload(cloud, "base")
    place = cloud.actor("alice"), cloud.project().id, image.id
    instance = cloud.create("web", image_id=image.id)
    with pytest.raises(Conflict, match="web is being built from base"):
        images.delete(*place)
    cloud.settle()
    images.delete(*place)
    with pytest.raises(Refused, match="This image was not found; it may have been deleted"):
        cloud.create("late", image_id=image.id)
    assert cloud.see(instance).status.word == "Running"


def test_a_file_of_this_machine_becomes_an_image_of_the_cloud_once(cloud, tmp_path):
    path = tmp_path / "demo.img"
    path.write_bytes(bootable(b""))
    one, two = (images.register(COMMAND_LINE, path, name="Demo", login_user="demo") for _ in "12")
    assert one.id == two.id
    assert (one.format, one.project_id, one.size_bytes) == ("raw", None, MIB)
    assert images.find(cloud.actor("charlie"), cloud.project("blue").id, one.id)
    assert path.exists()


@pytest.mark.real
@pytest.mark.parametrize("reserve", [2**29, 0])
def test_a_full_disk_is_said_and_nothing_half_made_stays(cloud, reserve, monkeypatch):
    """On a file system of 4 MiB: refused before the first byte, or where there is no more."""
    monkeypatch.setattr(store, "RESERVE_BYTES", reserve)
    folder = cloud.directory / "images"
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        with pytest.raises(store.StoreFull, match="The image store is full, so nothing was kept"):
            upload(cloud, file=bootable(b"\x01" * 5 * MIB, 6 * MIB))
        assert files(cloud) == set()
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert session.scalar(select(Image).where(Image.name == "disk")) is None
