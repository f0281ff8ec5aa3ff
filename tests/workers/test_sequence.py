"""The counter that orders what a host reports."""

import os
import uuid

import pytest

from workers.drivers import sequence
from workers.drivers.sequence import SYNCED_EVERY, FileSequence


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sequence"


@pytest.fixture
def disk(path, monkeypatch):
    """What of the counter's file would be there after a pulled plug: the list's last content."""
    synced, sync = [b""], os.fdatasync

    def remember(descriptor: int) -> None:
        sync(descriptor)
        synced.append(path.read_bytes())

    monkeypatch.setattr(sequence.os, "fdatasync", remember)
    return synced


@pytest.fixture
def may_be_there(path, disk, monkeypatch):
    """What the disk may have had time to write since it was last waited for."""
    contents, sync, write = [], os.fdatasync, os.pwrite

    def forget(descriptor: int) -> None:
        sync(descriptor)
        contents.clear()

    def remember(descriptor: int, content: bytes, place: int) -> int:
        written = write(descriptor, content, place)
        contents.append(path.read_bytes())
        return written

    monkeypatch.setattr(sequence.os, "fdatasync", forget)
    monkeypatch.setattr(sequence.os, "pwrite", remember)
    return contents


def test_every_number_is_larger_than_the_one_before_whoever_takes_it(path):
    boot = str(uuid.uuid4())
    numbers = [FileSequence(path, boot).take() for _ in range(5)]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("taken", [1, 7, SYNCED_EVERY - 1, SYNCED_EVERY, 3 * SYNCED_EVERY + 5])
def test_no_number_comes_twice_however_little_the_disk_had_when_the_power_went(path, disk, taken):
    before = FileSequence(path, str(uuid.uuid4()))
    newest = [before.take() for _ in range(taken)][-1]
    path.write_bytes(disk[-1])
    after = FileSequence(path, str(uuid.uuid4()))
    assert after.take() > newest
    assert after.boot_id != before.boot_id


def test_no_number_comes_twice_whatever_the_disk_had_written_when_the_power_went(
    path, disk, may_be_there
):
    newest = 0
    for taken in (2, SYNCED_EVERY - 2, SYNCED_EVERY + 3):
        counter = FileSequence(path, str(uuid.uuid4()))
        numbers = [counter.take() for _ in range(taken)]
        assert numbers[0] > newest
        newest, least, left = numbers[-1], disk[-1], [*may_be_there]
        for content in (least, *left):
            path.write_bytes(content)
            assert FileSequence(path, str(uuid.uuid4())).take() > newest, content
        path.write_bytes(least)


@pytest.mark.parametrize("left", [b"", b"\0" * 64, b"\0" * 5, b"00000001"])
def test_a_file_without_a_number_is_one_that_was_lost(path, left):
    boot = str(uuid.uuid4())
    before = FileSequence(path, boot).boot_id
    path.write_bytes(left)
    after = FileSequence(path, boot)
    assert after.take() < after.take()
    assert after.boot_id != before


def test_a_number_costs_no_wait_for_the_disk(path, disk):
    counter = FileSequence(path, str(uuid.uuid4()))
    counter.take()
    waits = len(disk)
    for _ in range(SYNCED_EVERY):
        counter.take()
    assert len(disk) == waits + 1


def test_a_file_that_was_lost_begins_anew_under_another_boot_id(path):
    boot = str(uuid.uuid4())
    before = FileSequence(path, boot).boot_id
    assert FileSequence(path, boot).boot_id == before
    path.unlink()
    assert FileSequence(path, boot).boot_id != before


def test_a_counter_of_an_older_version_goes_on(path):
    boot = str(uuid.uuid4())
    for content in (b"%020d" % 77, b"%020d" % 77 + b"a1b2c3d4"):
        path.write_bytes(content)
        counter = FileSequence(path, boot)
        assert counter.take() > 77
        assert counter.boot_id == "-".join(filter(None, [boot, content[20:].decode()]))
