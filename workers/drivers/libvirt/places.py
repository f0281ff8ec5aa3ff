"""Where the devices of a guest are: the name and the slot by which it knows them. Touches nothing.

Who leaves makes room, and nobody moves up: a disk that is `vdc` and a card in slot 3 are so for as
long as the guest has them, whatever comes and goes beside them. What is where is remembered by
libvirt alone, in the definition of the guest and, while it runs, in what it runs with.
"""

import dataclasses
import string
from collections.abc import Iterator, Mapping

from lxml import etree

from workers.drivers import names

ALIAS = "ua-"  # https://libvirt.org/formatdomain.html#devices: what an alias of ours begins with
ROOT, SEED = "vda", "vdz"
OTHERS = [f"vd{letter}" for letter in string.ascii_lowercase[1:-1]]
BUSES = {"pci", "sata"}  # controllers whose slots libvirt gives by the chipset, always the same


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Of a device in a guest."""

    name: str = ""  # of a disk: "vdb"
    slot: tuple[tuple[str, str], ...] = ()  # attributes of its PCI address, if it has one


def alias(disk_id: str) -> str:
    """What the disk of this id is called in a definition."""
    return ALIAS + disk_id


def changing(domain: etree._Element) -> dict[str, etree._Element]:
    """The devices that may come and go, by the id of the disk or the tap of the port."""
    found = {}
    for device in domain.findall("devices/disk"):
        name = device.find("alias")
        if name is not None and name.get("name", "").startswith(ALIAS):
            found[name.get("name").removeprefix(ALIAS)] = device
    for device in domain.findall("devices/interface"):
        target = device.find("target")
        if target is not None and target.get("dev", "").startswith(names.TAP):
            found[target.get("dev")] = device
    return found


def read(definition: etree._Element) -> dict[str, Place]:
    """Where each device is, in what libvirt says of a guest."""
    return {key: _place(device) for key, device in _devices(definition)}


def keep(domain: etree._Element, places: Mapping[str, Place]) -> None:
    """Each device of the definition is where it was; a disk that is new has the first name that
    is free, and a slot that libvirt gives it."""
    free = [name for name in OTHERS if name not in {place.name for place in places.values()}]
    for key, device in _devices(domain):
        place = places.get(key, Place())
        if key.startswith(ALIAS):
            device.find("target").set("dev", place.name or free.pop(0))
        if place.slot and device.find("address") is None:
            etree.SubElement(device, "address", dict(place.slot))


def _devices(domain: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """The devices that may have a place, by what does not change of each."""
    for device in domain.find("devices"):
        target, own = device.find("target"), device.find("alias")
        if device.tag == "controller" and device.get("type") in BUSES:
            continue
        if device.tag == "disk" and own is not None and own.get("name", "").startswith(ALIAS):
            yield own.get("name"), device
        elif device.tag in ("disk", "interface") and target is not None:
            yield f"{device.tag} {target.get('dev')}", device
        else:
            yield " ".join([device.tag, device.get("type", ""), device.get("index", "")]), device


def _place(device: etree._Element) -> Place:
    target, address = device.find("target"), device.find("address[@type='pci']")
    return Place(
        name=target.get("dev", "") if device.tag == "disk" else "",
        slot=tuple(address.attrib.items()) if address is not None else (),
    )
