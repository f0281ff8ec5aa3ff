"""What a host must be able to do, one protocol per concern: a driver author needs no other page.

Every `ensure_` makes a thing so and changes nothing when it is so already. Every `remove_`
makes it gone and is content when it is not there. Both may be killed at any instruction and run
again, and both may run twice at once. `observe_` only looks. A driver raises
`workers.errors.Permanent` for what can never work, `Busy` for what must wait, and lets any other
error out: the job is then tried again.

A folder a concern: `images`, `disks`, `libvirt`, `network` with `router`, and `filter` drive a real
host; `fake` keeps all of it in one SQLite file.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from workers.specs import (
    DiskSpec,
    Fetched,
    FetchSpec,
    FirewallSpec,
    Guest,
    Held,
    HostFacts,
    ImageSpec,
    InstanceSpec,
    NetworkSpec,
    Stranger,
)

Progress = Callable[[int, int], None]  # bytes done, in all (0: unknown); Superseded to stop


class Lock(Protocol):
    """A thing that this job holds alone."""

    newest: bool  # whether no newer spec of it had been seen when the lock was taken

    def check(self) -> None:
        """Raises `Superseded` once a newer spec of the thing has reached this host."""


class Locks(Protocol):
    """One lock a thing, and the newest generation that was seen of it."""

    def hold(
        self, thing_id: str, generation: int, *, gone: bool = False
    ) -> AbstractContextManager[Lock]:
        """Note `generation` and, when `gone`, that the thing shall not exist at it; then wait.

        The note is written before waiting, so that whoever holds the lock sees it at its next
        `check`. That a thing is gone forbids the generations before, and that one; a newer one
        brings it back. Raises `Busy` when the lock is not free within 5 s."""


class Images(Protocol):
    """Images in the cache of this host, which its guests are made of."""

    def ensure_image(self, image: ImageSpec, progress: Progress) -> None:
        """The cache holds `image`, and its SHA-256 is what the spec says. To make room, others may
        have gone that no disk stands on, those that nobody has used for longest first. Raises
        `Permanent` when the content in the image store is another."""

    def use_image(self, image: ImageSpec) -> bool:
        """Whether the cache holds `image`, which from now on is the one that was used last. Costs
        the same however large it is."""

    def observe_images(self) -> tuple[str, ...]:
        """SHA-256 of each image in the cache."""


class Fetches(Protocol):
    """Images on their way from a publisher into the image store, which the portal shares."""

    def ensure_fetch(self, spec: FetchSpec, progress: Progress) -> None:
        """The image store holds the published file, whose sum is the one that its publisher's
        list names and which is a qcow2 disk whole in itself; and a note of it. Raises
        `Permanent` when it is not that, or there is no room; `Failed` when its publisher cannot
        be reached."""

    def remove_fetch(self, image_id: str) -> None:
        """There is no note of this fetch. The file stays: what no image names is the portal's to
        remove."""

    def observe_fetch(self, image_id: str) -> Fetched | None:
        """What the note of this fetch says, or None unless its file is there too."""


class Disks(Protocol):
    """Disks of guests."""

    def ensure_disk(self, instance_id: str, disk: DiskSpec) -> None:
        """This disk of the guest exists: a copy-on-write overlay of its image, as large as the
        spec says or as the image if that is larger; empty if it has none. An existing disk is left
        as it is, and stays when its guest is told to have it no longer."""

    def ensure_seed(self, spec: InstanceSpec) -> None:
        """The guest's config disk (an ISO 9660 volume `config-2` in OpenStack's layout) says
        what the spec says."""

    def remove_disks(self, instance_id: str) -> None:
        """Nothing of this guest is left on the disks: root disk, others, seed, boot log."""

    def observe_disks(self) -> tuple[str, ...]:
        """Id of each guest that has files on the disks."""

    def observe_capacity(self) -> tuple[int, int]:
        """GiB in all and GiB free where the disks of guests are."""

    def observe_shortages(self, starved: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """Which file systems of this host have no space left or soon will not, for which of the
        guests `starved` (by id) stand still, and what can be done."""


class Hypervisor(Protocol):
    """Guests."""

    def ensure_devices(self, spec: InstanceSpec) -> None:
        """A guest that runs, and that the spec lets run on, has the ports and disks of the spec
        and none that it names no longer, without being booted. Raises `Busy` with the name of
        what the guest does not let go of, once everything else is so."""

    def ensure_domain(self, spec: InstanceSpec) -> None:
        """The guest is defined as the spec says and carries its generation. A running guest
        keeps running; but for its ports and disks, it has the new definition from its next boot
        on. A disk or port that stays keeps its name and its slot in the guest."""

    def ensure_power(self, spec: InstanceSpec) -> None:
        """The guest runs or is off as `spec.power` says, and was booted `spec.boots` times.

        Stopping and rebooting press the ACPI power button first and raise `Busy` while the
        guest goes down; `grace_seconds` after the button the plug is pulled."""

    def remove_domain(self, instance_id: str) -> None:
        """No guest of this id runs or is defined."""

    def observe_guest(self, instance_id: str) -> Guest | None:
        """What is there of this guest, or None."""

    def observe_guests(self) -> tuple[Guest, ...]:
        """Every guest of ours on this host."""

    def observe_boot_log(self, instance_id: str) -> str:
        """What the guest wrote to its serial port: the newest 256 KiB, of this boot and of the
        last; kept while the guest is off."""

    def observe_host(self) -> HostFacts:
        """What this host is and has."""


class Network(Protocol):
    """Bridges, DHCP, DNS and the way out."""

    def ensure_network(self, spec: NetworkSpec) -> None:
        """This host serves the network exactly as the table says. A lease that makes no sense is
        left out, and keeps no other from being served."""

    def remove_network(self, network_id: str) -> None:
        """Nothing of this network is left on this host."""

    def ensure_ports(self, spec: InstanceSpec) -> None:
        """The bridges that the guest's ports are to be plugged into exist, and this host remembers
        these ports of the guest and no others."""

    def remove_ports(self, spec: InstanceSpec) -> None:
        """Nothing on this host remembers the ports of this guest, which is gone."""

    def observe_networks(self) -> tuple[Held, ...]:
        """Which table of which network this host holds; a damaged one is not reported."""

    def observe_network(self, network_id: str) -> tuple[Held, ...]:
        """Which table of this network the host holds, if any; a damaged one is not reported. Costs
        the same however many other networks there are."""

    def observe_obstacles(self) -> tuple[tuple[str, str], ...]:
        """What on this machine, not being ours, would drop the packets of guests, and the command
        that mends it."""

    def observe_remembered(self) -> tuple[str, ...]:
        """Id of each network that this host was told of, whether or not it holds its table."""

    def observe_strangers(self) -> tuple[Stranger, ...]:
        """Each thing that bears our names and belongs to no network or guest that this host was
        told of."""

    def remove_stranger(self, stranger: Stranger) -> None:
        """This one of `observe_strangers` is gone; what is none, or none any more, is left."""


class Firewall(Protocol):
    """What may pass between guests and everything else. Fails closed."""

    def ensure_firewall(self, spec: FirewallSpec) -> None:
        """The kernel filters exactly by this table: one transaction, none half-way. A row that
        makes no sense is left out, which lets less pass, and keeps no other from being applied."""

    def observe_firewall(self) -> tuple[Held, ...]:
        """Which table this host holds and what of it was left out, or nothing when it is damaged
        or absent."""

    def observe_crowds(self) -> tuple[tuple[str, str], ...]:
        """Whose connections were too many in the last minutes, so that new ones were refused, and
        what can be done."""


class Sequence(Protocol):
    """What orders the observations of this host."""

    boot_id: str

    def take(self) -> int:
        """A number larger than all before it, across restarts and reboots."""


@dataclass(frozen=True)
class HostDrivers:
    """Everything that a job may touch on a host."""

    locks: Locks
    sequence: Sequence
    images: Images
    fetches: Fetches
    disks: Disks
    hypervisor: Hypervisor
    network: Network
    firewall: Firewall
    say: Callable[[str], None] = print  # one line for whoever watches the operation
    console_address: str = ""  # where the agent of this host passes on screens
