"""Images in the host's cache. Fetching holds the lock of the image, not of an instance."""

from workers.drivers import HostDrivers
from workers.specs import ImageSpec, Observation


def apply(host: HostDrivers, spec: ImageSpec) -> Observation:
    """The cache holds the image. What is there already is not copied again."""
    with host.locks.hold(spec.sha256, spec.generation) as lock:
        host.images.ensure_image(spec, lambda done, total: lock.check())
        host.say(f"The image is in the cache, {spec.size_bytes / 2**20:.0f} MiB.")
        return Observation(
            boot_id=host.sequence.boot_id,
            sequence=host.sequence.take(),
            images=(spec.sha256,),
        )
