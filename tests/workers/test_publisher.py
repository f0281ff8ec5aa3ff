"""Where on the network a host fetches images from."""

import concurrent.futures
import multiprocessing
import os
import socket
import subprocess

import pytest

from tests.workers.publisher_server import PublisherServer
from workers.drivers.publisher import Publisher
from workers.errors import Failed, Permanent

PUBLIC = "198.41.0.4"  # a.root-servers.net
PATIENCE_SECONDS = 20


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    server = PublisherServer(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.bundle))
    yield server
    server.stop()


def fetch(url: str) -> bytes:
    return b"".join(Publisher("kvm-1").content(url))


@pytest.fixture
def names(monkeypatch):
    """The addresses that a name has each time it is looked up, as from a DNS server of ours."""
    found: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *arguments, **more):
        if host not in found:
            return real(host, port, *arguments, **more)
        addresses = found[host].pop(0) if len(found[host]) > 1 else found[host][0]
        return [each for address in addresses for each in real(address, port, *arguments, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return found


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
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.1.2.3]",
    ],
)
def test_a_private_address_is_refused_however_it_is_written(host):
    with pytest.raises(Permanent, match="is in a private network, and images come from the Inter"):
        fetch(f"https://{host}:1/disk.qcow2")


def test_a_publisher_in_a_private_network_is_not_asked_for_anything(publisher):
    publisher.offer(b"disk")
    with pytest.raises(Permanent) as error:
        fetch(f"{publisher.folder}disk.qcow2")
    assert str(error.value) == (
        "127.0.0.1 was not asked for anything: its address 127.0.0.1 is in a private network, and "
        "images come from the Internet alone"
    )
    assert publisher.asked == []


def test_one_private_address_among_others_is_enough_to_refuse(names):
    names["mirror.example"] = [["192.0.43.8", "10.1.2.3"]]
    with pytest.raises(Permanent, match=r"mirror\.example was not .* its address 10\.1\.2\.3 is"):
        fetch("https://mirror.example/disk.qcow2")


@pytest.mark.real
def test_a_publisher_on_the_internet_is_asked_and_not_followed_into_a_private_network(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "publisher.pem"))
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, fork) as child:
        child.submit(_fetch_in_a_namespace, tmp_path).result(PATIENCE_SECONDS)


def _fetch_in_a_namespace(directory) -> None:
    """In a network of its own, where a public address is ours."""
    os.unshare(os.CLONE_NEWNET)
    for line in ("link set lo up", f"address add {PUBLIC}/32 dev lo"):
        subprocess.run(["ip", *line.split()], check=True)
    near = PublisherServer(directory)
    publisher = PublisherServer(directory, PUBLIC)  # last, for both write the bundle
    publisher.files = {"/images/disk.qcow2": b"disk", "/images/near": f"{near.folder}disk.qcow2"}
    assert fetch(f"{publisher.folder}disk.qcow2") == b"disk"
    with pytest.raises(Permanent, match=r"^127\.0\.0\.1 was not asked for anything"):
        fetch(f"{publisher.folder}near")
    assert publisher.asked == ["/images/disk.qcow2", "/images/near"]
    assert near.asked == []


def test_a_name_with_another_address_a_moment_later_leads_nowhere_else(publisher, names):
    publisher.offer(b"disk")
    names["mirror.example"] = [[UNREACHABLE], ["127.0.0.1"]]
    with pytest.raises(Failed, match=r"mirror\.example cannot be reached"):
        fetch(f"https://mirror.example:{publisher.server_address[1]}/images/disk.qcow2")
    assert publisher.asked == []


def test_what_a_proxy_is_asked_for_is_the_proxys_to_judge(publisher, monkeypatch):
    """It alone may know the address; here nobody listens at the proxy's."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(Failed, match="the proxy does not let it through"):
        fetch(f"{publisher.folder}disk.qcow2")
