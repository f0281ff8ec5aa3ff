"""Guests: as their project wants them, and as a host runs them."""

import dataclasses

from workers.specs.images import ImageSpec
from workers.specs.spec import Spec

RUNNING, STOPPED, ABSENT = "running", "stopped", "absent"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortSpec:
    """An instance's place on a network."""

    id: str
    network_id: str
    segment_id: int  # names the bridge on the host
    mac: str
    address: str  # IPv4, given by DHCP
    prefix_length: int
    gateway: str
    mtu: int


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
    disk_gib: int
    image: ImageSpec
    ports: tuple[PortSpec, ...] = ()
    public_keys: tuple[tuple[str, str], ...] = ()  # (name, OpenSSH public key)
    user_data: str = ""
    grace_seconds: int = 60  # from the ACPI power button to the plug


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guest:
    """What a host runs for an instance."""

    id: str
    power: str  # RUNNING or STOPPED
    generation: int  # of the spec that it was last made from
    boots: int  # of one that is off: those that its next boot completes
    reason: str = ""  # why it is off, in libvirt's word: "shutdown", "destroyed", "crashed", ...
