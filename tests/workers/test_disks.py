"""Disks of guests in the state directory of a host."""

import dataclasses
import hashlib
import json
import os
import subprocess

import pytest

from tests.workers.conftest import other_disk, root_disk, some_image
from workers.drivers.disks.files import GIB, FileDisks
from workers.drivers.images.cache import ImageCache
from workers.errors import Permanent

CONTENT = os.urandom(3 * (1 << 20) + 17)
SUM = hashlib.sha256(CONTENT).hexdigest()


def ignore(done: int, total: int) -> None: ...


@pytest.fixture
def disks(config):
    return FileDisks(config)


def image(**changes):
    fields = {"sha256": SUM, "size_bytes": len(CONTENT), "format": "raw"}
    return some_image(**(fields | changes))


@pytest.fixture
def guest(disks, config, new_instance):
    """A guest whose image is raw and begins like a qcow2 with a backing file would."""
    (config.image_store / SUM).write_bytes(CONTENT)
    ImageCache(config).ensure_image(image(), ignore)
    return new_instance(image(virtual_size_bytes=len(CONTENT)))


def describe(disks, guest, disk_id: str = "root") -> dict:
    path = disks.files(guest).disks[disk_id]
    command = ["qemu-img", "info", "-f", "qcow2", "--output=json", path]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def test_a_root_disk_is_an_overlay_of_its_image(disks, guest):
    disks.ensure_disk(guest.id, guest.root)
    disk = describe(disks, guest)
    assert disk["virtual-size"] == 1 * GIB
    assert disk["backing-filename"] == str(disks.files(guest).image)
    assert disk["backing-filename-format"] == "raw", "named, never guessed"
    assert disks.observe_disks() == (guest.id,)


def test_a_root_disk_is_no_smaller_than_its_image(disks, guest):
    large = dataclasses.replace(guest.root.image, virtual_size_bytes=3 * GIB)
    disks.ensure_disk(guest.id, root_disk(large))
    assert describe(disks, guest)["virtual-size"] == 3 * GIB


def test_a_disk_without_an_image_is_empty_and_as_large_as_it_says(disks, guest):
    second = other_disk(1, gib=2)
    bare = dataclasses.replace(guest, disks=(root_disk(None, gib=5), second))
    for disk in bare.disks:
        disks.ensure_disk(bare.id, disk)
    for disk_id, gib in (("root", 5), (second.id, 2)):
        made = describe(disks, bare, disk_id)
        assert made["virtual-size"] == gib * GIB
        assert "backing-filename" not in made
    assert disks.files(bare).image is None
    disks.remove_disks(bare.id)
    assert disks.observe_disks() == ()


def test_a_disk_goes_with_its_guest_and_not_before(disks, guest):
    disks.ensure_disk(guest.id, guest.root)
    disks.ensure_disk(guest.id, other_disk(1))
    written = disks.files(dataclasses.replace(guest, disks=(other_disk(1), guest.root)))
    before = written.disks[other_disk(1).id].stat()
    disks.ensure_disk(guest.id, guest.root)
    disks.ensure_disk(guest.id, other_disk(1, gib=3))
    after = written.disks[other_disk(1).id].stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_existing_disk_is_left_as_it_is(disks, guest):
    disks.ensure_disk(guest.id, guest.root)
    before = disks.files(guest).disks[guest.root.id].stat()
    disks.ensure_disk(guest.id, root_disk(guest.root.image, gib=5))
    after = disks.files(guest).disks[guest.root.id].stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_disk_half_made_by_a_killed_job_is_made_anew(disks, guest):
    folder = disks.files(guest).disks[guest.root.id].parent
    folder.mkdir()
    (folder / "root.new").write_bytes(b"half")
    disks.ensure_disk(guest.id, guest.root)
    assert describe(disks, guest)["virtual-size"] == 1 * GIB
    assert os.listdir(folder) == ["root.qcow2"]


def test_a_disk_without_its_image_is_an_error_and_leaves_nothing(disks, guest):
    disks.files(guest).image.unlink()
    with pytest.raises(OSError, match="qemu-img create"):
        disks.ensure_disk(guest.id, guest.root)
    assert os.listdir(disks.files(guest).disks[guest.root.id].parent) == []


def test_a_seed_is_written_only_when_it_says_something_else(disks, guest):
    disks.ensure_seed(guest)
    before = disks.files(guest).seed.stat().st_ino
    disks.ensure_seed(dataclasses.replace(guest, generation=2))
    assert disks.files(guest).seed.stat().st_ino == before
    disks.ensure_seed(dataclasses.replace(guest, hostname="other"))
    assert disks.files(guest).seed.stat().st_ino != before


def test_nothing_is_left_of_a_removed_guest_but_its_image_stays(config, disks, guest):
    disks.ensure_disk(guest.id, guest.root)
    disks.ensure_seed(guest)
    disks.remove_disks(guest.id)
    disks.remove_disks(guest.id)
    assert disks.observe_disks() == ()
    assert ImageCache(config).observe_images() == (SUM,)


@pytest.mark.parametrize("instance_id", ["", "..", "../../etc", "0" * 32])
def test_what_is_no_id_names_no_folder(disks, instance_id):
    with pytest.raises(Permanent, match="no instance's id"):
        disks.remove_disks(instance_id)


@pytest.mark.parametrize("disk_id", ["", "root", "../../cache/x", "0" * 32])
def test_what_is_no_id_of_a_disk_names_no_file(disks, guest, disk_id):
    with pytest.raises(Permanent, match="no disk's id"):
        disks.ensure_disk(guest.id, other_disk(1, id=disk_id))


@pytest.mark.real
def test_disks_that_do_not_fit_leave_nothing(config, full_disk, new_instance):
    content = CONTENT[: 700 * 1024]
    small = image(
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        virtual_size_bytes=len(content),
    )
    (config.image_store / small.sha256).write_bytes(content)
    ImageCache(config).ensure_image(small, ignore)
    full = FileDisks(config)
    assert full.observe_capacity() == (0, 0)
    (config.state_directory / "filler").write_bytes(b"x" * 250 * 1024)
    guest = new_instance(small, user_data="#!/bin/sh\n" + "#" * 100_000)
    with pytest.raises(Permanent, match="the disk of the host is full"):
        full.ensure_disk(guest.id, guest.root)
    with pytest.raises(Permanent, match="the disk of the host is full"):
        full.ensure_seed(guest)
    assert os.listdir(full.files(guest).disks[guest.root.id].parent) == []
