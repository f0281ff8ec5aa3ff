"""What a host remembers of each network that it was told to serve.

Written before anything is made (so that whatever a kill leaves can be found and removed), and
again once everything is so: only then is the table *held*. The kernel forgets at a reboot, and
with it a record stops meaning anything but that remains may be found.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from workers import specs
from workers.config import HostConfig
from workers.drivers import records
from workers.drivers.sequence import kernel_boot_id
from workers.specs import NetworkSpec


@dataclass(frozen=True, kw_only=True)
class Record:
    """A network on this host."""

    spec: NetworkSpec
    held: bool = False  # everything was so, in this boot of the machine
    signatures: dict[str, str] = dataclasses.field(default_factory=dict)  # of its namespaces
    unreadable: tuple[str, ...] = ()  # what of its table is left out


ONLY_SUBNET = ("cidr", "gateway", "dhcp_address")  # what 0.1.0 said of it, with the network


def read(config: HostConfig, network_id: str) -> Record | None:
    """What is remembered of the network, or None."""
    found = records.read(_path(config, network_id))
    try:
        spec = specs.load(NetworkSpec, _known(found.get("spec")))
    except ValueError:
        return None
    if found["boot_id"] != kernel_boot_id():
        return Record(spec=spec)
    return Record(
        spec=spec,
        held=found["held"],
        signatures=found["signatures"],
        unreadable=tuple(found.get("unreadable", ())),
    )


def write(config: HostConfig, record: Record) -> None:
    """This is remembered of the network, from this boot on."""
    remembered = {"boot_id": kernel_boot_id(), **dataclasses.asdict(record)}
    records.write(_path(config, record.spec.id), remembered)


def remove(config: HostConfig, network_id: str) -> None:
    """Nothing is remembered of the network."""
    records.remove(_path(config, network_id))


def ids(config: HostConfig) -> tuple[str, ...]:
    """Of each network that is remembered, sorted."""
    return tuple(sorted(path.stem for path in _directory(config).glob("*.json")))


def _known(spec: dict | None) -> dict | None:
    """As specs say it now, whatever they said in an earlier version: a record outlives an upgrade,
    and with it the way to find what was made."""
    if not spec:
        return None
    if "subnets" not in spec:  # there was one, in the fields of the network
        spec = spec | {"subnets": [{name: spec.get(name) for name in ONLY_SUBNET}]}
    return {name: value for name, value in spec.items() if name in _fields(NetworkSpec)}


def _fields(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def _directory(config: HostConfig) -> Path:
    return config.state_directory / "networks"


def _path(config: HostConfig, network_id: str) -> Path:
    return _directory(config) / f"{network_id}.json"
