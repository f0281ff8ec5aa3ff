"""Guests: made as an instance is wanted, or made gone."""

import dataclasses

from workers.drivers import HostDrivers
from workers.errors import Permanent
from workers.specs import BootLog, BootLogSpec, InstanceSpec, Observation


def apply(host: HostDrivers, spec: InstanceSpec) -> Observation:
    """Make this host agree with `spec`, whatever it holds now.

    Run twice, it changes nothing the second time; killed half-way, it finishes the next time.
    It has no other way of being undone than another `apply`. An older spec changes nothing and
    learns what is there. So does one whose image is not in the cache: to copy it takes minutes, and
    is a job of its own. Raises `Permanent` for what no host can make.
    """
    with host.locks.hold(spec.id, spec.generation) as lock:
        if lock.newest:
            if wrong := spec.impossible():
                raise Permanent(f"{spec.name} cannot be made: {wrong}")
            image = spec.root.image
            if image and not host.images.use_image(image):
                host.say("The image is not in the cache of this host.")
                return dataclasses.replace(observe(host, spec.id), images_absent=(image.sha256,))
            if image:
                host.say("The image is there.")
            for disk in spec.disks:
                lock.check()
                host.disks.ensure_disk(spec.id, disk)
                host.say(f"The {disk.kind} disk is there, {disk.gib} GiB.")
            lock.check()
            host.disks.ensure_seed(spec)
            host.say("The config disk is there.")
            lock.check()
            host.network.ensure_ports(spec)
            host.say("The ports are there.")
            lock.check()
            host.hypervisor.ensure_devices(spec)
            lock.check()
            host.hypervisor.ensure_domain(spec)
            host.say("The guest is defined.")
            lock.check()
            host.hypervisor.ensure_power(spec)
            host.say(f"The guest is {spec.power}.")
        return observe(host, spec.id)


def remove(host: HostDrivers, spec: InstanceSpec) -> Observation:
    """Nothing of this guest is left here, and no spec from before brings it back."""
    with host.locks.hold(spec.id, spec.generation, gone=True) as lock:
        if lock.newest:
            host.hypervisor.remove_domain(spec.id)
            host.network.remove_ports(spec)
            host.say("The guest is gone.")
            host.disks.remove_disks(spec.id)
            host.say("Its disks are gone.")
        return observe(host, spec.id)


def observe_log(host: HostDrivers, spec: BootLogSpec) -> Observation:
    """What the guest wrote to its serial port, also when it is off. Takes no lock: a guest that
    is being changed may be asked."""
    return Observation(
        boot_id=host.sequence.boot_id,
        sequence=host.sequence.take(),
        boot_log=BootLog(id=spec.id, text=host.hypervisor.observe_boot_log(spec.id)),
    )


def observe(host: HostDrivers, instance_id: str) -> Observation:
    """What is here of one guest."""
    sequence = host.sequence.take()
    guest = host.hypervisor.observe_guest(instance_id)
    return Observation(
        boot_id=host.sequence.boot_id,
        sequence=sequence,
        guests=(guest,) if guest else (),
        absent=() if guest else (instance_id,),
    )
