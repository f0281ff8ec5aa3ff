"""Disks of guests as files in the state directory of a host.

instances/<id>/root.qcow2    what the guest has written since, on top of its image if it has one
instances/<id>/<disk>.qcow2  what it has written to another disk, by the id of that
instances/<id>/seed.iso      its config disk
instances/<id>/boot.log      what it wrote to its serial port; see `libvirt.boot_log`
"""

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.config import HostConfig
from workers.drivers import privacy
from workers.drivers.disks import backing, qemu_img, room, seed, writing
from workers.drivers.images import cache
from workers.errors import Permanent
from workers.specs import ROOT, DiskSpec, InstanceSpec

GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class GuestFiles:
    """What a guest's definition names on the disks of its host."""

    disks: Mapping[str, Path]  # qcow2, by the id of the disk
    image: Path | None  # what the root disk is an overlay of; None: of nothing
    seed: Path  # ISO 9660
    boot_log: Path


class FileDisks:
    """See `drivers.Disks`."""

    def __init__(self, config: HostConfig):
        self._config, self._instances = config, backing.folder(config)
        for directory in (config.state_directory, self._instances):
            privacy.ensure_passage(config, directory)

    def files(self, spec: InstanceSpec) -> GuestFiles:
        """Where the disks of this guest are, whether they exist or not."""
        image = spec.root.image
        return GuestFiles(
            disks={disk.id: self._path(spec.id, disk) for disk in spec.disks},
            image=cache.path(self._config, image) if image else None,
            seed=self._folder(spec.id) / "seed.iso",
            boot_log=self.boot_log(spec.id),
        )

    def boot_log(self, instance_id: str) -> Path:
        """Where virtlogd writes what the guest writes to its serial port."""
        return self._folder(instance_id) / "boot.log"

    def ensure_disk(self, instance_id: str, disk: DiskSpec) -> None:
        path = self._path(instance_id, disk)
        unfinished = path.with_suffix(".new")
        size, below = disk.gib * GIB, ()
        if image := disk.image:
            size = max(size, image.virtual_size_bytes)
            below = "-F", image.format, "-b", str(cache.path(self._config, image))
        with writing.explained(), self._alone(instance_id), writing.removed_on_error(unfinished):
            if path.exists():
                return
            unfinished.unlink(missing_ok=True)
            qemu_img.run("create", "-q", "-f", "qcow2", *below, "--", str(unfinished), str(size))
            writing.replace(unfinished, path)

    def ensure_seed(self, spec: InstanceSpec) -> None:
        volume = self.files(spec).seed
        unfinished = volume.with_suffix(".new")
        with writing.explained(), self._alone(spec.id), writing.removed_on_error(unfinished):
            with contextlib.suppress(FileNotFoundError):
                if seed.read_digest(volume.read_bytes()) == seed.digest(spec):
                    return
            unfinished.write_bytes(seed.config_disk(spec))
            writing.replace(unfinished, volume)

    def remove_disks(self, instance_id: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._folder(instance_id))

    def observe_disks(self) -> tuple[str, ...]:
        return tuple(sorted(each for each in os.listdir(self._instances) if _is_uuid(each)))

    def observe_capacity(self) -> tuple[int, int]:
        system = os.statvfs(self._instances)
        return (
            system.f_blocks * system.f_frsize // GIB,
            system.f_bavail * system.f_frsize // GIB,
        )

    def observe_shortages(self, starved: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        return tuple(room.shortages(self._config, starved))

    def _path(self, instance_id: str, disk: DiskSpec) -> Path:
        if disk.kind == ROOT:
            return self._folder(instance_id) / "root.qcow2"
        if not _is_uuid(disk.id):
            raise Permanent(f"{disk.id!r} is no disk's id")
        return self._folder(instance_id) / f"{disk.id}.qcow2"

    def _folder(self, instance_id: str) -> Path:
        if not _is_uuid(instance_id):
            raise Permanent(f"{instance_id!r} is no instance's id")
        return self._instances / instance_id

    @contextlib.contextmanager
    def _alone(self, instance_id: str) -> Iterator[None]:
        """The folder of the guest exists, and one process at a time makes something in it."""
        folder = self._folder(instance_id)
        privacy.ensure_passage(self._config, folder)
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
