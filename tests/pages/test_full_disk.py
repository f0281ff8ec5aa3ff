"""The portal's own disk is full: pages go on, changes answer a sentence, the doctor names it."""

import contextlib
import subprocess

import pytest
from sqlalchemy import event

from portal import config, doctor
from portal.conductor.__main__ import Conductor
from portal.db import session
from portal.errors import DiskFull

MOST_PAGES = 2**30


class FullDatabase:
    """A database that may not grow, which SQLite calls a full disk."""

    def __init__(self):
        self._most = MOST_PAGES

    def fill(self) -> None:
        session.remove()
        self._most = 1  # no less than it has
        event.listen(session.get_bind(), "checkout", self._limit)

    def make_room(self) -> None:
        self._most = MOST_PAGES
        session.remove()

    def _limit(self, connection, *_) -> None:
        connection.execute(f"PRAGMA max_page_count = {self._most}")


class FullFileSystem:
    """A small file system with nothing free."""

    def __init__(self, folder):
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with contextlib.suppress(OSError), open(self._ballast, "wb", 0) as file:
            while True:
                file.write(bytes(65_536))

    def make_room(self) -> None:
        self._ballast.unlink()


@pytest.fixture(params=["database", pytest.param("file system", marks=pytest.mark.real)])
def disk(request, tmp_path):
    """Before there is a cloud on it."""
    if request.param == "database":
        yield FullDatabase()
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", tmp_path], check=True)
    yield FullFileSystem(tmp_path)
    session.remove()
    session.get_bind().dispose()
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


LONG = "#!/bin/sh\n" + "# a remark that takes its place\n" * 1500


def test_pages_go_on_and_changes_say_why_they_do_not(disk, cloud, alice, red, visitor):
    instance = cloud.running("web")
    fields = alice.fields(f"{red}/instances/new") | {"name": "kept-name", "user_data": LONG}
    cloud.clock.forward(seconds=40)
    cloud.observe()
    disk.fill()
    cloud.clock.forward(seconds=25)  # so that a page would write down that somebody was there
    for path in ("/", "/instances", f"/instances/{instance.id}", "/images", "/activity"):
        assert alice.open(f"{red}{path}").status_code == 200, path
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert answer.status_code == 503
    assert "the disk of the portal is full" in answer.text
    assert "Nothing is lost" in answer.text
    assert "kept-name" in answer.text, "what was typed is still there"
    disk.make_room()
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert answer.status_code == 303
    cloud.settle()
    assert alice.open(answer.location).status_code == 200


def take_turns(cloud, conductor: Conductor) -> None:
    for _ in range(100):
        conductor.turn()
        cloud.clock.forward(seconds=10)


@pytest.mark.real
@pytest.mark.parametrize("disk", ["file system"], indirect=True)
def test_with_nothing_free_the_doctor_names_it_and_the_conductor_waits(disk, cloud, visitor):
    conductor = Conductor(cloud.redis, "only")
    conductor.turn()
    disk.fill()
    wrong = {each.what: each.mend for each in doctor.examine(config.current()) if not each.ok}
    [what] = [each for each in wrong if " free in " in each]
    assert what.startswith("There are 0.0 GiB free in ")
    assert "Free at least 2 GiB there" in wrong[what]
    cloud.clock.forward(seconds=10)
    with pytest.raises(DiskFull):  # after which `run` tries it anew
        take_turns(cloud, conductor)
    disk.make_room()
    conductor.turn()
