"""What belongs to nothing on a host: removed by name, when the operator has said so."""

import contextlib
import re
from contextlib import AbstractContextManager

from workers.drivers import HostDrivers
from workers.jobs import hosts
from workers.specs import Observation, Stranger, StrangersSpec

FOR_EVER = 2**62  # later than every generation: no row wants it, so none will come
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def remove(host: HostDrivers, spec: StrangersSpec) -> Observation:
    """Of what the spec names nothing is here that bears our marks and belongs to nothing.

    Each has its turn, whatever became of the one before it; what was raised last is raised when
    all have had theirs.
    """
    with host.locks.hold(f"strangers-{spec.id}", spec.generation), contextlib.ExitStack() as turns:
        for stranger in reversed(spec.strangers):
            turns.callback(_remove, host, stranger)
    return hosts.observe(host, spec)


def _remove(host: HostDrivers, stranger: Stranger) -> None:
    with _alone(host, stranger):
        match stranger.kind:
            case "guest":
                if host.hypervisor.observe_guest(stranger.name):  # it bears our mark
                    host.hypervisor.remove_domain(stranger.name)
                _remove_disks(host, stranger.name)
            case "disks":
                _remove_disks(host, stranger.name)
            case "network":
                host.network.remove_network(stranger.name)
            case _:
                host.network.remove_stranger(stranger)
    host.say(f"Done with {stranger}.")


def _remove_disks(host: HostDrivers, instance_id: str) -> None:
    """The disks are gone, unless a guest has them, be it a foreign one."""
    strangers = host.hypervisor.observe_host().strangers
    if any((each.kind, each.name) == ("disks", instance_id) for each in strangers):
        host.disks.remove_disks(instance_id)


def _alone(host: HostDrivers, stranger: Stranger) -> AbstractContextManager:
    """The lock of the instance or network that it belonged to, which no spec brings
    back; what belonged to none needs no other lock than this job's own."""
    if not ID.fullmatch(stranger.owner):
        return contextlib.nullcontext()
    return host.locks.hold(stranger.owner, FOR_EVER, gone=True)
