"""Guests: as their project wants them, and as a host runs them."""

import dataclasses

from workers.specs.images import ImageSpec
from workers.specs.spec import Spec

RUNNING, STOPPED, ABSENT = "running", "stopped", "absent"
# why a guest that runs stands still
PAUSED = "paused"  # somebody with access to the host has suspended it
NO_SPACE = "paused: no space"  # what it writes finds no room on its host
DISK_ERROR = "paused: disk error"  # its host cannot write its disk
WATCHDOG = "paused: watchdog"
PANIC = "paused: it crashed"
STANDS_STILL = (PAUSED, NO_SPACE, DISK_ERROR, WATCHDOG, PANIC)
ROOT, VOLUME = "root", "volume"  # kinds of disks
MOST_DEVICES = 10  # ports, and disks beside the root disk: the slots that a guest has for them
MOST_SERIAL = 20  # characters, VIRTIO_BLK_ID_BYTES


@dataclasses.dataclass(frozen=True, kw_only=True)
class AddressSpec:
    """An IPv4 address of a port, given by DHCP, and the way out of its subnet."""

    address: str
    prefix_length: int
    gateway: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortSpec:
    """An instance's place on a network."""

    id: str
    network_id: str
    segment_id: int  # names the bridge on the host
    mac: str
    mtu: int
    addresses: tuple[AddressSpec, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiskSpec:
    """A disk of an instance."""

    id: str
    kind: str  # ROOT or VOLUME
    gib: int
    image: ImageSpec | None = None  # what it begins as; None: empty
    serial: str = ""  # what the guest reads of it: at most MOST_SERIAL characters

    def impossible(self) -> str:
        """Why no host can make this disk, or nothing."""
        if self.kind not in (ROOT, VOLUME):
            return f"disk {self.id} is of a kind that nobody knows, {self.kind!r}"
        if self.image and self.kind != ROOT:
            return f"disk {self.id} shall begin as an image, which only a root disk can"
        if self.gib < 1 and not self.image:
            return f"disk {self.id} has neither an image nor a size"
        if len(self.serial) > MOST_SERIAL:
            return f"the serial number of disk {self.id} has over {MOST_SERIAL} characters"
        return ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class InstanceSpec(Spec):
    """A virtual machine as its project wants it."""

    name: str
    hostname: str
    project_id: str
    power: str  # RUNNING or STOPPED
    boots: int  # how often it was asked to (re)boot: the host carries out the newest count once
    vcpus: int
    memory_mib: int
    disks: tuple[DiskSpec, ...]  # in the order of the guest's devices; one of them is the root disk
    ports: tuple[PortSpec, ...] = ()
    public_keys: tuple[tuple[str, str], ...] = ()  # (name, OpenSSH public key)
    user_data: str = ""
    grace_seconds: int = 60  # from the ACPI power button to the plug

    @property
    def root(self) -> DiskSpec:
        """The disk that the guest boots from. Raises ValueError unless there is exactly one."""
        (root,) = (disk for disk in self.disks if disk.kind == ROOT)
        return root

    def impossible(self) -> str:
        """Why no host can make this guest, whatever it has, or nothing."""
        roots = sum(disk.kind == ROOT for disk in self.disks)
        if wrong := next(filter(None, (disk.impossible() for disk in self.disks)), ""):
            return wrong
        if roots != 1:
            return f"a guest boots from one root disk, and this has {roots or 'none'}"
        for what, names in (
            ("disks", [disk.id for disk in self.disks]),
            ("ports", [port.id for port in self.ports]),
            ("MACs", [port.mac for port in self.ports]),
        ):
            if len(set(names)) < len(names):
                return f"two of its {what} are the same"
        devices = len(self.disks) - 1 + len(self.ports)
        if devices > MOST_DEVICES:
            return f"beside its root disk there is room for {MOST_DEVICES} devices, not {devices}"
        return ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guest:
    """What a host runs for an instance."""

    id: str
    power: str  # RUNNING or STOPPED
    generation: int  # of the spec that it was last made from
    boots: int  # of one that is off: those that its next boot completes
    # why it is off, in libvirt's word ("shutdown", "destroyed", "crashed", ...), or, of one that
    # runs and stands still, one of STANDS_STILL
    reason: str = ""
