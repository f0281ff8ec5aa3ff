"""The whole way of a published image: from the click through the queue and a real driver into the
portal's store, and from there into the cache of its host."""

import dataclasses
import hashlib

import pytest
from sqlalchemy import select

from portal import config
from portal.db import session
from portal.models import Flavor, ImageStatus
from portal.services import images, publishers
from portal.services.images import store
from portal.services.publishers import Published
from tests.services.image_files import qcow2
from tests.workers.publisher_server import PublisherServer
from workers.drivers.fake import drivers_of
from workers.drivers.images.cache import ImageCache
from workers.drivers.images.fetches import StoreFetches
from workers.drivers.images.publisher import Publisher


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    server = PublisherServer(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.bundle))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,nowhere.invalid")
    server.offer(qcow2())
    yield server
    server.stop()


@pytest.fixture
def fetch(cloud, publisher, monkeypatch):
    """Has kvm-1 fetch, by the driver of a real host, what is published in a folder."""
    host = dataclasses.replace(cloud.host_config("kvm-1"), image_store=config.current().image_store)
    drivers = drivers_of(cloud.hosts["kvm-1"])
    fetching = StoreFetches(host, publisher=Publisher("kvm-1", private_too=True))
    real = dataclasses.replace(drivers, fetches=fetching, images=ImageCache(host))
    monkeypatch.setattr(cloud._jobs["kvm-1"], "host", real)

    def fetch(folder: str = publisher.folder):
        published = Published(
            name="test",
            title="Test Linux",
            folder=folder,
            file="disk.qcow2",
            sums="SHA512SUMS",
            login_user="test",
            min_disk_gib=1,
            min_memory_mib=64,
        )
        monkeypatch.setitem(publishers.PUBLISHED, "test", published)
        image = images.fetch(cloud.actor("ada"), cloud.project().id, "test")
        cloud.settle()
        return cloud.see(image)

    return fetch


def test_a_click_brings_a_published_image_onto_a_host(cloud, fetch):
    image = fetch()
    assert image.status is ImageStatus.READY
    assert image.sha256 == hashlib.sha256(qcow2()).hexdigest()
    assert store.place(image.sha256).read_bytes() == qcow2()
    assert images.strangers() == set()
    flavor_id = session.scalar(select(Flavor.id).where(Flavor.name == "large"))
    assert cloud.running("web", image_id=image.id, flavor_id=flavor_id).status.word == "Running"
    cached = cloud.host_config("kvm-1").state_directory / "cache" / image.sha256
    assert cached.read_bytes() == qcow2()
    images.delete(cloud.actor("ada"), cloud.project().id, image.id)
    assert store.held() == set()
    assert store.fetched() == {}
    assert cached.exists()


def test_without_a_network_the_error_says_so_and_what_to_do(fetch):
    image = fetch("https://nowhere.invalid/images/")
    assert image.status is ImageStatus.ERROR
    assert image.fault == (
        "host kvm-1 tried 5 times; the last time: nowhere.invalid cannot be reached from host "
        "kvm-1: its name is not known there. Check its way to the Internet; a proxy is taken from "
        "HTTPS_PROXY."
    )


def test_a_wrong_sum_is_not_tried_again(cloud, fetch, publisher):
    publisher.files["/images/disk.qcow2"] = qcow2(2**21)
    image = fetch()
    assert "is not what" in image.fault
    assert publisher.asked.count("/images/disk.qcow2") == 1
    assert store.held() == set()
    publisher.offer(qcow2())
    images.retry(cloud.actor("ada"), cloud.project().id, image.id)
    cloud.settle()
    assert cloud.see(image).status is ImageStatus.READY
