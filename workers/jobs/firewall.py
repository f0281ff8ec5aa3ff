"""The filter of a host: one table for all its guests."""

from workers.drivers import HostDrivers
from workers.specs import FirewallSpec, Observation


def apply(host: HostDrivers, spec: FirewallSpec) -> Observation:
    """This host filters by this table, unless it has a newer one."""
    with host.locks.hold(f"firewall-{spec.id}", spec.generation) as lock:
        if lock.newest:
            host.firewall.ensure_firewall(spec)
        sequence = host.sequence.take()
        return Observation(
            boot_id=host.sequence.boot_id,
            sequence=sequence,
            held=host.firewall.observe_firewall(),
        )
