"""A host as a whole."""

import dataclasses

from workers.drivers import HostDrivers
from workers.specs import Observation, ObserveSpec


def observe(host: HostDrivers, spec: ObserveSpec) -> Observation:
    """Everything this host holds, in one answer; what is not named is not there."""
    sequence = host.sequence.take()
    facts = host.hypervisor.observe_host()
    strangers = facts.strangers + host.network.observe_leftovers()
    return Observation(
        boot_id=host.sequence.boot_id,
        sequence=sequence,
        guests=host.hypervisor.observe_guests(),
        held=host.network.observe_networks() + host.firewall.observe_firewall(),
        images=host.storage.observe_images(),
        everything=True,
        host=dataclasses.replace(facts, strangers=strangers, console_address=host.console_address),
    )
