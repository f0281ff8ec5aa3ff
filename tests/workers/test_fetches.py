"""Published images on their way into the image store, from a publisher of our own."""

import concurrent.futures
import dataclasses
import fcntl
import gzip
import hashlib
import io
import lzma
import multiprocessing
import os
import signal
import stat
import threading

import pytest

from portal.errors import Refused
from portal.services.images.inspection import Judge
from tests.services.hostile_images import HOSTILE
from tests.services.image_files import MIB, bootable, qcow2
from tests.workers.publisher_server import IMAGE_ID
from workers.drivers.fake import FakeHost, drivers_of
from workers.drivers.images import fetches
from workers.drivers.images.fetches import StoreFetches
from workers.drivers.images.publisher import CHUNK_BYTES, Publisher, sum_of
from workers.errors import Busy, Failed, Permanent, Superseded
from workers.jobs import JOBS

SHA256, SHA512 = "a" * 64, "b" * 128
SUM = hashlib.sha256(qcow2()).hexdigest()
PATIENCE_SECONDS = 20


def ignore(done: int, total: int) -> None: ...


@pytest.fixture
def fetching(config):
    return StoreFetches(config, publisher=Publisher(config.name, private_too=True))


def files(config) -> set[str]:
    """What is in the store, but its lock."""
    return set(os.listdir(config.image_store)) - {"lock"}


def test_what_was_published_is_in_the_store_with_a_note_of_it(config, fetching, publisher):
    told = []
    fetching.ensure_fetch(publisher.offer(qcow2()), lambda *progress: told.append(progress))
    kept = config.image_store / SUM
    assert kept.read_bytes() == qcow2()
    assert kept.stat().st_mode & 0o777 == 0o444
    assert files(config) == {SUM, f"{IMAGE_ID}.note"}
    assert told[-1] == (len(qcow2()), len(qcow2()))
    found = fetching.observe_fetch(IMAGE_ID)
    assert (found.sha256, found.format) == (SUM, "qcow2")
    assert (found.size_bytes, found.virtual_size_bytes) == (len(qcow2()), MIB)


def test_what_is_there_is_not_fetched_again(config, fetching, publisher):
    spec = publisher.offer(qcow2())
    fetching.ensure_fetch(spec, ignore)
    asked = list(publisher.asked)
    fetching.ensure_fetch(dataclasses.replace(spec, generation=2), ignore)
    assert publisher.asked == asked
    (config.image_store / SUM).unlink()
    assert fetching.observe_fetch(IMAGE_ID) is None
    fetching.ensure_fetch(spec, ignore)
    assert (config.image_store / SUM).read_bytes() == qcow2()


def test_a_file_that_hosts_link_to_is_never_replaced(config, fetching, publisher):
    (config.image_store / SUM).write_bytes(qcow2())
    before = (config.image_store / SUM).stat().st_ino
    fetching.ensure_fetch(publisher.offer(qcow2()), ignore)
    assert (config.image_store / SUM).stat().st_ino == before
    assert fetching.observe_fetch(IMAGE_ID).sha256 == SUM


def test_a_fetch_that_was_removed_leaves_its_file_to_the_portal(config, fetching, publisher):
    fetching.ensure_fetch(publisher.offer(qcow2()), ignore)
    for _ in "12":
        fetching.remove_fetch(IMAGE_ID)
        assert files(config) == {SUM}
    assert fetching.observe_fetch(IMAGE_ID) is None


def test_what_differs_from_the_publishers_sum_is_thrown_away(config, fetching, publisher):
    spec = publisher.offer(qcow2())
    publisher.files["/images/disk.qcow2"] = qcow2(2 * MIB)
    with pytest.raises(Permanent, match=r"is not what .*/SHA512SUMS names, so it was thrown away"):
        fetching.ensure_fetch(spec, ignore)
    assert files(config) == set()


@pytest.mark.parametrize("sums", [f"{SHA512}  other.qcow2\n", "", "<html>"])
def test_what_a_list_does_not_name_is_not_even_asked_for(config, fetching, publisher, sums):
    with pytest.raises(Permanent, match=r"does not name disk\.qcow2, so nothing was fetched"):
        fetching.ensure_fetch(publisher.offer(qcow2(), sums=sums), ignore)
    assert publisher.asked == ["/images/SHA512SUMS"]


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (bootable(b""), "disk.qcow2 is no qcow2 disk"),
        (b"QFI", "disk.qcow2 is no qcow2 disk"),
        (b"", "disk.qcow2 is no qcow2 disk"),
        (HOSTILE["backing_file"]("/etc/hostname"), "only the changes to a backing file"),
        (qcow2(incompatible=4), "the data of disk.qcow2 is in another file"),
        (qcow2(crypt=1), "disk.qcow2 is encrypted"),
        (qcow2(2**31), "has 2 GiB; 1 GiB is the largest"),
        (qcow2(size=0), "has 0 GiB; 1 GiB is the largest"),
        (qcow2(cluster_bits=63), "disk.qcow2 is damaged"),
    ],
)
def test_a_file_that_is_no_whole_disk_is_refused_though_its_sum_is_right(
    config, fetching, publisher, file, sentence
):
    with pytest.raises(Permanent, match=sentence):
        fetching.ensure_fetch(publisher.offer(file), ignore)
    assert files(config) == set()


FOREIGN = {  # whatever its name says → what it is
    "a VHD disk of fixed size": bootable(b"", 2 * MIB) + b"conectix" + bytes(504),
    "a VHD disk": b"conectix" + bytes(2 * MIB),
    "a VMDK disk of VMware": b"KDMV" + bytes(2 * MIB),
    "a VDI disk of VirtualBox": bytes(64) + b"\x7f\x10\xda\xbe" + bytes(2 * MIB),
    "an encrypted disk (LUKS)": b"LUKS\xba\xbe\0\1" + bytes(2 * MIB),
    "a CD or DVD": bytes(32_769) + b"CD001" + bytes(2 * MIB),
    "compressed by gzip": gzip.compress(bytes(MIB)),
    "compressed by xz": lzma.compress(bytes(MIB)),
    "a web page": b"<!doctype html><title>Not found</title>" * 99,
    "a tar archive": bytes(257) + b"ustar" + bytes(MIB),
}


@pytest.mark.parametrize("words", FOREIGN)
def test_a_disk_that_is_not_what_it_is_called_is_named_alike_for_both(
    config, fetching, publisher, words
):
    """Seen: a person who sent it was told what it is, and who had it fetched "is no qcow2 disk"."""
    spec = publisher.offer(FOREIGN[words], most_bytes=2**30)
    with pytest.raises(Permanent) as fetched:
        fetching.ensure_fetch(spec, ignore)
    judge = Judge(iter([FOREIGN[words]]), most_virtual_bytes=2**30)
    with pytest.raises(Refused) as sent:
        judge.verdict(io.BytesIO(b"".join(judge)))
    assert str(fetched.value).startswith(f"disk.qcow2 is {words}")
    assert f"This is {words}" in str(sent.value)
    way_out = str(sent.value).rpartition(". ")[2]
    assert str(fetched.value).endswith(way_out)


# what is harmless as a qcow2 file and something else besides, only a person may not send: a host
# takes a file for nothing but qcow2
HOSTILE_QCOW2 = [
    name
    for name, make in HOSTILE.items()
    if make("/x").startswith(b"QFI\xfb") and not name.startswith("harmless")
]


@pytest.mark.parametrize("name", HOSTILE_QCOW2)
def test_a_hostile_file_is_refused_as_it_is_from_a_person(config, fetching, publisher, name):
    spec = publisher.offer(HOSTILE[name]("/etc/hostname"), most_bytes=2**30)
    with pytest.raises(Permanent) as refusal:
        fetching.ensure_fetch(dataclasses.replace(spec, most_virtual_bytes=500 * 2**30), ignore)
    assert "hostname" not in str(refusal.value).replace("disk.qcow2", "")
    assert files(config) == set()


def test_what_is_too_large_is_refused_before_it_has_come(config, fetching, publisher):
    spec = publisher.offer(bootable(b"", 4 * MIB), most_bytes=MIB)
    told = []
    with pytest.raises(Permanent, match="larger than the 0 GiB that are taken"):
        fetching.ensure_fetch(spec, lambda *progress: told.append(progress))
    assert told == [(0, 0)]  # when its list of sums had come
    assert files(config) == set()


def test_a_full_store_is_said_with_numbers(config, fetching, publisher, monkeypatch):
    monkeypatch.setattr(fetches, "RESERVE_BYTES", 2**62)
    with pytest.raises(Permanent, match="the image store is full: 0 MiB are left, and 4 MiB more"):
        fetching.ensure_fetch(publisher.offer(bootable(b"", 4 * MIB)), ignore)
    assert files(config) == set()


def test_a_host_without_the_store_says_so(config, publisher):
    for store in (None, config.image_store / "not-mounted"):
        without = StoreFetches(dataclasses.replace(config, image_store=store))
        with pytest.raises(Permanent, match="host kvm-1 holds no image store"):
            without.ensure_fetch(publisher.offer(qcow2()), ignore)
        without.remove_fetch(IMAGE_ID)
        assert without.observe_fetch(IMAGE_ID) is None


def test_a_fetch_that_breaks_off_may_succeed_next_time(config, fetching, publisher):
    spec = publisher.offer(qcow2())
    publisher.cut = True
    with pytest.raises(Failed, match=r"connection of host kvm-1 to 127\.0\.0\.1 broke off"):
        fetching.ensure_fetch(spec, ignore)
    assert files(config) == set()
    publisher.cut = False
    fetching.ensure_fetch(spec, ignore)
    assert SUM in files(config)


def test_a_publisher_without_the_file_is_named(config, fetching, publisher):
    spec = publisher.offer(qcow2())
    del publisher.files["/images/disk.qcow2"]
    with pytest.raises(Permanent, match=r"/images/disk\.qcow2 answered 404"):
        fetching.ensure_fetch(spec, ignore)


def test_a_publisher_out_of_reach_is_named_with_what_can_be_done(config, fetching, publisher):
    spec = publisher.offer(qcow2())
    unknown = dataclasses.replace(spec, sums_url="https://nowhere.invalid/SHA512SUMS")
    with pytest.raises(Failed) as error:
        fetching.ensure_fetch(unknown, ignore)
    assert str(error.value) == (
        "nowhere.invalid cannot be reached from host kvm-1: its name is not known there. Check "
        "its way to the Internet; a proxy is taken from HTTPS_PROXY."
    )
    publisher.stop()
    with pytest.raises(Failed, match=r"127\.0\.0\.1 cannot be reached .* no connection to it"):
        fetching.ensure_fetch(spec, ignore)


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    config, fetching, publisher, monkeypatch
):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(Failed, match="its certificate is not to be trusted"):
        fetching.ensure_fetch(publisher.offer(qcow2()), ignore)
    assert publisher.asked == []


def test_a_mirror_is_followed_and_a_chase_is_not(config, fetching, publisher):
    spec = publisher.offer(qcow2())
    publisher.files["/mirror/disk.qcow2"] = publisher.files["/images/disk.qcow2"]
    publisher.files["/images/disk.qcow2"] = "/mirror/disk.qcow2"
    fetching.ensure_fetch(spec, ignore)
    assert SUM in files(config)
    fetching.remove_fetch(IMAGE_ID)
    publisher.files["/images/disk.qcow2"] = "/images/disk.qcow2"
    with pytest.raises(Permanent, match="one redirect followed another"):
        fetching.ensure_fetch(spec, ignore)


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/disk.qcow2", "file:///etc/hostname"])
def test_nothing_leads_from_https_elsewhere(config, fetching, publisher, target):
    spec = publisher.offer(qcow2())
    publisher.files["/images/disk.qcow2"] = target
    with pytest.raises(Permanent, match="images come by https alone"):
        fetching.ensure_fetch(spec, ignore)
    with pytest.raises(Permanent, match="images come by https alone"):
        fetching.ensure_fetch(dataclasses.replace(spec, sums_url=target), ignore)


def test_a_fetch_leaves_at_once_when_something_newer_arrives(config, fetching, publisher):
    def newer(done: int, total: int) -> None:
        raise Superseded

    with pytest.raises(Superseded):
        fetching.ensure_fetch(publisher.offer(qcow2()), newer)
    assert files(config) == set()


def test_a_delete_ends_even_the_list_of_sums(config, fetching, publisher):
    def newer(done: int, total: int) -> None:
        raise Superseded

    with pytest.raises(Superseded):
        fetching.ensure_fetch(publisher.offer(qcow2()), newer)
    assert publisher.asked == ["/images/SHA512SUMS"]


def test_nobody_waits_for_a_turn_while_a_file_goes_to_the_disk(
    config, fetching, publisher, monkeypatch
):
    flushed, fsync = [], os.fsync

    def watched(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            with open(config.image_store / "lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            flushed.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    fetching.ensure_fetch(publisher.offer(qcow2()), ignore)
    assert flushed == [len(qcow2())]


def test_a_pulled_plug_in_the_middle_leaves_nothing(config, fetching, publisher):
    spec, publisher.held = publisher.offer(qcow2()), multiprocessing.Event()
    context = multiprocessing.get_context("fork")
    child = context.Process(target=fetching.ensure_fetch, args=(spec, ignore))
    child.start()
    assert publisher.begun.wait(PATIENCE_SECONDS)
    os.kill(child.pid, signal.SIGKILL)
    child.join(PATIENCE_SECONDS)
    assert files(config) == set()
    publisher.held.set()
    fetching.ensure_fetch(spec, ignore)
    assert SUM in files(config)


def test_a_delete_ends_a_fetch_that_is_under_way(tmp_path, config, fetching, publisher):
    fake = FakeHost(tmp_path / "fake", wait_seconds=0.1)
    host = dataclasses.replace(drivers_of(fake), fetches=fetching)
    apply, remove = (JOBS[f"fetches.{verb}"][0] for verb in ("apply", "remove"))
    spec = publisher.offer(bytes(CHUNK_BYTES))  # one piece: nobody looks up before it is whole
    publisher.held = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as worker:
        coming = worker.submit(apply, host, spec)
        assert publisher.begun.wait(PATIENCE_SECONDS)
        with pytest.raises(Busy):
            remove(host, dataclasses.replace(spec, generation=2))
        publisher.held.set()
        with pytest.raises(Superseded):
            coming.result(PATIENCE_SECONDS)
    assert remove(host, dataclasses.replace(spec, generation=2)).fetches == ()
    assert apply(host, spec).fetches == ()
    assert files(config) == set()


def test_the_job_says_how_far_it_is_and_what_is_there(tmp_path, fetching, publisher):
    said = []
    host = dataclasses.replace(
        drivers_of(FakeHost(tmp_path / "fake")), fetches=fetching, say=said.append
    )
    answer = JOBS["fetches.apply"][0](host, publisher.offer(qcow2()))
    assert [each.sha256 for each in answer.fetches] == [SUM]
    assert said[-1] == "0 of 0 MiB are here."


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{SHA512}  disk.qcow2", SHA512),  # Debian
        (f"{SHA256} *disk.qcow2", SHA256),  # Ubuntu
        (f"{SHA256}  ./disk.qcow2", SHA256),
        (f"# disk.qcow2: 12 bytes\nSHA256 (disk.qcow2) = {SHA256}", SHA256),  # Fedora, Rocky
        (f"-----BEGIN PGP SIGNED MESSAGE-----\n\nSHA512 (disk.qcow2) = {SHA512}", SHA512),
        (f"{SHA256}  not-disk.qcow2", None),
        (f"{'a' * 40}  disk.qcow2", None),
        (f"MD5 (disk.qcow2) = {'a' * 32}", None),
        ("", None),
    ],
)
def test_lists_of_sums_are_read_as_publishers_write_them(line, expected):
    sums = f"{'0' * 64}  first.qcow2\n{line}\n{'1' * 64}  last.qcow2\n"
    assert sum_of("disk.qcow2", sums) == expected
