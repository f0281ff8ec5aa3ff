"""Ports and disks of a guest that runs, plugged in and pulled out while it does.

A device that is pulled is gone when the guest has let go of it, which a guest that is booting, or
has no driver, does late or never: https://libvirt.org/html/libvirt-libvirt-domain.html, at
`virDomainDetachDeviceAlias`. What the definition says of them is not changed here; it follows once
the guest has them, so that a definition never claims what a running guest lacks.

A guest that is told twice to let go does it twice: the second time of what has come into the slot
since. It is told again of every pull that it has not heeded yet whenever another device comes or
goes (ACPI, docs/specs/acpi_pci_hotplug.rst of QEMU). So new devices come first, the others go one
after the other, and each pull leaves a note in the runtime directory: a job waits for what one that
died had pulled, and nothing is pulled again before the guest has had its time.
"""

import shutil
import time
from pathlib import Path

import libvirt
from lxml import etree

from workers.drivers.libvirt import places
from workers.drivers.libvirt.power_button import Button
from workers.drivers.libvirt.refusals import explained
from workers.errors import Busy
from workers.specs import InstanceSpec

LET_GO_SECONDS = 2.0  # that a job waits, twice at most; a guest in good health takes tenths of one
LOOK_SECONDS = 0.05
LOOK_AGAIN_SECONDS = 2.0
STILL_PULLED = "in the process of unplug"  # QEMU's qdev-monitor.c: it knows already


def ensure(domain: libvirt.virDomain, spec: InstanceSpec, wanted: str, pulls: Path) -> None:
    """The running guest has the ports and disks of the definition `wanted`, and none of ours
    beside them; what others have plugged in is left. Raises `Busy` while it does not let go.
    `pulls` is where the notes of this guest are."""
    have, want = _held(domain), places.changing(etree.fromstring(wanted))
    gone = {key: Button(pulls / key, 0) for key in sorted(have.keys() - want.keys())}
    _wait_until_gone(domain, {key for key, pull in gone.items() if not pull.due})
    try:
        for key in want.keys() - have.keys():
            with explained(spec):
                _plug(domain, key, want[key])
    finally:  # no slot may have been free: those that go make room for the next try
        left = _pull_out(domain, have, gone)
    if left:
        words = f"{spec.name} does not let go of {' and '.join(map(_word, left))}"
        raise Busy(words, after_seconds=LOOK_AGAIN_SECONDS)
    forget(pulls)


def forget(pulls: Path) -> None:
    """No note is left of what was pulled out of this guest."""
    shutil.rmtree(pulls, ignore_errors=True)


def _word(device: etree._Element) -> str:
    """How a person knows the device."""
    if device.tag == "interface":
        return f"the port with the MAC {device.find('mac').get('address')}"
    return f"the disk {device.find('target').get('dev')}"


def _held(domain: libvirt.virDomain) -> dict[str, etree._Element]:
    return places.changing(etree.fromstring(domain.XMLDesc()))


def _plug(domain: libvirt.virDomain, key: str, device: etree._Element) -> None:
    try:
        domain.attachDeviceFlags(
            etree.tostring(device, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_LIVE
        )
    except libvirt.libvirtError:
        # the job before this one died, and what it had begun has come to its end meanwhile; or
        # the guest has gone down, and has it when it boots
        if domain.isActive() and key not in _held(domain):
            raise


def _pull(domain: libvirt.virDomain, key: str, device: etree._Element) -> None:
    """The guest knows that it shall let go, and is told again, should it have missed that."""
    try:
        domain.detachDeviceAlias(device.find("alias").get("name"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError as error:
        if STILL_PULLED not in str(error) and domain.isActive() and key in _held(domain):
            raise


def _pull_out(
    domain: libvirt.virDomain, have: dict[str, etree._Element], gone: dict[str, Button]
) -> list[etree._Element]:
    """The devices of `gone` are out; returns what the guest still has of them. Whatever follows one
    that it clings to is pulled by the next job."""
    for key, pull in gone.items():
        if pull.due and key in _held(domain):
            pull.press()
            _pull(domain, key, have[key])
            if not _wait_until_gone(domain, {key}):
                break
    held = _held(domain) if gone and domain.isActive() else {}
    return [device for key, device in held.items() if key in gone]


def _wait_until_gone(domain: libvirt.virDomain, pulled: set[str]) -> bool:
    """Whether the guest let go of all these in time, or has none because it is off."""
    until = time.monotonic() + LET_GO_SECONDS
    while pulled and domain.isActive() and pulled & _held(domain).keys():
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_SECONDS)
    return True
