"""A host as a whole."""

import dataclasses

from workers.drivers import HostDrivers
from workers.specs import NO_SPACE, Observation, Spec, Stranger


def observe(host: HostDrivers, spec: Spec) -> Observation:
    """Everything this host holds, in one answer; what is not named is not there."""
    sequence = host.sequence.take()
    facts = host.hypervisor.observe_host()
    networks = host.network.observe_networks()
    held = {network.id for network in networks}
    guests = host.hypervisor.observe_guests()
    starved = tuple(each.id for each in guests if each.reason == NO_SPACE)
    strangers = (
        *facts.strangers,
        *host.network.observe_strangers(),
        *(
            Stranger(kind="network", name=each, owner=each)
            for each in host.network.observe_remembered()
            if each not in held
        ),
    )
    return Observation(
        boot_id=host.sequence.boot_id,
        sequence=sequence,
        guests=guests,
        held=networks + host.firewall.observe_firewall(),
        images=host.images.observe_images(),
        everything=True,
        host=dataclasses.replace(
            facts,
            strangers=strangers,
            obstacles=host.disks.observe_shortages(starved)
            + host.network.observe_obstacles()
            + host.firewall.observe_crowds(),
            console_address=host.console_address,
        ),
    )
