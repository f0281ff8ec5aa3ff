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
