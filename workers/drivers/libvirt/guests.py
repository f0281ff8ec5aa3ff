"""Guests as domains of libvirt.

A domain is ours when it carries our mark (`domain_xml`); the mark of its definition says what it
will be made from at its next boot, the mark of a running one what it was booted with. So "it
was booted five times" is a state that a job can find, and a killed job's successor goes on.
"""

import os
from pathlib import Path

import libvirt
from lxml import etree

from workers import specs
from workers.config import HostConfig
from workers.drivers import names
from workers.drivers.disks import room
from workers.drivers.disks.files import FileDisks
from workers.drivers.libvirt import accelerator, boot_log, devices, places, standstill
from workers.drivers.libvirt.domain_xml import (
    NAMESPACE,
    Mark,
    definition_mark,
    domain_xml,
    read_mark,
)
from workers.drivers.libvirt.power_button import Button
from workers.drivers.libvirt.refusals import content_when, explained
from workers.errors import Busy
from workers.specs import RUNNING, STOPPED, Guest, HostFacts, InstanceSpec, Stranger

LOOK_AGAIN_SECONDS = 1.0

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG

# https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainShutoffReason
SHUTOFF_REASONS = {
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED: "destroyed",
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED: "migrated",
    libvirt.VIR_DOMAIN_SHUTOFF_SAVED: "saved",
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: "failed",
    libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT: "from snapshot",
    libvirt.VIR_DOMAIN_SHUTOFF_DAEMON: "daemon",
}
UNDEFINE_WITH_ALL = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


class LibvirtHypervisor:
    """See `drivers.Hypervisor`. Nothing is opened before it is needed, and then per process: a
    connection does not survive a fork."""

    def __init__(self, config: HostConfig, disks: FileDisks):
        self._config, self._disks = config, disks
        self._opened: tuple[int, libvirt.virConnect | None] = os.getpid(), None
        self._inherited: libvirt.virConnect | None = None

    def ensure_devices(self, spec: InstanceSpec) -> None:
        domain = self._find(spec.id)
        if domain and _runs_on(domain, spec):
            standstill.resume(domain)  # a paused guest lets go of nothing
            devices.ensure(domain, spec, self._wanted(spec, domain), self._pulls(spec.id))

    def ensure_domain(self, spec: InstanceSpec) -> None:
        domain = self._find(spec.id)
        wanted = self._wanted(spec, domain)
        if domain and _mark(domain, CONFIG) == definition_mark(wanted):
            return
        with explained(spec):
            self._connection().defineXML(wanted)

    def ensure_power(self, spec: InstanceSpec) -> None:
        domain = self._connection().lookupByUUIDString(spec.id)
        button = self._button(spec.id, spec.generation)
        if domain.isActive():
            if _runs_on(domain, spec):
                standstill.resume(domain)
                button.forget()
                return
            self._take_down(domain, spec, button)
        button.forget()
        if spec.power == RUNNING:
            self._boot(domain, spec)

    def remove_domain(self, instance_id: str) -> None:
        domain = self._find(instance_id)
        if domain:
            _destroy(domain)
            with content_when(libvirt.VIR_ERR_NO_DOMAIN):
                domain.undefineFlags(UNDEFINE_WITH_ALL)
        self._button(instance_id).forget()
        devices.forget(self._pulls(instance_id))
        names.vnc_socket(self._config.runtime_directory, instance_id).unlink(missing_ok=True)

    def observe_guest(self, instance_id: str) -> Guest | None:
        domain = self._find(instance_id)
        return _observe(domain) if domain else None

    def observe_guests(self) -> tuple[Guest, ...]:
        seen = (_observe(domain) for domain in self._connection().listAllDomains())
        return tuple(sorted(filter(None, seen), key=lambda guest: guest.id))

    def observe_boot_log(self, instance_id: str) -> str:
        return boot_log.read(self._disks.boot_log(instance_id))

    def observe_host(self) -> HostFacts:
        connection = self._connection()
        disk_gib, disk_free_gib = self._disks.observe_capacity()
        chosen, reason = accelerator.choose(self._config)
        return HostFacts(
            vcpus=os.cpu_count(),
            memory_mib=_memory_mib(),
            disk_gib=disk_gib,
            disk_free_gib=disk_free_gib,
            file_systems=room.file_systems(self._config),
            accelerator=chosen,
            accelerator_reason=reason,
            versions={
                "libvirt": _version(connection.getLibVersion()),
                "qemu": _version(connection.getVersion()),
                "linux": os.uname().release,
                "specs": str(specs.VERSION),
            },
            strangers=self._strangers(),
        )

    def _wanted(self, spec: InstanceSpec, domain: libvirt.virDomain | None) -> str:
        """The definition by this spec, with devices where this domain has them."""
        return domain_xml(
            spec,
            self._disks.files(spec),
            accelerator=accelerator.choose(self._config)[0],
            emulator=self._config.emulator,
            vnc=names.vnc_socket(self._config.runtime_directory, spec.id),
            places_known=places.read(etree.fromstring(domain.XMLDesc())) if domain else {},
        )

    def _strangers(self) -> tuple[Stranger, ...]:
        """What bears our names and belongs to no guest: domains without our mark, and folders
        of disks that no domain has, be it a foreign one."""
        lost, strangers = set(self._disks.observe_disks()), []
        for domain in self._connection().listAllDomains():
            lost.discard(domain.UUIDString())
            if _observe(domain):
                continue
            definition = _definition(domain)
            lost = {each for each in lost if f"/{each}/" not in definition}
            if domain.name().startswith(names.domain("")):
                owner = domain.name().removeprefix(names.domain(""))
                strangers.append(Stranger(kind="domain", name=domain.name(), owner=owner))
        strangers += [Stranger(kind="disks", name=each, owner=each) for each in lost]
        return tuple(sorted(strangers, key=str))

    def _take_down(self, domain: libvirt.virDomain, spec: InstanceSpec, button: Button) -> None:
        """The guest is off, or `Busy` is raised while it may still go down by itself."""
        waited = button.held_seconds
        if waited < spec.grace_seconds:
            if button.due:
                button.press()
                standstill.resume(domain)  # a paused guest sees no button
                with content_when(libvirt.VIR_ERR_OPERATION_INVALID):  # it has just gone
                    domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
            raise Busy(
                f"{spec.name} is shutting down",
                after_seconds=min(LOOK_AGAIN_SECONDS, spec.grace_seconds - waited),
                within_seconds=spec.grace_seconds - waited,
            )
        _destroy(domain)

    def _boot(self, domain: libvirt.virDomain, spec: InstanceSpec) -> None:
        self._prepare_vnc(spec)
        boot_log.begin(self._disks.boot_log(spec.id))
        # a state that was saved by others would bring an older definition back with it
        with explained(spec), content_when(libvirt.VIR_ERR_OPERATION_INVALID):  # it runs
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_FORCE_BOOT)

    def _prepare_vnc(self, spec: InstanceSpec) -> None:
        """QEMU, as its own user, can make the socket of the guest's screen; nobody else can."""
        folder = names.vnc_socket(self._config.runtime_directory, spec.id).parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        user, group = _qemu_owner(self._connection())
        if (folder.stat().st_uid, folder.stat().st_gid) != (user, group):
            os.chown(folder, user, group)

    def _button(self, instance_id: str, generation: int = 0) -> Button:
        return Button(self._config.runtime_directory / "buttons" / instance_id, generation)

    def _pulls(self, instance_id: str) -> Path:
        return self._config.runtime_directory / "pulls" / instance_id

    def _find(self, instance_id: str) -> libvirt.virDomain | None:
        with content_when(libvirt.VIR_ERR_NO_DOMAIN):
            return self._connection().lookupByUUIDString(instance_id)
        return None

    def _connection(self) -> libvirt.virConnect:
        process, connection = self._opened
        if process == os.getpid() and _answers(connection):
            return connection
        if process != os.getpid():
            # let go, it would say good-bye to libvirtd in the name of the process it belongs to
            self._inherited = connection
        libvirt.registerErrorHandler(lambda *_: None, None)  # what matters is raised
        self._opened = os.getpid(), libvirt.open(self._config.libvirt_uri)
        return self._opened[1]


def _answers(connection: libvirt.virConnect | None) -> bool:
    """Whether libvirtd is still there; nothing but a question tells."""
    try:
        return bool(connection and connection.getLibVersion())
    except libvirt.libvirtError:
        return False


def _observe(domain: libvirt.virDomain) -> Guest | None:
    """What this domain is, or None if it is none of ours, or is gone by now."""
    with content_when(libvirt.VIR_ERR_NO_DOMAIN):
        state, detail = domain.state()
        definition = _mark(domain, CONFIG) or _mark(domain, LIVE)
        if definition is None:
            return None
        power, reason = _power(state, detail)
        if state == libvirt.VIR_DOMAIN_PAUSED:
            reason = standstill.reason(domain, detail)
        booted = _mark(domain, LIVE) if power == RUNNING else None
        return Guest(
            id=domain.UUIDString(),
            power=power,
            generation=definition.generation,
            boots=(booted or definition).boots,
            reason=reason,
        )
    return None


def _definition(domain: libvirt.virDomain) -> str:
    """Its XML; empty when it is gone by now."""
    with content_when(libvirt.VIR_ERR_NO_DOMAIN):
        return domain.XMLDesc()
    return ""


def _runs_on(domain: libvirt.virDomain, spec: InstanceSpec) -> bool:
    """Whether the guest runs, and nothing that the spec says ends that."""
    if spec.power != RUNNING or not domain.isActive():
        return False
    booted = _mark(domain, LIVE)
    return bool(booted and booted.boots >= spec.boots)


def _power(state: int, detail: int) -> tuple[str, str]:
    """A guest that holds memory and devices runs, whatever it is doing with them."""
    match state:
        case libvirt.VIR_DOMAIN_SHUTOFF:
            return STOPPED, SHUTOFF_REASONS.get(detail, "unknown")
        case libvirt.VIR_DOMAIN_CRASHED:
            return STOPPED, "crashed"
        case libvirt.VIR_DOMAIN_PMSUSPENDED:
            return RUNNING, "asleep"
        case _:
            return RUNNING, ""


def _mark(domain: libvirt.virDomain, which: int) -> Mark | None:
    """Our mark in the definition (CONFIG) or in the running guest (LIVE), where there is one."""
    absent = libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_OPERATION_INVALID
    with content_when(*absent, libvirt.VIR_ERR_INVALID_ARG):  # a domain without a definition
        return read_mark(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, which))
    return None


def _destroy(domain: libvirt.virDomain) -> None:
    """The plug is pulled; QEMU still writes what it holds of the disks (SIGTERM comes first)."""
    with content_when(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN):
        domain.destroy()


def _qemu_owner(connection: libvirt.virConnect) -> tuple[int, int]:
    """User and group that QEMU runs as: https://libvirt.org/formatcaps.html, secmodel `dac`."""
    capabilities = etree.fromstring(connection.getCapabilities())
    label = capabilities.findtext("host/secmodel[model='dac']/baselabel", "+0:+0")
    user, _, group = label.partition(":")
    return int(user), int(group)


def _memory_mib() -> int:
    """From proc(5): libvirt's own figure is that of NUMA node 0 alone."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    raise OSError("/proc/meminfo has no MemTotal")


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
