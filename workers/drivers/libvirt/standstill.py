"""Guests that stand still: why, and how they go on.

QEMU stops a guest whose write failed (`domain_xml`, error_policy) and keeps the write: the guest
goes on where it stood, and the write with it, when it is resumed. See the states and reasons of
https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainPausedReason.
"""

import contextlib
import logging
import time

import libvirt

from workers.config import HostConfig
from workers.drivers.disks import room
from workers.drivers.libvirt.domain_xml import NAMESPACE
from workers.drivers.libvirt.refusals import content_when
from workers.specs import DISK_ERROR, NO_SPACE, PANIC, PAUSED, WATCHDOG

REASONS = {  # of any other libvirt resumes the guest itself
    libvirt.VIR_DOMAIN_PAUSED_UNKNOWN: PAUSED,
    libvirt.VIR_DOMAIN_PAUSED_USER: PAUSED,
    libvirt.VIR_DOMAIN_PAUSED_IOERROR: DISK_ERROR,
    libvirt.VIR_DOMAIN_PAUSED_WATCHDOG: WATCHDOG,
    libvirt.VIR_DOMAIN_PAUSED_CRASHED: PANIC,
}
PROVES_SECONDS = 1.0  # so long after it was resumed, a guest has met the same error or has not
LOOK_SECONDS = 0.05

log = logging.getLogger(__name__)


def reason(domain: libvirt.virDomain, detail: int) -> str:
    """Why a paused guest stands still, one of STANDS_STILL; empty while libvirt is about to let it
    go on."""
    if detail != libvirt.VIR_DOMAIN_PAUSED_IOERROR:
        return REASONS.get(detail, "")
    with content_when(libvirt.VIR_ERR_OPERATION_INVALID):  # it has just gone
        if libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE in domain.diskErrors().values():
            return NO_SPACE
    return DISK_ERROR


def resume(domain: libvirt.virDomain) -> None:
    """A paused guest goes on. One that could not write is watched until it is known whether it can
    now, so that whoever looks next sees how it is."""
    state, detail = domain.state()
    if state != libvirt.VIR_DOMAIN_PAUSED:
        return
    with content_when(libvirt.VIR_ERR_OPERATION_INVALID):  # somebody else was faster
        domain.resume()
    if detail != libvirt.VIR_DOMAIN_PAUSED_IOERROR:
        return
    until = time.monotonic() + PROVES_SECONDS
    while time.monotonic() < until and domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING:
        time.sleep(LOOK_SECONDS)


def let_go_on(connection: libvirt.virConnect, config: HostConfig) -> None:
    """Guests of ours that stood still for want of space go on, where there is enough by now. One
    that does not answer is left for the next time, and holds up no other."""
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PAUSED):
        with contextlib.suppress(libvirt.libvirtError, OSError):
            _let_one_go_on(domain, config)


def _let_one_go_on(domain: libvirt.virDomain, config: HostConfig) -> None:
    domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE)  # it is one of ours, or raises
    state, detail = domain.state()
    if state != libvirt.VIR_DOMAIN_PAUSED or reason(domain, detail) != NO_SPACE:
        return
    if room.enough_again(config, domain.UUIDString()):
        log.info("there is space again: %s goes on", domain.name())
        resume(domain)
