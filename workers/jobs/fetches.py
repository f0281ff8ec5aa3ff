"""Published images on their way into the image store that this host shares with the portal."""

import time

from workers.drivers import HostDrivers, Lock, Progress
from workers.specs import FetchSpec, Observation

SAID_EVERY_SECONDS = 10
MIB = 2**20


def apply(host: HostDrivers, spec: FetchSpec) -> Observation:
    """The image store holds what was published. What is there already is not fetched again."""
    with host.locks.hold(spec.id, spec.generation) as lock:
        if lock.newest:
            host.fetches.ensure_fetch(spec, _progress(host, lock))
        return _observe(host, spec.id)


def remove(host: HostDrivers, spec: FetchSpec) -> Observation:
    """This image is not being fetched here, and no spec that comes late begins anew."""
    with host.locks.hold(spec.id, spec.generation, gone=True) as lock:
        if lock.newest:
            host.fetches.remove_fetch(spec.id)
        return _observe(host, spec.id)


def _progress(host: HostDrivers, lock: Lock) -> Progress:
    """Leaves when something newer arrives, and says now and then how far it is."""
    said = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal said
        lock.check()
        if time.monotonic() - said >= SAID_EVERY_SECONDS or done == total:
            said = time.monotonic()
            of_all = f" of {total / MIB:.0f}" if total else ""
            host.say(f"{done / MIB:.0f}{of_all} MiB are here.")

    return progress


def _observe(host: HostDrivers, image_id: str) -> Observation:
    sequence = host.sequence.take()
    found = host.fetches.observe_fetch(image_id)
    return Observation(
        boot_id=host.sequence.boot_id,
        sequence=sequence,
        fetches=(found,) if found else (),
    )
