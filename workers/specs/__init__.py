"""What crosses from the portal to a host and back: complete, frozen, nothing but data.

A *spec* says how a thing shall be; an *observation* says how things are. Both are plain
dataclasses of the standard library, one file a noun, and travel as JSON. Beside this package both
sides import only `workers.wire`, which names the ways between them. `pack` and `unpack` make the
bytes that each side seals with the host's key.

A change of meaning raises `VERSION`; a host refuses a spec of another version than its own.
"""

from workers.specs.boot_logs import BootLog, BootLogSpec
from workers.specs.consoles import ConsoleCall
from workers.specs.fetches import Fetched, FetchSpec
from workers.specs.firewall import FilteredPortSpec, FirewallSpec, GroupSpec, MemberSpec, RuleSpec
from workers.specs.hosts import FileSystem, Held, HostFacts, Observation, ObserveSpec
from workers.specs.images import ImageSpec
from workers.specs.instances import (
    ABSENT,
    DISK_ERROR,
    NO_SPACE,
    PANIC,
    PAUSED,
    ROOT,
    RUNNING,
    STANDS_STILL,
    STOPPED,
    VOLUME,
    WATCHDOG,
    AddressSpec,
    DiskSpec,
    Guest,
    InstanceSpec,
    PortSpec,
)
from workers.specs.letters import MAX_BYTES, dump, load, pack, unpack
from workers.specs.networks import LeaseSpec, NameSpec, NetworkSpec, RouteSpec, SubnetSpec
from workers.specs.spec import Spec
from workers.specs.strangers import Stranger, StrangersSpec

VERSION = 3

__all__ = [
    "ABSENT",
    "DISK_ERROR",
    "MAX_BYTES",
    "NO_SPACE",
    "PANIC",
    "PAUSED",
    "ROOT",
    "RUNNING",
    "STANDS_STILL",
    "STOPPED",
    "VERSION",
    "VOLUME",
    "WATCHDOG",
    "AddressSpec",
    "BootLog",
    "BootLogSpec",
    "ConsoleCall",
    "DiskSpec",
    "FetchSpec",
    "Fetched",
    "FileSystem",
    "FilteredPortSpec",
    "FirewallSpec",
    "GroupSpec",
    "Guest",
    "Held",
    "HostFacts",
    "ImageSpec",
    "InstanceSpec",
    "LeaseSpec",
    "MemberSpec",
    "NameSpec",
    "NetworkSpec",
    "Observation",
    "ObserveSpec",
    "PortSpec",
    "RouteSpec",
    "RuleSpec",
    "Spec",
    "Stranger",
    "StrangersSpec",
    "SubnetSpec",
    "dump",
    "load",
    "pack",
    "unpack",
]
