"""Where on the network a host fetches images from."""

import concurrent.futures
import ctypes
import multiprocessing
import os
import socket
import subprocess

import pytest

from tests.workers.publisher_server import NAME, PublisherServer
from workers.drivers.images.publisher import Publisher
from workers.errors import Failed, Permanent

PUBLIC, SILENT = "198.41.0.4", "192.33.4.12"  # of the Internet's root servers
FILE = "/images/disk.qcow2"
CLONE_NEWNET = 0x40000000  # unshare(2)
PATIENCE_SECONDS = 20


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    server = PublisherServer(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.bundle))
    server.files[FILE] = b"disk"
    yield server
    server.stop()


def fetch(url: str) -> bytes:
    return b"".join(Publisher("kvm-1").content(url))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fec0::1]",
        "[fd00::1]",
        "[ff0e::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::10.1.2.3]",
    ],
)
def test_a_private_address_is_refused_however_it_is_written(host):
    with pytest.raises(Permanent, match="is not on the Internet, where images come from"):
        fetch(f"https://{host}:1/disk.qcow2")


def test_a_publisher_in_a_private_network_is_not_asked_for_anything(publisher):
    with pytest.raises(Permanent) as error:
        fetch(f"{publisher.folder}disk.qcow2")
    assert str(error.value) == (
        "127.0.0.1 was not asked for anything: its address 127.0.0.1 is not on the Internet, "
        "where images come from"
    )
    assert publisher.asked == []


def test_what_a_proxy_is_asked_for_is_the_proxys_to_judge(publisher, monkeypatch):
    """Nobody listens at the proxy's address, and that is what is said."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(Failed, match="the proxy does not let it through"):
        fetch(f"{publisher.folder}disk.qcow2")


def follow_a_redirect(public: PublisherServer, private: PublisherServer) -> None:
    public.files["/images/private"] = f"{private.folder}disk.qcow2"
    with pytest.raises(Permanent, match=r"^127\.0\.0\.1 was not asked for anything"):
        fetch(f"{public.folder}private")
    assert public.asked == ["/images/private"]
    assert private.asked == []


def try_each_address(public: PublisherServer, private: PublisherServer) -> None:
    answer_lookups([SILENT, PUBLIC])
    assert fetch(f"https://{NAME}:{public.server_address[1]}{FILE}") == b"disk"


def mix_addresses(public: PublisherServer, private: PublisherServer) -> None:
    answer_lookups([PUBLIC, "127.0.0.1"])
    with pytest.raises(Permanent, match=r"its address 127\.0\.0\.1 is not on the Internet"):
        fetch(f"https://{NAME}:{public.server_address[1]}{FILE}")
    assert public.asked == []


def change_the_address(public: PublisherServer, private: PublisherServer) -> None:
    answer_lookups([SILENT], ["127.0.0.1"])
    with pytest.raises(Failed, match=f"{NAME} cannot be reached .* no connection"):
        fetch(f"https://{NAME}:{private.server_address[1]}{FILE}")
    assert private.asked == []


@pytest.mark.real
@pytest.mark.parametrize(
    "story",
    [
        pytest.param(follow_a_redirect, id="a redirect does not lead into a private network"),
        pytest.param(try_each_address, id="a name is reached at whichever address answers"),
        pytest.param(mix_addresses, id="one private address among others is enough to refuse"),
        pytest.param(change_the_address, id="an address that is looked up anew is not trusted"),
    ],
)
def test_on_the_internet(tmp_path, story):
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, fork) as child:
        child.submit(_on_an_internet_of_ours, tmp_path, story).result(PATIENCE_SECONDS)


def _on_an_internet_of_ours(directory, story) -> None:
    """A network namespace in which public addresses are this machine's."""
    assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0
    for line in ("link set lo up", f"address add {PUBLIC} dev lo", f"address add {SILENT} dev lo"):
        subprocess.run(["ip", *line.split()], check=True)
    (directory / "private").mkdir()
    private = PublisherServer(directory / "private")
    public = PublisherServer(directory, PUBLIC)
    os.environ["REQUESTS_CA_BUNDLE"] = str(public.bundle)
    public.files[FILE] = private.files[FILE] = b"disk"
    story(public, private)


def answer_lookups(*answers: list[str]) -> None:
    """What a DNS server says for `NAME`: each answer once, the last for ever."""
    left, real = list(answers), socket.getaddrinfo

    def getaddrinfo(host, *arguments, **more):
        found = [host] if host != NAME else left.pop(0) if len(left) > 1 else left[0]
        return [each for address in found for each in real(address, *arguments, **more)]

    socket.getaddrinfo = getaddrinfo
