"""Root where somebody else may write: it goes no further than they could."""

import os
import socket
import tempfile
import uuid
from pathlib import Path

import pytest
import redis

from workers import host
from workers.config import HostConfig
from workers.drivers import names, rights
from workers.redis_client import open_redis

pytestmark = pytest.mark.real
STRANGER = 12345
GUEST = str(uuid.uuid4())


@pytest.fixture
def place():
    """A short path: a socket's has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ptest-") as directory:
        yield Path(directory)


@pytest.fixture
def listen():
    opened = []

    def listen(path: Path, *, owner: int = 0) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen()
        server.setblocking(False)
        os.chown(path, owner, owner)
        opened.append(server)
        return server

    yield listen
    for each in opened:
        each.close()


def config(place: Path, **changes) -> HostConfig:
    fields = {"name": "kvm-1", "key": "", "redis_url": "", "state_directory": place / "state"}
    return HostConfig(**(fields | {"runtime_directory": place} | changes))


def misled(path: Path, roots: Path, way: str) -> None:
    """Somebody who owns the folder of `path` has put root's own socket in its place."""
    if way == "a link":
        path.symlink_to(roots)
    else:
        os.link(roots, path)


@pytest.mark.parametrize("way", ["a link", "a hard link"])
def test_a_guest_that_broke_out_does_not_make_its_console_one_of_libvirt(place, listen, way):
    """Its folder of sockets is QEMU's, and the agent that connects to them is root."""
    settings = config(place)
    path = names.vnc_socket(place, GUEST)
    path.parent.mkdir()
    os.chown(path.parent, STRANGER, STRANGER)
    libvirts = listen(place / "libvirt-sock")
    misled(path, place / "libvirt-sock", way)
    with pytest.raises(OSError):
        host.open_screen(settings, GUEST)
    with pytest.raises(BlockingIOError):
        libvirts.accept()
    path.unlink()
    listen(path, owner=STRANGER)
    host.open_screen(settings, GUEST).close()


@pytest.mark.parametrize("way", ["a link", "a hard link"])
def test_the_portal_does_not_send_a_worker_to_another_socket(place, listen, way):
    folder = place / "portal"
    folder.mkdir()
    os.chown(folder, STRANGER, STRANGER)
    libvirts = listen(place / "libvirt-sock")
    misled(folder / "redis.sock", place / "libvirt-sock", way)
    wire = open_redis(config(place, redis_url=f"unix://{folder}/redis.sock"))
    with pytest.raises(redis.ConnectionError):
        wire.ping()
    with pytest.raises(BlockingIOError):
        libvirts.accept()


def test_a_worker_finds_a_redis_that_is_where_it_shall_be(redis_server):
    assert open_redis(config(Path("/run/portico"), redis_url=redis_server)).ping()


def test_no_link_is_followed_from_somebody_elses_folder_on(place):
    inner = place / "strangers" / "inner"
    inner.mkdir(parents=True)
    os.chown(inner.parent, STRANGER, STRANGER)
    (place / "way").symlink_to("strangers")  # root's own, which only root can change
    descriptor, owner = rights.open_folder(place / "way" / "inner")
    os.close(descriptor)
    assert owner == (STRANGER, STRANGER), "although the last folder is root's"
    (inner.parent / "out").symlink_to(place)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        rights.open_folder(inner.parent / "out")


def test_a_folder_of_roots_that_everybody_may_change_is_not_trusted(place):
    (place / "open" / "inner").mkdir(parents=True)
    (place / "open").chmod(0o777)
    with pytest.raises(PermissionError):
        rights.open_folder(place / "open" / "inner")
    (place / "open").chmod(0o1777)
    descriptor, owner = rights.open_folder(place / "open" / "inner")
    os.close(descriptor)
    assert owner is None
