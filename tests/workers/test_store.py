"""The image store of somebody else's, who may have put anything into it, and a worker as root."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from tests.services.image_files import qcow2
from tests.workers.conftest import some_image
from tests.workers.publisher_server import IMAGE_ID
from workers.config import HostConfig
from workers.drivers.images.cache import ImageCache
from workers.drivers.images.fetches import StoreFetches
from workers.drivers.images.publisher import Publisher
from workers.drivers.rights import Owner, acting
from workers.errors import Permanent

pytestmark = pytest.mark.real
PORTAL = Owner(user_id=12345, group_id=12346)


def ignore(done: int, total: int) -> None: ...


@pytest.fixture
def folder(tmp_path):
    """The portal's, below a folder that the portal's user may not enter on this host."""
    tmp_path.chmod(0o700)
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    os.chown(folder, *PORTAL)
    return folder


@pytest.fixture
def fetching(tmp_path, folder):
    config = HostConfig(
        name="kvm-1",
        key="",
        redis_url="",
        state_directory=tmp_path / "state",
        image_store=folder,
    )
    return StoreFetches(config, publisher=Publisher("kvm-1", private_too=True))


@pytest.fixture
def secret(tmp_path):
    """A file of root's."""
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text('{"sha256": "root\'s own"}')
    return secret


def test_everything_in_the_store_belongs_to_whom_the_store_belongs(folder, fetching, publisher):
    rights = os.getresuid(), os.getresgid(), os.getgroups()
    fetching.ensure_fetch(publisher.offer(qcow2()), ignore)
    assert fetching.observe_fetch(IMAGE_ID)
    assert len(os.listdir(folder)) == 3
    for name in os.listdir(folder):
        there = (folder / name).stat()
        assert (there.st_uid, there.st_gid) == PORTAL, name
    fetching.remove_fetch(IMAGE_ID)
    assert fetching.observe_fetch(IMAGE_ID) is None
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == rights


@pytest.mark.parametrize("name", ["lock", f"{IMAGE_ID}.note.new", f"{IMAGE_ID}.note"])
def test_a_link_in_the_store_never_leads_root_to_a_file_of_its_own(
    folder, fetching, publisher, secret, name
):
    before = _seen(secret)
    (folder / name).symlink_to(secret)
    for job in (
        lambda: fetching.ensure_fetch(publisher.offer(qcow2()), ignore),
        lambda: fetching.remove_fetch(IMAGE_ID),
    ):
        with contextlib.suppress(OSError):
            job()
        assert _seen(secret) == before


def test_a_note_that_leads_to_a_file_of_roots_is_not_read(folder, fetching, secret):
    (folder / f"{IMAGE_ID}.note").symlink_to(secret)
    with pytest.raises(PermissionError):
        fetching.observe_fetch(IMAGE_ID)


def test_a_lock_that_is_a_link_is_followed_nowhere(folder, fetching):
    (folder / "other").touch()
    (folder / "lock").symlink_to(folder / "other")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        fetching.remove_fetch(IMAGE_ID)


def test_a_link_in_the_place_of_the_store_leads_nowhere(tmp_path, publisher):
    """Whoever owns the folder above can put one there: root fetched into its own."""
    portals, roots = tmp_path / "portal", tmp_path / "roots"
    for each in (portals, roots):
        each.mkdir(mode=0o700)
    os.chown(portals, *PORTAL)
    (portals / "images").symlink_to(roots)
    fetching = StoreFetches(
        HostConfig(
            name="kvm-1",
            key="",
            redis_url="",
            state_directory=tmp_path / "state",
            image_store=portals / "images",
        ),
        publisher=Publisher("kvm-1", private_too=True),
    )
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        fetching.ensure_fetch(publisher.offer(qcow2()), ignore)
    assert os.listdir(roots) == []
    os.unlink(portals / "images")
    (portals / "images").mkdir()  # root's own, but in a place that is the portal's
    os.chown(portals / "images", *PORTAL)
    fetching.ensure_fetch(publisher.offer(qcow2()), ignore)
    assert os.listdir(portals / "images")


def test_a_hard_link_in_the_store_opens_no_file_of_roots_to_everybody(tmp_path, folder):
    """Seen: the file was made readable by all before its sum was looked at."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"root's own")
    secret.chmod(0o600)
    name = hashlib.sha256(b"root's own").hexdigest()
    os.link(secret, folder / name)  # as fs.protected_hardlinks=0 lets anybody
    config = HostConfig(
        name="kvm-1", key="", redis_url="", state_directory=tmp_path / "state", image_store=folder
    )
    image = some_image(sha256=name, size_bytes=10, format="raw")
    with pytest.raises(PermissionError):
        ImageCache(config).ensure_image(image, ignore)
    assert secret.stat().st_mode & 0o777 == 0o600
    os.chown(secret, *PORTAL)
    ImageCache(config).ensure_image(image, ignore)
    assert ImageCache(config).observe_images() == (name,)


def test_rights_are_given_back_after_a_failure():
    rights = os.getresuid(), os.getresgid(), os.getgroups()
    with acting(PORTAL):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (*PORTAL, [])
    with pytest.raises(PermissionError), acting(PORTAL):
        os.setgroups([0])
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == rights


def test_a_strangers_file_is_read_without_a_way_back_to_root(fetching, publisher, monkeypatch):
    """A program in qemu-img's place, where its user may pass, says what rights it has."""
    with tempfile.TemporaryDirectory(prefix="portico-qemu-img-") as programs:
        os.chmod(programs, 0o755)
        program = Path(programs) / "qemu-img"
        program.write_text("#!/bin/sh\ncat /proc/self/status >&2\nexit 1\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", programs, prepend=os.pathsep)
        with pytest.raises(Permanent, match="is damaged") as error:
            fetching.ensure_fetch(publisher.offer(qcow2()), ignore)
    lines = [line.split() for line in str(error.value).splitlines()]
    status = {name: values for name, *values in lines}
    assert status["Uid:"] == ["12345"] * 4
    assert status["Gid:"] == ["12346"] * 4
    assert status["Groups:"] == []
    assert {int(status[each][0], 16) for each in ("CapPrm:", "CapEff:")} == {0}


def _seen(file: Path) -> tuple[str, int, int, int, int]:
    there = file.stat()
    return file.read_text(), there.st_mode, there.st_uid, there.st_gid, there.st_mtime_ns
