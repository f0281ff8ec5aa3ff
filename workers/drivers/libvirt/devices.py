"""Ports and disks of a guest that runs, plugged in and pulled out while it does.

A device that is pulled is gone when the guest has let go of it, which a guest that is booting, or
has no driver, does late or never: https://libvirt.org/html/libvirt-libvirt-domain.html, at
`virDomainDetachDeviceAlias`. What the definition says of them is not changed here; it follows once
the guest has them, so that a definition never claims what a running guest lacks.

A guest that is told twice to let go does it twice: the second time of what has come into the slot
since. So each pull leaves a note in the runtime directory, and is repeated only when the guest has
had time enough to heed it, be it that the job that pulled has died.
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

LET_GO_SECONDS = 2.0  # that a job waits; a guest in good health takes tenths of one
LOOK_SECONDS = 0.05
LOOK_AGAIN_SECONDS = 2.0
STILL_PULLED = "in the process of unplug"  # QEMU's qdev-monitor.c: it knows already


def ensure(domain: libvirt.virDomain, spec: InstanceSpec, wanted: str, pulls: Path) -> None:
    """The running guest has the ports and disks of the definition `wanted`, and none of ours
    beside them; what others have plugged in is left. Raises `Busy` while it does not let go.
    `pulls` is where the notes of this guest are."""
    have, want = _held(domain), places.changing(etree.fromstring(wanted))
    gone = have.keys() - want.keys()
    for key in gone:
        pull = Button(pulls / key, 0)
        if pull.due:
            pull.press()
            _pull(domain, key, have[key])
    for key in want.keys() - have.keys():
        with explained(spec):
            _plug(domain, key, want[key])
    _wait_until_gone(domain, spec, gone)
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


def _wait_until_gone(domain: libvirt.virDomain, spec: InstanceSpec, pulled: set[str]) -> None:
    until = time.monotonic() + LET_GO_SECONDS
    while pulled and domain.isActive():
        left = [_word(device) for key, device in _held(domain).items() if key in pulled]
        if not left:
            return
        if time.monotonic() > until:
            words = f"{spec.name} does not let go of {' and '.join(left)}"
            raise Busy(words, after_seconds=LOOK_AGAIN_SECONDS)
        time.sleep(LOOK_SECONDS)
