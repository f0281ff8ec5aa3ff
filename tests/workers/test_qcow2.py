"""Images and disks in the state directory of a host."""

import contextlib
import dataclasses
import hashlib
import http.server
import json
import multiprocessing
import os
import signal
import subprocess
import threading

import pytest

from tests.workers.conftest import some_image
from workers.drivers.disks.qcow2 import GIB, Qcow2Storage
from workers.drivers.libvirt import boot_log
from workers.errors import Permanent, Superseded

CONTENT = os.urandom(3 * (1 << 20) + 17)
SUM = hashlib.sha256(CONTENT).hexdigest()


def ignore(done: int, total: int) -> None: ...


@pytest.fixture
def storage(config):
    return Qcow2Storage(config)


@pytest.fixture
def elsewhere(config):
    """The driver of a host that does not share the portal's store."""
    return Qcow2Storage(dataclasses.replace(config, image_store=None))


@pytest.fixture
def portal():
    """A portal that serves CONTENT; `portal.answer` changes what it says."""

    class Portal(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.headers["Authorization"])
            status, headers, body = self.server.answer
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body)

        def log_message(self, *_): ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Portal) as server:
        server.answer, server.asked = (200, {}, CONTENT), []
        server.url = f"http://127.0.0.1:{server.server_port}/images/{SUM}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def image(**changes):
    fields = {"sha256": SUM, "size_bytes": len(CONTENT), "format": "raw"}
    return some_image(**(fields | changes))


def in_cache(config) -> list[str]:
    return sorted(os.listdir(config.state_directory / "cache"))


def test_an_image_of_a_shared_store_is_linked_and_not_copied(config, storage):
    stored = config.image_store / SUM
    stored.write_bytes(CONTENT)
    seen = []
    storage.ensure_image(image(), lambda done, total: seen.append((done, total)))
    cached = config.state_directory / "cache" / SUM
    assert cached.samefile(stored)
    assert cached.stat().st_mode & 0o777 == 0o444, "QEMU's own user reads it, nobody writes it"
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert storage.observe_images() == (SUM,)


def test_no_link_in_the_store_is_followed(config, storage, tmp_path):
    elsewhere = tmp_path / "shadow"
    elsewhere.write_bytes(CONTENT)
    elsewhere.chmod(0o600)
    (config.image_store / SUM).symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic links"):
        storage.ensure_image(image(), ignore)
    assert elsewhere.stat().st_mode & 0o777 == 0o600
    assert in_cache(config) == []


def test_what_guests_start_from_is_no_longer_its_owners_to_change(config, storage):
    stored = config.image_store / SUM
    stored.write_bytes(CONTENT)
    if os.geteuid() == 0:
        os.chown(stored, 65534, 65534)
    storage.ensure_image(image(), ignore)
    assert (config.state_directory / "cache" / SUM).stat().st_uid == os.geteuid()


def test_an_image_that_is_there_is_not_read_again(config, storage):
    (config.image_store / SUM).write_bytes(CONTENT)
    storage.ensure_image(image(), ignore)
    (config.image_store / SUM).unlink()
    storage.ensure_image(image(), lambda done, total: pytest.fail("it was read"))


def test_an_image_is_fetched_from_the_portal_with_its_token(config, elsewhere, portal):
    elsewhere.ensure_image(image(url=portal.url, token="t-1"), ignore)
    assert (config.state_directory / "cache" / SUM).read_bytes() == CONTENT
    assert portal.asked == ["Bearer t-1"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((200, {}, CONTENT[:-1] + b"x"), "another SHA-256"),
        ((200, {}, CONTENT + b"x"), "larger than"),
        ((404, {}, b""), "no longer in the image store"),
    ],
)
def test_an_image_that_can_never_be_had_is_refused(config, elsewhere, portal, answer, sentence):
    portal.answer = answer
    with pytest.raises(Permanent, match=sentence):
        elsewhere.ensure_image(image(url=portal.url), ignore)
    assert in_cache(config) == []


@pytest.mark.parametrize(
    "answer",
    [
        (503, {}, b"later"),
        (302, {"Location": "http://127.0.0.1:9/"}, b""),
        (200, {"Content-Length": str(len(CONTENT))}, CONTENT[:1000]),
        (200, {}, CONTENT[:1000]),
    ],
)
def test_an_image_that_did_not_come_whole_may_come_next_time(config, elsewhere, portal, answer):
    portal.answer = answer
    with pytest.raises(OSError):
        elsewhere.ensure_image(image(url=portal.url), ignore)
    assert in_cache(config) == []
    portal.answer = 200, {}, CONTENT
    elsewhere.ensure_image(image(url=portal.url), ignore)
    assert in_cache(config) == [SUM]


def test_a_damaged_image_in_the_store_is_refused(config, storage):
    (config.image_store / SUM).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(Permanent, match="another SHA-256"):
        storage.ensure_image(image(), ignore)
    assert in_cache(config) == []


def test_a_copy_that_is_superseded_leaves_nothing(config, elsewhere, portal):
    def stop(done, total):
        raise Superseded

    with pytest.raises(Superseded):
        elsewhere.ensure_image(image(url=portal.url), stop)
    assert in_cache(config) == []


def test_a_copy_that_is_killed_leaves_nothing(config, elsewhere, portal):
    def die(done, total):
        os.kill(os.getpid(), signal.SIGKILL)

    child = multiprocessing.get_context("fork").Process(
        target=elsewhere.ensure_image, args=(image(url=portal.url), die)
    )
    child.start()
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    assert in_cache(config) == []


def test_a_file_that_is_named_by_no_sum_is_no_image(config, storage):
    (config.state_directory / "cache" / "notes.txt").touch()
    assert storage.observe_images() == ()
    with pytest.raises(Permanent, match="is no SHA-256"):
        storage.ensure_image(image(sha256="../../etc/passwd"), ignore)


class TestDisksOfAGuest:
    @pytest.fixture
    def guest(self, storage, config, new_instance):
        """A guest whose image is raw and begins like a qcow2 with a backing file would."""
        (config.image_store / SUM).write_bytes(CONTENT)
        storage.ensure_image(image(), ignore)
        return new_instance(image(virtual_size_bytes=len(CONTENT)))

    def describe(self, storage, guest) -> dict:
        root = storage.files(guest).root
        command = ["qemu-img", "info", "-f", "qcow2", "--output=json", root]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    def test_a_root_disk_is_an_overlay_of_its_image(self, storage, guest):
        storage.ensure_disk(guest)
        disk = self.describe(storage, guest)
        assert disk["virtual-size"] == 1 * GIB
        assert disk["backing-filename"] == str(storage.files(guest).image)
        assert disk["backing-filename-format"] == "raw", "named, never guessed"
        assert storage.observe_instances() == (guest.id,)

    def test_a_root_disk_is_no_smaller_than_its_image(self, storage, guest):
        large = dataclasses.replace(guest.image, virtual_size_bytes=3 * GIB)
        storage.ensure_disk(dataclasses.replace(guest, image=large))
        assert self.describe(storage, guest)["virtual-size"] == 3 * GIB

    def test_an_existing_disk_is_left_as_it_is(self, storage, guest):
        storage.ensure_disk(guest)
        before = storage.files(guest).root.stat()
        storage.ensure_disk(dataclasses.replace(guest, disk_gib=5))
        after = storage.files(guest).root.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_a_disk_half_made_by_a_killed_job_is_made_anew(self, storage, guest):
        folder = storage.files(guest).root.parent
        folder.mkdir()
        (folder / "root.new").write_bytes(b"half")
        storage.ensure_disk(guest)
        assert self.describe(storage, guest)["virtual-size"] == 1 * GIB
        assert os.listdir(folder) == ["root.qcow2"]

    def test_a_disk_without_its_image_is_an_error_and_leaves_nothing(self, storage, guest):
        storage.files(guest).image.unlink()
        with pytest.raises(OSError, match="qemu-img create"):
            storage.ensure_disk(guest)
        assert os.listdir(storage.files(guest).root.parent) == []

    def test_a_seed_is_written_only_when_it_says_something_else(self, storage, guest):
        storage.ensure_seed(guest)
        before = storage.files(guest).seed.stat().st_ino
        storage.ensure_seed(dataclasses.replace(guest, generation=2))
        assert storage.files(guest).seed.stat().st_ino == before
        storage.ensure_seed(dataclasses.replace(guest, hostname="other"))
        assert storage.files(guest).seed.stat().st_ino != before

    def test_nothing_is_left_of_a_removed_guest_but_its_image_stays(self, storage, guest):
        storage.ensure_disk(guest)
        storage.ensure_seed(guest)
        storage.remove_instance(guest.id)
        storage.remove_instance(guest.id)
        assert storage.observe_instances() == ()
        assert storage.observe_images() == (SUM,)

    @pytest.mark.parametrize("instance_id", ["", "..", "../../etc", "0" * 32])
    def test_what_is_no_id_names_no_folder(self, storage, instance_id):
        with pytest.raises(Permanent, match="no instance's id"):
            storage.remove_instance(instance_id)


@pytest.mark.real
class TestAFullDisk:
    @pytest.fixture
    def full(self, config, tmp_path):
        """A host whose disk has 1 MiB."""
        config.state_directory.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", config.state_directory]
        subprocess.run(mount, check=True)
        yield Qcow2Storage(config)
        subprocess.run(["umount", config.state_directory], check=True)

    def test_an_image_that_does_not_fit_leaves_nothing(self, config, full):
        (config.image_store / SUM).write_bytes(CONTENT)
        with pytest.raises(Permanent, match="the disk of the host is full"):
            full.ensure_image(image(), ignore)
        assert in_cache(config) == []
        assert full.observe_capacity() == (0, 0)
        assert os.statvfs(config.state_directory).f_bavail > 0, "what was written is given back"

    def test_disks_that_do_not_fit_leave_nothing(self, config, full, new_instance):
        content = CONTENT[: 700 * 1024]
        small = image(
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            virtual_size_bytes=len(content),
        )
        (config.image_store / small.sha256).write_bytes(content)
        full.ensure_image(small, ignore)
        (config.state_directory / "filler").write_bytes(b"x" * 250 * 1024)
        guest = new_instance(small, user_data="#!/bin/sh\n" + "#" * 100_000)
        with pytest.raises(Permanent, match="the disk of the host is full"):
            full.ensure_disk(guest)
        with pytest.raises(Permanent, match="the disk of the host is full"):
            full.ensure_seed(guest)
        assert os.listdir(full.files(guest).root.parent) == []


class TestTheBootLog:
    def test_it_holds_this_boot_and_the_last(self, tmp_path):
        log = tmp_path / "boot.log"
        for number in (1, 2, 3):
            boot_log.begin(log)
            boot_log.begin(log)  # a job killed before the guest ran
            log.write_text(f"boot {number}\n")
        assert boot_log.read(log) == "boot 2\nboot 3\n"

    def test_it_shows_the_newest_256_kib_and_goes_on_where_virtlogd_began_anew(self, tmp_path):
        log = tmp_path / "boot.log"
        (tmp_path / "boot.log.0").write_bytes(b"a" * (2 << 20))
        log.write_bytes(b"b" * 1000)
        assert boot_log.read(log) == "a" * (256 * 1024 - 1000) + "b" * 1000

    def test_bytes_that_are_no_text_are_shown_as_such(self, tmp_path):
        log = tmp_path / "boot.log"
        log.write_bytes(b"\x1b[2J\xff ok\r\n")
        assert boot_log.read(log) == "\x1b[2J\ufffd ok\r\n"

    def test_a_guest_that_never_booted_has_none(self, storage, config, new_instance):
        assert boot_log.read(storage.boot_log(new_instance().id)) == ""
