"""Networks as a host holds them: bridge, DHCP, DNS, way out."""

from workers.drivers import HostDrivers
from workers.specs import NetworkSpec, Observation


def apply(host: HostDrivers, spec: NetworkSpec) -> Observation:
    """This host serves the network by this table, unless it has a newer one."""
    with host.locks.hold(spec.id, spec.generation) as lock:
        if lock.newest:
            host.network.ensure_network(spec)
        return _observe(host, spec.id)


def remove(host: HostDrivers, spec: NetworkSpec) -> Observation:
    """Nothing of the network is left on this host, and no table from before brings it back. A
    newer one does."""
    with host.locks.hold(spec.id, spec.generation, gone=True) as lock:
        if lock.newest:
            host.network.remove_network(spec.id)
        return _observe(host, spec.id)


def _observe(host: HostDrivers, network_id: str) -> Observation:
    sequence = host.sequence.take()
    held = host.network.observe_network(network_id)
    return Observation(
        boot_id=host.sequence.boot_id,
        sequence=sequence,
        held=held,
        absent=() if held else (network_id,),
    )
