"""Locks of things, and what is remembered of them."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from workers.drivers.locks import KEPT_SECONDS, FileLocks
from workers.errors import Busy

THING = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def locks(tmp_path):
    return FileLocks(tmp_path, wait_seconds=2)


def files(locks) -> set[str]:
    return {path.name for path in locks._directory.iterdir()}


def let_a_day_pass(locks) -> None:
    for path in locks._directory.iterdir():
        moment = path.stat().st_mtime - KEPT_SECONDS - 60
        os.utime(path, (moment, moment))


def hold(locks, generation: int, *, gone: bool = False) -> bool:
    """Whether a job of this generation finds itself the newest."""
    with locks.hold(THING, generation, gone=gone) as lock:
        return lock.newest


def test_what_is_gone_is_remembered_for_a_day_and_then_no_longer(locks):
    hold(locks, 2, gone=True)
    assert locks.prune() == 0
    assert not hold(locks, 1)
    let_a_day_pass(locks)
    assert locks.prune() == 1
    assert files(locks) == set()


def test_a_thing_that_was_wanted_today_is_remembered_however_old_its_note_is(locks):
    hold(locks, 2)
    let_a_day_pass(locks)
    hold(locks, 2)
    assert locks.prune() == 0
    assert not hold(locks, 1)


def test_what_a_job_holds_is_not_forgotten(locks):
    with locks.hold(THING, 2):
        let_a_day_pass(locks)
        assert locks.prune() == 0
    assert locks.prune() == 1


def test_who_waits_for_a_lock_that_is_forgotten_waits_for_its_successor(locks, monkeypatch):
    """Two would hold the thing at once: one the file that was removed, one the new one."""
    held, most = [], []

    def work(generation: int) -> None:
        for _ in range(100):
            try:
                with locks.hold(THING, generation):
                    held.append(generation)
                    most.append(len(held))
                    time.sleep(0.0002)
                    held.pop()
            except Busy:
                pass

    monkeypatch.setattr("workers.drivers.locks._old", lambda guard: guard.exists())
    monkeypatch.setattr("workers.drivers.locks.POLL_SECONDS", 0.0005)
    pruned = 0
    with ThreadPoolExecutor() as pool:
        working = [pool.submit(work, 1) for _ in range(3)]
        while not all(each.done() for each in working):
            pruned += locks.prune()
    assert not [each.exception() for each in working if each.exception()]
    assert pruned
    assert max(most) == 1
