"""`python -m workers.purge --config FILE`: nothing of Portico is left on this host but its
packages. What `scripts/down --purge` calls; no job does this."""

import argparse
from pathlib import Path

from workers import claim
from workers import config as host_config
from workers.config import HostConfig
from workers.drivers.network import records
from workers.drivers.router.way_out import WayOut
from workers.host import open_host


def purge(config: HostConfig) -> None:
    """Every guest of ours is gone with its disks, every network, and the filter. Needs libvirtd:
    raises libvirt.libvirtError without it, before anything is removed. On a machine that another
    installation has, nothing is removed."""
    if claim.another(config):
        return
    host = open_host(config)
    for guest in host.hypervisor.observe_guests():
        host.hypervisor.remove_domain(guest.id)
    for instance_id in host.disks.observe_disks():
        host.disks.remove_disks(instance_id)
    for network_id in records.ids(config):
        host.network.remove_network(network_id)
    WayOut(config).remove()
    host.firewall.remove()
    claim.give_up(config)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers.purge", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the host's INI file")
    purge(host_config.read(parser.parse_args().config))


if __name__ == "__main__":
    main()
