"""What belongs to nothing on a host: removed by name, when the operator has said so."""

import contextlib
import re
from contextlib import AbstractContextManager

from workers.drivers import HostDrivers
from workers.jobs import hosts
from workers.specs import Observation, OrphansSpec

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def remove(host: HostDrivers, spec: OrphansSpec) -> Observation:
    """Of what the spec names nothing is here that bears our marks and belongs to nothing.

    Each has its turn, whatever became of the one before it; what was raised last is raised when
    all have had theirs.
    """
    with host.locks.hold(f"orphans-{spec.id}", spec.generation), contextlib.ExitStack() as turns:
        for stranger in reversed(spec.strangers):
            turns.callback(_remove, host, stranger, spec.generation)
    return hosts.observe(host, spec)


def _remove(host: HostDrivers, stranger: str, generation: int) -> None:
    kind, _, name = stranger.partition(" ")
    with _alone(host, name, generation):
        match kind:
            case "guest":
                if host.hypervisor.observe_guest(name):  # it bears our mark
                    host.hypervisor.remove_domain(name)
                _remove_disks(host, name)
            case "disks":
                _remove_disks(host, name)
            case "network":
                host.network.remove_network(name)
            case _:
                host.network.remove_leftover(stranger)
    host.say(f"Done with {stranger}.")


def _remove_disks(host: HostDrivers, instance_id: str) -> None:
    """The disks are gone, unless a guest has them, be it a foreign one."""
    if f"disks {instance_id}" in host.hypervisor.observe_host().strangers:
        host.storage.remove_instance(instance_id)


def _alone(host: HostDrivers, name: str, generation: int) -> AbstractContextManager:
    """The lock of the instance or network that a name speaks of, which no late spec brings back;
    what speaks of none needs no other lock than this job's own."""
    thing = ID.search(name)
    if not thing:
        return contextlib.nullcontext()
    return host.locks.hold(thing[0], generation, gone=True)
