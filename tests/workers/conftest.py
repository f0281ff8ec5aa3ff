"""A libvirt host and a demo image, made once for all the tests that need them."""

import dataclasses
import fcntl
import hashlib
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workers import libvirt_host as private
from tests.workers.publisher_server import PublisherServer
from workers import specs
from workers.config import HostConfig
from workers.drivers.disks.files import FileDisks
from workers.drivers.images.cache import ImageCache
from workers.drivers.libvirt.guests import LibvirtHypervisor
from workers.errors import Busy

ROOT = Path(__file__).resolve().parents[2]
LONG_SECONDS = 90  # for a guest to get somewhere on a busy machine


@pytest.fixture(scope="session")
def libvirt_host():
    """A libvirtd of our own, below a folder that QEMU's own user may enter."""
    root = Path(tempfile.mkdtemp(prefix="portico-libvirt-"))
    root.chmod(0o711)
    host = private.start(root)
    yield host
    private.stop(host)


@pytest.fixture(scope="session")
def demo_image():
    """The demo image as a file, built when it is not there or its script is newer."""
    image = ROOT / ".test" / "demo.qcow2"
    image.parent.mkdir(exist_ok=True)
    with open(image.with_suffix(".lock"), "w") as turn:  # another worker may be building it
        fcntl.flock(turn, fcntl.LOCK_EX)
        subprocess.run([ROOT / "scripts" / "build-demo-image", image], check=True)
    return image


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    """A publisher of our own, whose certificate is believed and which no proxy is asked for."""
    server = PublisherServer(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.bundle))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,nowhere.invalid")
    yield server
    server.stop()


@pytest.fixture
def config(tmp_path):
    """Of a host that shares the portal's image store."""
    (tmp_path / "store").mkdir(mode=0o700)
    return HostConfig(
        name="kvm-1",
        key="",
        redis_url="",
        state_directory=tmp_path / "state",
        image_store=tmp_path / "store",
    )


@pytest.fixture
def full_disk(config):
    """A host whose disk has 1 MiB."""
    config.state_directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", config.state_directory]
    subprocess.run(mount, check=True)
    yield
    subprocess.run(["umount", config.state_directory], check=True)


@dataclasses.dataclass(frozen=True)
class Machine:
    """A host under test: its drivers, and what a job or the conductor would do with them."""

    config: HostConfig
    images: ImageCache
    disks: FileDisks
    hypervisor: LibvirtHypervisor
    store: Path

    def add_image(self, path: Path, *, virtual_size_bytes: int) -> specs.ImageSpec:
        """The image is in the portal's store and in the host's cache."""
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copy(path, self.store / digest)
        image = specs.ImageSpec(
            id=str(uuid.uuid4()),
            generation=1,
            sha256=digest,
            format="qcow2",
            size_bytes=path.stat().st_size,
            virtual_size_bytes=virtual_size_bytes,
        )
        self.images.ensure_image(image, lambda done, total: None)
        return image

    def apply_once(self, spec: specs.InstanceSpec) -> None:
        """One job. Raises `Busy` as a job does."""
        for disk in spec.disks:
            self.disks.ensure_disk(spec.id, disk)
        self.disks.ensure_seed(spec)
        self.hypervisor.ensure_devices(spec)
        self.hypervisor.ensure_domain(spec)
        self.hypervisor.ensure_power(spec)

    def apply(self, spec: specs.InstanceSpec) -> specs.Guest:
        """The job, sent again for as long as it is busy."""
        deadline = time.monotonic() + LONG_SECONDS
        while True:
            try:
                self.apply_once(spec)
                return self.hypervisor.observe_guest(spec.id)
            except Busy:
                assert time.monotonic() < deadline, "busy for ever"
                time.sleep(0.1)

    def remove(self, instance_id: str) -> None:
        self.hypervisor.remove_domain(instance_id)
        self.disks.remove_disks(instance_id)

    def wait_for_boot_log(self, spec: specs.InstanceSpec, text: str, *, times: int = 1) -> str:
        """The boot log, once `text` is in it that often."""
        wait_until(lambda: self.boot_log(spec).count(text) >= times)
        return self.boot_log(spec)

    def boot_log(self, spec: specs.InstanceSpec) -> str:
        return self.hypervisor.observe_boot_log(spec.id)


@pytest.fixture
def machine(libvirt_host, request):
    """The real drivers, with a state directory of this test's own."""
    root = libvirt_host.root / f"host-{uuid.uuid4().hex[:8]}"
    store = root / "store"
    store.mkdir(parents=True)
    root.chmod(0o711)
    config = HostConfig(
        name="kvm-1",
        key="",
        redis_url="",
        state_directory=root / "state",
        runtime_directory=root / "run",
        libvirt_uri=libvirt_host.uri,
        image_store=store,
        accelerator="qemu",
    )
    disks = FileDisks(config)
    machine = Machine(
        config=config,
        images=ImageCache(config),
        disks=disks,
        hypervisor=LibvirtHypervisor(config, disks),
        store=store,
    )
    yield machine
    for instance_id in disks.observe_disks():
        machine.remove(instance_id)


def wait_until(true: Callable[[], bool], *, seconds: float = LONG_SECONDS) -> None:
    """Fails when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture
def new_instance():
    """A spec of an instance without a network, each time another."""

    def new(image: specs.ImageSpec | None = None, **changes) -> specs.InstanceSpec:
        fields = {
            "id": str(uuid.uuid4()),
            "generation": 1,
            "name": "web-1",
            "hostname": "web-1",
            "project_id": str(uuid.uuid4()),
            "power": specs.RUNNING,
            "boots": 1,
            "vcpus": 1,
            "memory_mib": 128,
            "disks": (root_disk(image or some_image()),),
        }
        return specs.InstanceSpec(**(fields | changes))

    return new


@pytest.fixture
def empty_image(machine, tmp_path):
    """A disk that boots nothing: its BIOS waits for ever and sees no power button."""
    path = tmp_path / "empty.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
    return machine.add_image(path, virtual_size_bytes=1 << 20)


@pytest.fixture
def deaf(empty_image, new_instance):
    """A guest that ignores the power button."""
    return new_instance(empty_image, name="deaf", memory_mib=32, grace_seconds=0)


def some_image(**changes) -> specs.ImageSpec:
    fields = {
        "id": str(uuid.uuid4()),
        "generation": 1,
        "sha256": hashlib.sha256(b"an image").hexdigest(),
        "format": "qcow2",
        "size_bytes": len(b"an image"),
        "virtual_size_bytes": 1 << 20,
    }
    return specs.ImageSpec(**(fields | changes))


def root_disk(image: specs.ImageSpec | None, *, gib: int = 1) -> specs.DiskSpec:
    return specs.DiskSpec(id="root", kind=specs.ROOT, gib=gib, image=image)


def other_disk(number: int, **changes) -> specs.DiskSpec:
    """A disk beside the root disk, empty, each number another."""
    plain = {"id": str(uuid.UUID(int=number)), "kind": specs.VOLUME, "gib": 1}
    return specs.DiskSpec(**(plain | changes))


def port(number: int, **changes) -> specs.PortSpec:
    """A port, each number another."""
    plain = {
        "id": f"{number:08x}-2222-3333-4444-555555555555",
        "network_id": "33333333-3333-3333-3333-333333333333",
        "segment_id": 4000,
        "mac": f"52:54:00:00:00:{number:02x}",
        "mtu": 1450,
        "addresses": (
            specs.AddressSpec(address=f"10.0.0.{number}", prefix_length=24, gateway="10.0.0.1"),
        ),
    }
    return specs.PortSpec(**(plain | changes))
