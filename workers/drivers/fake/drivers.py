"""The concerns of a fake host; what each method promises stands in `workers.drivers`."""

import dataclasses
import hashlib
import time

from workers.drivers import HostDrivers, Progress
from workers.drivers.fake.state import FakeHost
from workers.drivers.filter.readable import readable
from workers.drivers.images import eviction
from workers.drivers.images.eviction import GIB, Cached
from workers.drivers.locks import FileLocks
from workers.drivers.network import plan
from workers.drivers.sequence import FileSequence
from workers.errors import Busy
from workers.specs import (
    ROOT,
    RUNNING,
    STANDS_STILL,
    STOPPED,
    DiskSpec,
    Fetched,
    FetchSpec,
    FileSystem,
    FirewallSpec,
    Guest,
    Held,
    HostFacts,
    ImageSpec,
    InstanceSpec,
    NetworkSpec,
    Stranger,
)

VCPUS, MEMORY_MIB, DISK_GIB, CACHE_GIB = 64, 262_144, 4000, 40
PUBLISHED_BYTES = 2**29  # of whatever is fetched


def drivers_of(host: FakeHost) -> HostDrivers:
    """What a job gets to see of this host."""
    return HostDrivers(
        locks=FileLocks(host.directory / "locks", wait_seconds=host.wait_seconds),
        sequence=FileSequence(host.directory / "sequence", host.get("host", "boot")["id"]),
        images=FakeImages(host),
        fetches=FakeFetches(host),
        disks=FakeDisks(host),
        hypervisor=FakeHypervisor(host),
        network=FakeNetwork(host),
        firewall=FakeFirewall(host),
        say=lambda line: None,
    )


class FakeImages:
    """Cached images are rows."""

    def __init__(self, host: FakeHost):
        self._host = host

    def ensure_image(self, image: ImageSpec, progress: Progress) -> None:
        self._host.call("ensure_image")
        if self._host.get("image", image.sha256) is None:
            self._make_room(image.size_bytes)
            progress(image.size_bytes, image.size_bytes)
            value = {"format": image.format, "size_bytes": image.size_bytes}
            self._host.put("image", image.sha256, value)
        self._use(image.sha256)

    def use_image(self, image: ImageSpec) -> bool:
        self._host.call("use_image")
        there = self._host.get("image", image.sha256) is not None
        if there:
            self._use(image.sha256)
        return there

    def observe_images(self) -> tuple[str, ...]:
        self._host.call("observe_images")
        return tuple(self._host.every("image"))

    def _use(self, sha256: str) -> None:
        self._host.put("use", sha256, {"at": time.time()})

    def _make_room(self, coming_bytes: int) -> None:
        used = {each: use["at"] for each, use in self._host.every("use").items()}
        cached = [
            Cached(sha256=each, own_bytes=image["size_bytes"], used_at=used.get(each, 0))
            for each, image in self._host.every("image").items()
        ]
        limit = (self._host.get("host", "cache") or {"gib": CACHE_GIB})["gib"] * GIB
        for each in eviction.given_up(
            cached,
            needed={disk.get("image") for disk in self._host.every("disk").values()},
            excess_bytes=sum(each.own_bytes for each in cached) + coming_bytes - limit,
            moment=time.time(),
        ):
            for kind in ("image", "use"):
                self._host.drop(kind, each)


class FakeFetches:
    """Fetched images are rows. Whatever is fetched has PUBLISHED_BYTES, at once."""

    def __init__(self, host: FakeHost):
        self._host = host

    def ensure_fetch(self, spec: FetchSpec, progress: Progress) -> None:
        self._host.call("ensure_fetch")
        progress(PUBLISHED_BYTES, PUBLISHED_BYTES)
        value = {
            "sha256": hashlib.sha256(spec.url.encode()).hexdigest(),
            "format": "qcow2",
            "size_bytes": PUBLISHED_BYTES,
            "virtual_size_bytes": 4 * PUBLISHED_BYTES,
        }
        self._host.put("fetch", spec.id, value)

    def remove_fetch(self, image_id: str) -> None:
        self._host.call("remove_fetch")
        self._host.drop("fetch", image_id)

    def observe_fetch(self, image_id: str) -> Fetched | None:
        self._host.call("observe_fetch")
        note = self._host.get("fetch", image_id)
        return note and Fetched(id=image_id, **note)


class FakeDisks:
    """The disks of a guest are a row: its root disk, and beside it the sizes of others."""

    def __init__(self, host: FakeHost):
        self._host = host

    def ensure_disk(self, instance_id: str, disk: DiskSpec) -> None:
        self._host.call("ensure_disk")
        there = self._host.get("disk", instance_id) or {}
        if disk.kind == ROOT:
            new = {"image": disk.image and disk.image.sha256, "gib": disk.gib}
        else:
            new = {"others": there.pop("others", {})}
            new["others"].setdefault(disk.id, disk.gib)
        self._host.put("disk", instance_id, new | there)

    def ensure_seed(self, spec: InstanceSpec) -> None:
        self._host.call("ensure_seed")
        value = {"hostname": spec.hostname, "user_data": spec.user_data}
        self._host.put("seed", spec.id, value)

    def remove_disks(self, instance_id: str) -> None:
        self._host.call("remove_disks")
        for kind in ("disk", "seed"):
            self._host.drop(kind, instance_id)

    def observe_disks(self) -> tuple[str, ...]:
        self._host.call("observe_disks")
        return tuple(self._host.every("disk"))

    def observe_capacity(self) -> tuple[int, int]:
        self._host.call("observe_capacity")
        return DISK_GIB, DISK_GIB - _used_gib(self._host)

    def observe_shortages(self, starved: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        self._host.call("observe_shortages")
        return tuple((f"the guest {each} has no space left", "Make room") for each in starved)


class FakeHypervisor:
    """Guests are rows. One that is told `deaf` ignores the power button; one that `clings` to ids
    of disks and ports lets go of those at its next boot only. On a host that is told `full` those
    that stand still do not go on, and its disks have `free_gib` left."""

    def __init__(self, host: FakeHost):
        self._host = host

    def ensure_devices(self, spec: InstanceSpec) -> None:
        self._host.call("ensure_devices")
        guest = self._host.get("guest", spec.id)
        if guest is None or (guest["power"], spec.power) != (RUNNING, RUNNING):
            return
        if guest["boots"] < spec.boots:
            return
        wanted = _devices(spec)
        left = set(guest.get("clings", ())) & set(guest.get("devices", ())) - set(wanted)
        self._host.put("guest", spec.id, guest | {"devices": sorted({*wanted, *left})})
        if left:
            raise Busy(f"{spec.name} does not let go of {' and '.join(sorted(left))}")

    def ensure_domain(self, spec: InstanceSpec) -> None:
        self._host.call("ensure_domain")
        there = self._host.get("guest", spec.id) or {"power": STOPPED, "boots": 0, "reason": ""}
        self._host.put("guest", spec.id, there | {"generation": spec.generation})

    def ensure_power(self, spec: InstanceSpec) -> None:
        self._host.call("ensure_power")
        guest = self._host.get("guest", spec.id)
        reboot = spec.power == RUNNING and guest["boots"] < spec.boots
        if guest["power"] == RUNNING and (spec.power == STOPPED or reboot):
            self._down(spec, guest)
            return self.ensure_power(spec)
        if spec.power == RUNNING and (guest["power"] == STOPPED or reboot):
            there = {"power": RUNNING, "boots": max(spec.boots, guest["boots"]), "reason": ""}
            self._host.put("guest", spec.id, guest | there | {"devices": _devices(spec)})
        elif guest["reason"] in STANDS_STILL and not self._host.get("host", "full"):
            self._host.put("guest", spec.id, guest | {"reason": ""})
        elif guest["boots"] < spec.boots:  # it is off: its next boot will be that one
            self._host.put("guest", spec.id, guest | {"boots": spec.boots})
        return None

    def remove_domain(self, instance_id: str) -> None:
        self._host.call("remove_domain")
        self._host.drop("guest", instance_id)

    def observe_guest(self, instance_id: str) -> Guest | None:
        self._host.call("observe_guest")
        guest = self._host.get("guest", instance_id)
        return guest and _guest(instance_id, guest)

    def observe_guests(self) -> tuple[Guest, ...]:
        self._host.call("observe_guests")
        return tuple(_guest(each, guest) for each, guest in self._host.every("guest").items())

    def observe_boot_log(self, instance_id: str) -> str:
        self._host.call("observe_boot_log")
        guest = self._host.get("guest", instance_id)
        if guest is None:
            return ""
        return guest.get("says") or f"A fake guest, booted {guest['boots']} times.\n"

    def observe_host(self) -> HostFacts:
        self._host.call("observe_host")
        full = self._host.get("host", "full")
        free = full["free_gib"] if full else max(0, DISK_GIB - _used_gib(self._host))
        size = self._host.get("host", "size") or {"vcpus": VCPUS, "memory_mib": MEMORY_MIB}
        guests = self._host.every("guest").keys()
        return HostFacts(
            **size,
            disk_gib=DISK_GIB,
            disk_free_gib=free,
            file_systems=(
                FileSystem(
                    path="/fake",
                    holds="disks of guests",
                    mib=DISK_GIB * 1024,
                    free_mib=free * 1024,
                ),
            ),
            accelerator="fake",
            accelerator_reason="This host is a fake: its guests are rows in a file.",
            versions={"driver": "fake"},
            strangers=tuple(
                Stranger(kind="disks", name=each, owner=each)
                for each in self._host.every("disk")
                if each not in guests
            ),
        )

    def _down(self, spec: InstanceSpec, guest: dict) -> None:
        """Off, or Busy. The patience of a deaf guest is counted in looks, not in seconds."""
        asked = guest.get("asked", 0)
        if guest.get("deaf") and asked < spec.grace_seconds:
            self._host.put("guest", spec.id, guest | {"asked": asked + 1})
            left = spec.grace_seconds - asked
            raise Busy(f"{spec.name} is shutting down", within_seconds=left)
        obeyed = spec.grace_seconds > 0 and not guest.get("deaf")
        reason = "shutdown" if obeyed else "destroyed"
        there = {"power": STOPPED, "reason": reason, "asked": 0}
        self._host.put("guest", spec.id, guest | there)


class FakeNetwork:
    """Networks are rows that hold their table."""

    def __init__(self, host: FakeHost):
        self._host = host

    def ensure_network(self, spec: NetworkSpec) -> None:
        self._host.call("ensure_network")
        self._host.put("network", spec.id, _table(*plan.readable(spec)))

    def remove_network(self, network_id: str) -> None:
        self._host.call("remove_network")
        self._host.drop("network", network_id)

    def ensure_ports(self, spec: InstanceSpec) -> None:
        self._host.call("ensure_ports")
        self._host.put("ports", spec.id, {"macs": [port.mac for port in spec.ports]})

    def remove_ports(self, spec: InstanceSpec) -> None:
        self._host.call("remove_ports")
        self._host.drop("ports", spec.id)

    def observe_networks(self) -> tuple[Held, ...]:
        self._host.call("observe_networks")
        return _held("networks", self._host.every("network"))

    def observe_network(self, network_id: str) -> tuple[Held, ...]:
        self._host.call("observe_network")
        table = self._host.get("network", network_id)
        return _held("networks", {network_id: table} if table else {})

    def observe_obstacles(self) -> tuple[tuple[str, str], ...]:
        self._host.call("observe_obstacles")
        return tuple((what, each["mend"]) for what, each in self._host.every("obstacle").items())

    def observe_remembered(self) -> tuple[str, ...]:
        self._host.call("observe_remembered")
        return tuple(self._host.every("network"))

    def observe_strangers(self) -> tuple[Stranger, ...]:
        self._host.call("observe_strangers")
        return tuple(Stranger(**each) for each in self._host.every("stranger").values())

    def remove_stranger(self, stranger: Stranger) -> None:
        self._host.call("remove_stranger")
        self._host.drop("stranger", str(stranger))


class FakeFirewall:
    """The filter is a row."""

    def __init__(self, host: FakeHost):
        self._host = host

    def ensure_firewall(self, spec: FirewallSpec) -> None:
        self._host.call("ensure_firewall")
        self._host.put("firewall", spec.id, _table(*readable(spec)))

    def observe_firewall(self) -> tuple[Held, ...]:
        self._host.call("observe_firewall")
        return _held("firewall", self._host.every("firewall"))

    def observe_crowds(self) -> tuple[tuple[str, str], ...]:
        self._host.call("observe_crowds")
        return tuple((what, each["advice"]) for what, each in self._host.every("crowd").items())


def _guest(instance_id: str, guest: dict) -> Guest:
    return Guest(
        id=instance_id,
        **{key: guest[key] for key in ("power", "generation", "boots", "reason")},
    )


def _devices(spec: InstanceSpec) -> list[str]:
    """The ids of what comes and goes while the guest runs."""
    others = [disk.id for disk in spec.disks if disk.kind != ROOT]
    return sorted([*others, *(port.id for port in spec.ports)])


def _used_gib(host: FakeHost) -> int:
    rows = host.every("disk").values()
    return sum(row.get("gib", 0) + sum(row.get("others", {}).values()) for row in rows)


def _table(spec: NetworkSpec | FirewallSpec, unreadable: tuple[str, ...]) -> dict:
    return dataclasses.asdict(spec) | {"unreadable": unreadable}


def _held(kind: str, tables: dict[str, dict]) -> tuple[Held, ...]:
    return tuple(
        Held(
            kind=kind,
            id=thing_id,
            generation=table["generation"],
            unreadable=tuple(table.get("unreadable", ())),
        )
        for thing_id, table in tables.items()
    )
