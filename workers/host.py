"""Putting a host's drivers together from its settings."""

import dataclasses
import socket
import stat
from collections.abc import Callable

from workers import claim
from workers.config import HostConfig
from workers.drivers import HostDrivers, names, privacy, rights
from workers.drivers.locks import FileLocks
from workers.drivers.sequence import FileSequence, kernel_boot_id

SCREEN_SECONDS = 5  # for QEMU to take a connection
PRIVATE = 0o077  # umask(2): what a host keeps is root's, and what others need is given to them
PASSED_THROUGH = 0o711  # the runtime directory: by QEMU, dnsmasq, and the portal to the agent


def open_host(config: HostConfig) -> HostDrivers:
    """The drivers that `config` names. Nothing is connected or changed yet, so that a worker can
    fork afterwards."""
    return dataclasses.replace(_drivers(config), console_address=config.consoles)


def boot_id(config: HostConfig) -> str:
    """Which boot of the machine this is."""
    if config.driver == "fake":
        from workers.drivers.fake import FakeHost

        return FakeHost(config.state_directory).get("host", "boot")["id"]
    return kernel_boot_id()


def prepare(config: HostConfig) -> None:
    """What has to be so before any guest starts: what no filter table names does not pass, and
    nobody reads what is another's. Raises RuntimeError on a machine that another installation has,
    before anything is touched."""
    if config.driver == "libvirt":
        claim.take(config)
    config.runtime_directory.mkdir(mode=PASSED_THROUGH, parents=True, exist_ok=True)
    if stat.S_IMODE(config.runtime_directory.stat().st_mode) != PASSED_THROUGH:
        config.runtime_directory.chmod(PASSED_THROUGH)
    if config.driver == "fake":
        privacy.close(config.state_directory)
    if config.driver == "libvirt":
        privacy.ensure(config)
        from workers.drivers import nft
        from workers.drivers.filter.nftables import NftFirewall

        if tables := nft.unreadable():
            raise RuntimeError(
                f"nft of this release cannot read {', '.join(tables)}: what has made them is "
                "newer; `nft delete table` removes one"
            )
        NftFirewall(config).ensure_base()


def tend(config: HostConfig) -> None:
    """What has to be looked after between jobs: a dead dnsmasq is started again, and the way out
    follows the host's own routes."""
    if config.driver == "libvirt":
        from workers.drivers.network import dnsmasq
        from workers.drivers.router import way_out

        way_out.follow(config)
        dnsmasq.restart_dead(config)


def guard(config: HostConfig, changed: Callable[[], None]) -> None:
    """From now on what somebody else takes from our tables in the kernel is put back at once, and
    `changed` is called."""
    if config.driver != "libvirt":
        return
    from workers.drivers.filter import sentry

    def restore() -> None:
        if mend(config):
            changed()

    restore()
    sentry.Sentry(restore)


def mend(config: HostConfig) -> bool:
    """The filter and the way out are in the kernel, as they were applied last. Returns whether
    anything had to be put back."""
    from workers.drivers import mending
    from workers.drivers.filter.nftables import NftFirewall
    from workers.drivers.router import way_out

    taken = NftFirewall(config).restore()
    way_out.follow(config)
    if taken:
        mending.note(config, "the filter between guests")
    return taken


def tidy(config: HostConfig) -> None:
    """What has to be forgotten now and then: locks of what no job has wanted for a day."""
    FileLocks(config.state_directory / "locks").prune()


def watch(config: HostConfig, changed: Callable[[], None]) -> None:
    """`changed` is called whenever something happens to a guest, from threads of its own; and
    guests that stood still for want of space go on when there is some."""
    if config.driver == "libvirt":
        from workers.drivers.libvirt import events, standstill

        events.watch(
            config.libvirt_uri,
            changed,
            lambda connection: standstill.let_go_on(connection, config),
        )


def open_screen(config: HostConfig, instance_id: str) -> socket.socket:
    """A stream of the guest's screen and keys (RFB, RFC 6143). Raises OSError when it has none
    at this moment, because it is off, say."""
    if config.driver == "fake":
        from workers.drivers.fake import FakeHost, screen

        return screen.open_screen(FakeHost(config.state_directory), instance_id)
    # the folder is QEMU's: a guest that broke out of it must not send us to another socket
    socket_ = names.vnc_socket(config.runtime_directory, instance_id)
    return rights.connect(socket_, seconds=SCREEN_SECONDS)


def _drivers(config: HostConfig) -> HostDrivers:
    if config.driver == "fake":
        from workers.drivers.fake import FakeHost, drivers_of

        return drivers_of(FakeHost(config.state_directory))
    if config.driver != "libvirt":
        raise ValueError(f"there is no driver {config.driver!r}: choose libvirt or fake")
    return _real(config)


def _real(config: HostConfig) -> HostDrivers:
    """Imported here: a fake host runs where no libvirt can be installed."""
    from workers.drivers.disks.files import FileDisks
    from workers.drivers.filter.nftables import NftFirewall
    from workers.drivers.images.cache import ImageCache
    from workers.drivers.images.fetches import StoreFetches
    from workers.drivers.libvirt.guests import LibvirtHypervisor
    from workers.drivers.network.netlink import NetlinkNetwork

    disks = FileDisks(config)
    return HostDrivers(
        locks=FileLocks(config.state_directory / "locks"),
        sequence=FileSequence(config.state_directory / "sequence", kernel_boot_id()),
        images=ImageCache(config),
        fetches=StoreFetches(config),
        disks=disks,
        hypervisor=LibvirtHypervisor(config, disks),
        network=NetlinkNetwork(config),
        firewall=NftFirewall(config),
    )
