"""What libvirt is told of a guest: one pure function from a spec to a domain definition.

The definition carries a mark of our own, so that a guest can be recognised, and told what it was
made from, without any database: https://libvirt.org/formatdomain.html#general-metadata.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

from lxml import etree

from workers.drivers import names
from workers.drivers.disks.files import GuestFiles
from workers.drivers.libvirt import places
from workers.drivers.libvirt.places import Place
from workers.errors import Permanent
from workers.specs import ROOT, DiskSpec, InstanceSpec, PortSpec

NAMESPACE = "urn:portico:guest:1"
PREFIX = "portico"
ROOT_PORTS = 16  # PCIe slots; what devices do not take now is free for a later hot-plug
TRANSLATION_CACHE_MIB = 16  # QEMU's default of 1 GiB lets each emulated guest grow by hundreds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mark:
    """What a definition of ours says of itself."""

    generation: int
    boots: int
    digest: str  # of everything else in the definition, but for where its devices are


def domain_xml(
    spec: InstanceSpec,
    files: GuestFiles,
    *,
    accelerator: str,
    emulator: str,
    vnc: Path,
    places_known: Mapping[str, Place] | None = None,
) -> str:
    """The guest as the spec says, run by `accelerator` ("kvm" or "qemu"), marked as ours. Devices
    whose place is known are there.

    Raises `Permanent` for text that no XML can hold (NUL and other control characters).

    libvirt's autostart is not used: after a boot of the host a guest may only start once its
    network and filter are back, which the portal sees to.
    """
    try:
        domain = _domain(spec, files, accelerator=accelerator, emulator=emulator, vnc=vnc)
    except ValueError:  # lxml refuses it
        raise Permanent(
            f"{spec.name!a} cannot be defined: a text in it holds a control character"
        ) from None
    digest = hashlib.sha256(etree.tostring(domain)).hexdigest()
    domain.find(f"metadata/{{{NAMESPACE}}}guest").set("digest", digest)
    places.keep(domain, places_known or {})
    return etree.tostring(domain, encoding="unicode", pretty_print=True)


def read_mark(metadata: str) -> Mark | None:
    """The mark in the guest element that libvirt gives back, or None if it is malformed."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        element = etree.fromstring(metadata, parser)
        return Mark(
            generation=int(element.attrib["generation"]),
            boots=int(element.attrib["boots"]),
            digest=element.attrib["digest"],
        )
    except (etree.XMLSyntaxError, KeyError, ValueError):
        return None


def definition_mark(xml: str) -> Mark:
    """The mark in a definition made by `domain_xml`."""
    guest = etree.fromstring(xml).find(f"metadata/{{{NAMESPACE}}}guest")
    return read_mark(etree.tostring(guest, encoding="unicode"))


def _domain(
    spec: InstanceSpec, files: GuestFiles, *, accelerator: str, emulator: str, vnc: Path
) -> etree._Element:
    domain = etree.Element("domain", type=accelerator)
    _add(domain, "name", names.domain(spec.id))
    _add(domain, "uuid", spec.id)
    guest = etree.SubElement(
        _add(domain, "metadata"), f"{{{NAMESPACE}}}guest", nsmap={PREFIX: NAMESPACE}
    )
    guest.set("name", spec.name)
    guest.set("generation", str(spec.generation))
    guest.set("boots", str(spec.boots))
    _add(domain, "memory", str(spec.memory_mib), unit="MiB")
    _add(domain, "vcpu", str(spec.vcpus))
    _add_board(domain, spec, accelerator)
    devices = _add(domain, "devices")
    _add(devices, "emulator", emulator)
    _add_buses(devices)
    for disk in spec.disks:
        _add_disk(devices, disk, files)
    _add_config_disk(devices, files)
    for port in spec.ports:
        _add_port(devices, port)
    _add_consoles(devices, files, vnc)
    _add_services(devices)
    return domain


def _add_board(domain: etree._Element, spec: InstanceSpec, accelerator: str) -> None:
    system = _add(domain, "os")
    _add(system, "type", "hvm", arch="x86_64", machine="q35")
    _add(system, "smbios", mode="sysinfo")
    firmware = _add(_add(domain, "sysinfo", type="smbios"), "system")
    _add(firmware, "entry", "Portico", name="manufacturer")
    # what makes cloud-init ask 169.254.169.254 where a guest has no config disk
    _add(firmware, "entry", "OpenStack Compute", name="product")
    _add(firmware, "entry", spec.id, name="uuid")
    features = _add(domain, "features")
    _add(features, "acpi")
    _add(features, "apic")
    _add(features, "vmport", state="off")
    if accelerator == "qemu":
        _add(_add(features, "tcg"), "tb-cache", str(TRANSLATION_CACHE_MIB), unit="MiB")
    # emulation can do all that distributions of today ask for (x86-64-v2 and v3)
    cpu = _add(domain, "cpu", mode="host-passthrough" if accelerator == "kvm" else "maximum")
    _add(cpu, "topology", sockets="1", cores=str(spec.vcpus), threads="1")
    _add(_add(domain, "clock", offset="utc"), "timer", name="hpet", present="no")
    _add(domain, "on_poweroff", "destroy")
    _add(domain, "on_reboot", "restart")
    _add(domain, "on_crash", "destroy")
    sleep = _add(domain, "pm")  # a sleeping guest would look like a running one that is dead
    _add(sleep, "suspend-to-mem", enabled="no")
    _add(sleep, "suspend-to-disk", enabled="no")


def _add_buses(devices: etree._Element) -> None:
    _add(devices, "controller", type="pci", index="0", model="pcie-root")
    for index in range(1, ROOT_PORTS + 1):
        _add(devices, "controller", type="pci", index=str(index), model="pcie-root-port")
    _add(devices, "controller", type="virtio-serial", index="0")
    _add(devices, "controller", type="usb", model="none")  # polling it costs an idle guest


def _add_disk(devices: etree._Element, spec: DiskSpec, files: GuestFiles) -> None:
    disk = _add(devices, "disk", type="file", device="disk")
    # the cache of the host holds an image once for all its guests, and a flush is a flush
    driver = _add(disk, "driver", name="qemu", type="qcow2", cache="writeback", discard="unmap")
    # a guest never hears that its host cannot write, and loses nothing: it stands still until the
    # host can; what cannot be read it is told
    driver.set("error_policy", "stop")
    driver.set("rerror_policy", "report")
    _add(disk, "source", file=str(files.disks[spec.id]))
    # the chain is spelled out: QEMU and libvirt never guess the format of what a guest wrote,
    # and libvirt leaves the owner of the shared image alone
    if spec.image:
        image = _add(disk, "backingStore", type="file")
        _add(image, "format", type=spec.image.format)
        source = _add(image, "source", file=str(files.image))
        _add(source, "seclabel", model="dac", relabel="no")
        _add(image, "backingStore")
    else:
        _add(disk, "backingStore")
    _add(disk, "target", dev=places.ROOT, bus="virtio")
    if spec.serial:
        _add(disk, "serial", spec.serial)
    if spec.kind == ROOT:
        _add(disk, "boot", order="1")
    else:
        _add(disk, "alias", name=places.alias(spec.id))


def _add_config_disk(devices: etree._Element, files: GuestFiles) -> None:
    """A disk and no CD-ROM: on q35 that is SATA, which small cloud kernels have no driver for."""
    disk = _add(devices, "disk", type="file", device="disk")
    _add(disk, "driver", name="qemu", type="raw")
    _add(disk, "source", file=str(files.seed))
    _add(disk, "target", dev=places.SEED, bus="virtio")
    _add(disk, "readonly")


def _add_port(devices: etree._Element, port: PortSpec) -> None:
    interface = _add(devices, "interface", type="bridge")
    _add(interface, "mac", address=port.mac)
    _add(interface, "source", bridge=names.bridge(port.segment_id))
    _add(interface, "target", dev=names.tap(port.id))
    _add(interface, "model", type="virtio")
    _add(interface, "mtu", size=str(port.mtu))


def _add_consoles(devices: etree._Element, files: GuestFiles, vnc: Path) -> None:
    for kind in ("serial", "console"):
        device = _add(devices, kind, type="pty")
        if kind == "serial":  # virtlogd writes it, and bounds it
            _add(device, "log", file=str(files.boot_log), append="on")
        _add(device, "target", type="isa-serial" if kind == "serial" else "serial", port="0")
    graphics = _add(devices, "graphics", type="vnc")
    _add(graphics, "listen", type="socket", socket=str(vnc))
    _add(_add(devices, "video"), "model", type="vga")
    _add(devices, "input", type="tablet", bus="virtio")  # pointers of screen and guest agree


def _add_services(devices: etree._Element) -> None:
    agent = _add(devices, "channel", type="unix")
    _add(agent, "target", type="virtio", name="org.qemu.guest_agent.0")
    _add(_add(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    _add(devices, "memballoon", model="virtio", freePageReporting="on")


def _add(
    parent: etree._Element, tag: str, text: str | None = None, **attributes: str
) -> etree._Element:
    element = etree.SubElement(parent, tag, attributes)
    element.text = text
    return element
