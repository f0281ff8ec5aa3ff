"""Images in the cache of a host."""

import dataclasses
import hashlib
import multiprocessing
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.workers.conftest import some_image
from workers.drivers.images.cache import ImageCache
from workers.errors import Permanent, Superseded

CONTENT = os.urandom(3 * (1 << 20) + 17)
SUM = hashlib.sha256(CONTENT).hexdigest()
MEMORY = Path("/dev/shm")


def ignore(done: int, total: int) -> None: ...


@pytest.fixture
def cache(config):
    return ImageCache(config)


@pytest.fixture
def elsewhere(config):
    """The cache of a host whose store is on another file system, so that it copies."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == config.image_store.stat().st_dev:
        pytest.skip("there is no second file system")
    store = Path(tempfile.mkdtemp(dir=MEMORY))
    yield dataclasses.replace(config, image_store=store)
    shutil.rmtree(store)


def image(**changes):
    fields = {"sha256": SUM, "size_bytes": len(CONTENT), "format": "raw"}
    return some_image(**(fields | changes))


def in_cache(config) -> list[str]:
    return sorted(os.listdir(config.state_directory / "cache"))


def test_an_image_of_a_shared_store_is_a_file_of_its_own(config, cache):
    stored = config.image_store / SUM
    stored.write_bytes(CONTENT)
    seen = []
    cache.ensure_image(image(), lambda done, total: seen.append((done, total)))
    cached = config.state_directory / "cache" / SUM
    assert cached.read_bytes() == CONTENT
    assert not cached.samefile(stored)
    assert cached.stat().st_mode & 0o777 == 0o440, "QEMU's own user reads it, nobody writes it"
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert cache.observe_images() == (SUM,)


def test_whoever_had_the_stores_file_open_does_not_write_into_guests(config, cache):
    """Seen: the sum was checked, and a descriptor from before could still write."""
    stored = config.image_store / SUM
    stored.write_bytes(CONTENT)
    with open(stored, "r+b") as open_before:
        cache.ensure_image(image(), ignore)
        open_before.write(b"somebody else's boot sector")
    assert stored.read_bytes() != CONTENT, "the attack works where the file is shared"
    assert (config.state_directory / "cache" / SUM).read_bytes() == CONTENT


def test_an_image_that_an_earlier_version_shared_with_the_store_is_copied_before_it_is_used(
    config, cache
):
    stored = config.image_store / SUM
    stored.write_bytes(CONTENT)
    cached = config.state_directory / "cache" / SUM
    os.link(stored, cached)
    with open(cached, "rb") as running_guest:
        assert not cache.use_image(image())
        cache.ensure_image(image(), ignore)
        assert running_guest.read() == CONTENT
    assert cache.use_image(image())
    assert not cached.samefile(stored)


def test_no_link_in_the_store_is_followed(config, cache, tmp_path):
    elsewhere = tmp_path / "shadow"
    elsewhere.write_bytes(CONTENT)
    elsewhere.chmod(0o600)
    (config.image_store / SUM).symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic links"):
        cache.ensure_image(image(), ignore)
    assert elsewhere.stat().st_mode & 0o777 == 0o600
    assert in_cache(config) == []


def test_what_guests_start_from_is_no_longer_its_owners_to_change(config, cache):
    stored = config.image_store / SUM
    stored.write_bytes(CONTENT)
    if os.geteuid() == 0:
        os.chown(stored, 65534, 65534)
    cache.ensure_image(image(), ignore)
    assert (config.state_directory / "cache" / SUM).stat().st_uid == os.geteuid()


def test_an_image_that_is_there_is_not_read_again(config, cache):
    (config.image_store / SUM).write_bytes(CONTENT)
    cache.ensure_image(image(), ignore)
    (config.image_store / SUM).unlink()
    cache.ensure_image(image(), lambda done, total: pytest.fail("it was read"))


def test_an_image_of_a_store_on_another_file_system_is_copied(elsewhere):
    (elsewhere.image_store / SUM).write_bytes(CONTENT)
    ImageCache(elsewhere).ensure_image(image(), ignore)
    cached = elsewhere.state_directory / "cache" / SUM
    assert cached.read_bytes() == CONTENT
    assert cached.stat().st_mode & 0o777 == 0o440


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(CONTENT[:-1] + b"x", "another SHA-256"), (CONTENT + b"x", "larger than")],
)
def test_an_image_that_can_never_be_had_is_refused(elsewhere, content, sentence):
    (elsewhere.image_store / SUM).write_bytes(content)
    with pytest.raises(Permanent, match=sentence):
        ImageCache(elsewhere).ensure_image(image(), ignore)
    assert in_cache(elsewhere) == []


def test_an_image_that_did_not_come_whole_may_come_next_time(elsewhere):
    (elsewhere.image_store / SUM).write_bytes(CONTENT[:1000])
    with pytest.raises(OSError, match="ended after 1000 of"):
        ImageCache(elsewhere).ensure_image(image(), ignore)
    assert in_cache(elsewhere) == []
    (elsewhere.image_store / SUM).write_bytes(CONTENT)
    ImageCache(elsewhere).ensure_image(image(), ignore)
    assert in_cache(elsewhere) == [SUM]


@pytest.mark.parametrize("shared", [True, False])
def test_an_image_that_is_in_no_store_may_be_there_next_time(config, shared):
    config = config if shared else dataclasses.replace(config, image_store=None)
    with pytest.raises(FileNotFoundError, match="not in the image store"):
        ImageCache(config).ensure_image(image(), ignore)


def test_a_damaged_image_in_the_store_is_refused(config, cache):
    (config.image_store / SUM).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(Permanent, match="another SHA-256"):
        cache.ensure_image(image(), ignore)
    assert in_cache(config) == []


def test_a_copy_that_is_superseded_leaves_nothing(elsewhere):
    def stop(done, total):
        raise Superseded

    (elsewhere.image_store / SUM).write_bytes(CONTENT)
    with pytest.raises(Superseded):
        ImageCache(elsewhere).ensure_image(image(), stop)
    assert in_cache(elsewhere) == []


def test_a_copy_that_is_killed_leaves_nothing(elsewhere):
    def die(done, total):
        os.kill(os.getpid(), signal.SIGKILL)

    (elsewhere.image_store / SUM).write_bytes(CONTENT)
    child = multiprocessing.get_context("fork").Process(
        target=ImageCache(elsewhere).ensure_image, args=(image(), die)
    )
    child.start()
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    assert in_cache(elsewhere) == []


def test_a_file_that_is_named_by_no_sum_is_no_image(config, cache):
    (config.state_directory / "cache" / "notes.txt").touch()
    assert cache.observe_images() == ()
    with pytest.raises(Permanent, match="is no SHA-256"):
        cache.ensure_image(image(sha256="../../etc/passwd"), ignore)


@pytest.mark.real
def test_an_image_that_does_not_fit_leaves_nothing(config, full_disk):
    (config.image_store / SUM).write_bytes(CONTENT)
    with pytest.raises(Permanent, match="the disk of the host is full"):
        ImageCache(config).ensure_image(image(), ignore)
    assert in_cache(config) == []
    assert os.statvfs(config.state_directory).f_bavail > 0, "what was written is given back"
