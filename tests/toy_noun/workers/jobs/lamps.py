"""Lamps: lit as they are wanted, or made gone."""

from workers.drivers import HostDrivers
from workers.specs import LampSpec, Observation


def apply(host: HostDrivers, spec: LampSpec) -> Observation:
    """The lamp is lit in its colour."""
    with host.locks.hold(spec.id, spec.generation) as lock:
        if lock.newest:
            host.lamps.ensure_lamp(spec)
        return _observe(host, spec.id)


def remove(host: HostDrivers, spec: LampSpec) -> Observation:
    """Nothing of the lamp is left here, and no spec from before brings it back."""
    with host.locks.hold(spec.id, spec.generation, gone=True) as lock:
        if lock.newest:
            host.lamps.remove_lamp(spec.id)
        return _observe(host, spec.id)


def _observe(host: HostDrivers, lamp_id: str) -> Observation:
    sequence = host.sequence.take()
    lit = tuple(each for each in host.lamps.observe_lamps() if each[0] == lamp_id)
    return Observation(
        boot_id=host.sequence.boot_id,
        sequence=sequence,
        lamps=lit,
        absent=() if lit else (lamp_id,),
    )
