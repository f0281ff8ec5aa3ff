"""A host as a whole: what it is, and what it saw."""

import dataclasses

from workers.specs.boot_logs import BootLog
from workers.specs.fetches import Fetched
from workers.specs.instances import Guest
from workers.specs.spec import Spec
from workers.specs.strangers import Stranger


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObserveSpec(Spec):
    """A question to a host: everything that it holds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """The revision of a table that a host holds."""

    kind: str  # the noun whose table it is: "networks" or "firewall"
    id: str
    generation: int
    unreadable: tuple[str, ...] = ()  # what of it the host could not act by and has left out


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileSystem:
    """Where a host keeps something."""

    path: str  # where it is mounted
    holds: str  # what the host keeps on it, in words
    mib: int
    free_mib: int  # for whoever is not root, as QEMU


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What a host is and has."""

    vcpus: int
    memory_mib: int  # of the machine, from /proc/meminfo
    disk_gib: int  # of the file system that holds the guests
    disk_free_gib: int
    accelerator: str  # "kvm" or "qemu"
    accelerator_reason: str
    file_systems: tuple[FileSystem, ...] = ()
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    strangers: tuple[Stranger, ...] = ()
    obstacles: tuple[tuple[str, str], ...] = ()  # what is in the way of guests, what mends it
    console_address: str = ""  # where the agent takes a ConsoleCall: unix:///path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observation:
    """What a host saw. `sequence` was taken before looking, so a larger one is newer."""

    boot_id: str
    sequence: int
    guests: tuple[Guest, ...] = ()
    absent: tuple[str, ...] = ()  # ids that were looked for and are not there
    held: tuple[Held, ...] = ()
    images: tuple[str, ...] = ()  # SHA-256 of what the cache holds
    images_absent: tuple[str, ...] = ()  # and of what was looked for and is not there
    fetches: tuple[Fetched, ...] = ()
    everything: bool = False  # whether what is not named here is not there
    host: HostFacts | None = None
    boot_log: BootLog | None = None
