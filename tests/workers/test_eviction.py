"""Which images a host gives up when its cache has grown too large."""

import dataclasses
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.workers.conftest import some_image
from workers.drivers.disks import backing
from workers.drivers.disks.files import FileDisks
from workers.drivers.images.cache import ImageCache
from workers.drivers.images.eviction import JUST_USED_SECONDS, Cached, given_up

NOW = 1_000_000.0
LONG_AGO = NOW - 2 * JUST_USED_SECONDS
BYTES = 3000
MEMORY = Path("/dev/shm")


def cached(*ages: float) -> list[Cached]:
    """Images "a", "b", ... of 10 bytes that were used so many seconds before LONG_AGO."""
    return [
        Cached(sha256=name, own_bytes=10, used_at=LONG_AGO - age)
        for name, age in zip("abcdef", ages, strict=False)
    ]


def gone(images: list[Cached], excess_bytes: int, needed=()) -> list[str]:
    return given_up(images, needed=needed, excess_bytes=excess_bytes, moment=NOW)


def test_the_one_that_nobody_has_used_for_longest_goes_and_no_more_than_needed():
    assert gone(cached(1, 3, 2), 1) == ["b"]
    assert gone(cached(1, 3, 2), 11) == ["b", "c"]
    assert gone(cached(1, 3, 2), 0) == []


def test_what_a_disk_stands_on_stays_however_little_is_freed():
    assert gone(cached(1, 3, 2), 100, needed={"b"}) == ["c", "a"]


def test_what_was_used_just_now_stays_for_the_guest_that_is_about_to_be_made_of_it():
    assert gone(cached(1, -1.5 * JUST_USED_SECONDS), 100) == ["a"]


def test_what_the_store_has_too_stays_for_it_frees_nothing():
    linked = [dataclasses.replace(each, own_bytes=0) for each in cached(9)]
    assert gone([*linked, *cached(1)[:1]], 100) == ["a"]


@pytest.fixture
def copying(config):
    """A host whose store is on another file system, and whose cache shall hold nothing."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == config.image_store.stat().st_dev:
        pytest.skip("there is no second file system")
    store = Path(tempfile.mkdtemp(dir=MEMORY))
    yield dataclasses.replace(config, image_store=store, image_cache_gib=0)
    shutil.rmtree(store)


def image(config, *, used_seconds_ago: float = 0):
    """An image that was copied and used so long ago."""
    content = os.urandom(BYTES)
    spec = some_image(sha256=hashlib.sha256(content).hexdigest(), size_bytes=BYTES, format="raw")
    (config.image_store / spec.sha256).write_bytes(content)
    ImageCache(config).ensure_image(spec, lambda done, total: None)
    age(config, spec, used_seconds_ago)
    return spec


def age(config, spec, used_seconds_ago: float) -> None:
    path = config.state_directory / "cache" / spec.sha256
    os.utime(path, (time.time() - used_seconds_ago, path.stat().st_mtime))


def test_a_copy_makes_room_and_no_disk_loses_its_image(copying, new_instance):
    used, unused, late = (image(copying) for _ in range(3))
    guest = new_instance(used)
    FileDisks(copying).ensure_disk(guest.id, guest.root)
    for each in (used, unused):
        age(copying, each, 10 * JUST_USED_SECONDS)
    newest = image(copying)
    assert set(ImageCache(copying).observe_images()) == {
        used.sha256,
        late.sha256,
        newest.sha256,
    }


def test_an_image_that_is_used_is_the_last_to_go(copying):
    kept = image(copying, used_seconds_ago=10 * JUST_USED_SECONDS)
    assert ImageCache(copying).use_image(kept)
    image(copying)
    assert kept.sha256 in ImageCache(copying).observe_images()


def test_an_image_that_is_not_there_cannot_be_used(copying):
    assert not ImageCache(copying).use_image(some_image())


def test_an_image_that_is_linked_to_the_store_is_kept(config):
    config = dataclasses.replace(config, image_cache_gib=0)
    linked = image(config, used_seconds_ago=10 * JUST_USED_SECONDS)
    stored, cached = config.image_store / linked.sha256, config.state_directory / "cache"
    cached = cached / linked.sha256
    stored.unlink()
    os.link(cached, stored)  # as an earlier version did
    os.utime(cached, (time.time() - 10 * JUST_USED_SECONDS, cached.stat().st_mtime))
    other = image(config)
    assert set(ImageCache(config).observe_images()) == {linked.sha256, other.sha256}
    (config.image_store / linked.sha256).unlink()  # nobody but the cache has it from now on
    image(config)
    assert linked.sha256 not in ImageCache(config).observe_images()


def test_what_a_disk_stands_on_is_read_from_the_disk(config, new_instance):
    folder = backing.folder(config) / new_instance().id
    folder.mkdir(parents=True)
    (config.state_directory / "cache").mkdir()
    base = config.state_directory / "cache" / ("a" * 64)
    create = ["qemu-img", "create", "-q", "-f", "qcow2"]
    subprocess.run([*create, base, "1M"], check=True)
    subprocess.run([*create, "-F", "qcow2", "-b", base, folder / "root.qcow2"], check=True)
    snapshot = folder / "root.snapshot"
    subprocess.run([*create, "-F", "qcow2", "-b", folder / "root.qcow2", snapshot], check=True)
    (folder / "boot.log").write_bytes(b"QFI")
    (folder / "seed.iso").mkdir()
    assert backing.names(config) == {"a" * 64, "root.qcow2"}
