"""The clock of a whole installation is set by an hour, forward and back, and nothing is lost.

`set_clock.c` stands between every process, Redis too, and the clock that can be set; the seconds
that only run it leaves alone.
"""

import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from tests.chaos import processes
from tests.chaos.ledger import Ledger
from tests.chaos.person import Person
from tests.stack import Stack
from workers.drivers.fake import FakeHost

SOURCE = Path(__file__).with_name("set_clock.c")
PATIENCE_SECONDS = 60
HEARD_AGAIN = 30  # seconds, in which a create may be refused: the conductor has yet to look
HEARD = "SELECT name FROM hosts WHERE observed_at IS NOT NULL"
OPEN = "SELECT id FROM operations WHERE finished_at IS NULL"
FAILED = "SELECT action, reason FROM operations WHERE outcome = 'failed'"

pytestmark = pytest.mark.long


class OfAnotherTime(Stack):
    """An installation whose processes have the time that `set_clock` says."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "LD_PRELOAD": str(self.directory / "set_clock.so"),
            "SET_CLOCK": str(self.directory / "clock"),
        }

    def make_clock(self) -> None:
        library = self.directory / "set_clock.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, SOURCE], check=True)
        (self.directory / "clock").write_bytes(struct.pack("l", 0))

    def set_clock(self, seconds: int) -> None:
        """It is so many seconds ahead of what it should be, for everybody at once."""
        with open(self.directory / "clock", "r+b", buffering=0) as file:
            file.write(struct.pack("l", seconds))


@pytest.fixture
def stack(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stack = OfAnotherTime(tmp_path, port, fakes=1)
    stack.make_clock()
    stack.prepare()
    stack.start()
    yield stack
    stack.stop()


def wait_until(true, what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)


def create(person: Person, name: str) -> bool:
    place = f"{person.project}/instances"
    return person.send(person.open(f"{place}/new"), place, name=name) == 303


def test_nobody_notices_that_the_clock_is_set(stack):
    person, ledger = Person(stack.url), Ledger(stack.database)
    wait_until(lambda: ledger.rows(HEARD), "the host is heard")
    person.sign_in()
    leader = ledger.rows("SELECT holder FROM leases")
    for number, seconds in enumerate((3600, 0, -3600, 0)):
        FakeHost(stack.state("fake-1")).fail("ensure_domain", "libvirt went away")
        assert create(person, f"before-{number}")
        stack.set_clock(seconds)
        after = f"after-{number}"
        wait_until(lambda name=after: create(person, name), "a host is heard", seconds=HEARD_AGAIN)
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
    wait_until(lambda: create(person, "web"), "a host is heard")
    wait_until(lambda: set(person.shown().values()) == {"Running"}, "the next one leads")
