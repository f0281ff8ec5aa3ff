"""The clock of a whole installation is set by an hour, forward and back, and nothing is lost.

libfaketime (faketime(1)) stands between every process, Redis too, and the clock that can be set;
the seconds that only run it leaves alone.
"""

import glob
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.chaos import processes
from tests.chaos.ledger import Ledger
from tests.chaos.person import Person
from tests.chaos.stack import Stack
from workers.drivers.fake import FakeHost

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
PATIENCE_SECONDS = 60
HEARD = "SELECT name FROM hosts WHERE observed_at IS NOT NULL"
OPEN = "SELECT id FROM operations WHERE finished_at IS NULL"
FAILED = "SELECT action, reason FROM operations WHERE outcome = 'failed'"

pytestmark = [pytest.mark.long, pytest.mark.real]


class OfAnotherTime(Stack):
    """An installation whose processes have the time that `clock` says: "+3600" is an hour ahead."""

    @property
    def clock(self) -> Path:
        return self.directory / "clock"

    @property
    def environment(self) -> dict[str, str]:
        [library] = glob.glob(LIBRARY)
        return super().environment | {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set_clock(self, seconds: int) -> None:
        new = self.clock.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.clock)


@pytest.fixture
def stack(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stack = OfAnotherTime(tmp_path, port, fakes=1, quota=20)
    stack.set_clock(0)
    stack.prepare()
    stack.start()
    yield stack
    stack.stop()


def wait_until(true, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS} s"
        time.sleep(0.2)


def create(person: Person, name: str) -> None:
    place = f"{person.project}/instances"
    assert person.send(person.open(f"{place}/new"), place, name=name) == 303


def test_nobody_notices_that_the_clock_is_set(stack):
    person, ledger = Person(stack.url), Ledger(stack.database)
    wait_until(lambda: ledger.rows(HEARD), "the host is heard")
    person.sign_in()
    leader = ledger.rows("SELECT holder FROM leases")
    for number, seconds in enumerate((3600, 0, -3600, 0)):
        FakeHost(stack.state("fake-1")).fail("ensure_domain", "libvirt went away")
        create(person, f"before-{number}")
        stack.set_clock(seconds)
        create(person, f"after-{number}")
        wait_until(lambda: not ledger.rows(OPEN), f"all is done {seconds} s from now")
        pills = set(person.shown().values())
        assert pills == {"Running"}, pills
        assert ledger.rows(FAILED) == []
        assert ledger.rows("SELECT holder FROM leases") == leader


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_conductor_that_dies_as_the_clock_is_set_is_followed_in_time(stack, seconds):
    person, ledger = Person(stack.url), Ledger(stack.database)
    wait_until(lambda: ledger.rows(HEARD), "the host is heard")
    person.sign_in()
    stack.set_clock(seconds)
    [conductor] = [
        each
        for each in processes.below(stack.supervisor.pid, processes.everything())
        if "portal.conductor" in each.line
    ]
    os.kill(conductor.pid, signal.SIGKILL)
    create(person, "web")
    wait_until(lambda: set(person.shown().values()) == {"Running"}, "the next one leads")
