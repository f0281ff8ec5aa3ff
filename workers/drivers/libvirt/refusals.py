"""What libvirt says against something, and what that means to a job."""

import contextlib
from collections.abc import Iterator

import libvirt

from workers.drivers.disks.writing import FULL
from workers.errors import Permanent
from workers.specs import InstanceSpec

IMPOSSIBLE = {
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_XML_ERROR,
    libvirt.VIR_ERR_XML_DETAIL,
}


@contextlib.contextmanager
def content_when(*codes: int) -> Iterator[None]:
    """An error with one of these codes (virErrorNumber) is none."""
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() not in codes:
            raise


@contextlib.contextmanager
def explained(spec: InstanceSpec) -> Iterator[None]:
    """What libvirt says and no second try can change becomes `Permanent`."""
    try:
        yield
    except libvirt.libvirtError as error:
        said = error.get_error_message() or str(error)
        if "No space left on device" in said:
            raise Permanent(FULL) from error
        if "Cannot allocate memory" in said:
            raise Permanent(
                f"the host has not {spec.memory_mib} MiB of memory free for {spec.name}"
            ) from error
        if "tcg_region_init" in said:  # QEMU 8 and later, where 7 had a sentence of its own
            raise Permanent(
                f"the host cannot run {spec.name}: QEMU does not emulate {spec.vcpus} vCPUs"
            ) from error
        if error.get_error_code() in IMPOSSIBLE:
            raise Permanent(f"the host cannot run {spec.name}: {said}") from error
        raise
