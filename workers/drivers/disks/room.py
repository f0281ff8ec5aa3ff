"""How full the file systems are that a host keeps things in, and who stands still for it."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from workers.config import HostConfig
from workers.drivers.disks import backing
from workers.specs import FileSystem

MIB = 1 << 20


def file_systems(config: HostConfig) -> tuple[FileSystem, ...]:
    """Where this host keeps things, each file system once."""
    held: dict[Path, list[str]] = {}
    for folder, what in _folders(config):
        with contextlib.suppress(FileNotFoundError):
            held.setdefault(_mount(folder), []).append(what)
    return tuple(_file_system(mount, ", ".join(what)) for mount, what in held.items())


def enough_again(config: HostConfig, instance_id: str) -> bool:
    """Whether a guest that stood still for want of space has enough to go on by itself."""
    with contextlib.suppress(FileNotFoundError):
        return _free_mib(os.statvfs(backing.folder(config) / instance_id)) >= config.resume_free_mib
    return False


def shortages(config: HostConfig, starved: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What has no space left or soon will not, and what can be done. `starved` are the ids of the
    guests that stand still for it."""
    stand_still: dict[Path, list[Path]] = {}
    for instance_id in starved:
        folder = backing.folder(config) / instance_id
        with contextlib.suppress(FileNotFoundError):
            stand_still.setdefault(_mount(folder), []).append(folder)
    for mount, folders in stand_still.items():
        one = len(folders) == 1
        who = f"the guest in {folders[0]} stands" if one else f"{len(folders)} guests stand"
        yield (
            f"{who} still, because {mount} has no space left",
            f"Make room there: {'it goes on by itself' if one else 'they go on by themselves'} "
            f"once {config.resume_free_mib} MiB are free",
        )
    for each in file_systems(config):
        if Path(each.path) not in stand_still and each.free_mib < config.resume_free_mib:
            yield (
                f"{each.path} is nearly full, {each.free_mib} of its {each.mib} MiB are free: it "
                f"holds {each.holds}",
                "Make room there, or what is written next fails and guests stand still",
            )


def _folders(config: HostConfig) -> Iterator[tuple[Path, str]]:
    yield backing.folder(config), "disks of guests"
    yield config.state_directory / "cache", "images for guests"
    yield config.state_directory, "notes"
    if config.image_store:
        yield config.image_store, "the image store"
    yield config.runtime_directory, "sockets"


def _mount(folder: Path) -> Path:
    """Where the file system is mounted that this folder is on. Raises FileNotFoundError."""
    place, device = folder.resolve(), os.stat(folder).st_dev
    while place != place.parent and os.stat(place.parent).st_dev == device:
        place = place.parent
    return place


def _file_system(mount: Path, holds: str) -> FileSystem:
    seen = os.statvfs(mount)
    return FileSystem(
        path=str(mount),
        holds=holds,
        mib=seen.f_blocks * seen.f_frsize // MIB,
        free_mib=_free_mib(seen),
    )


def _free_mib(seen: os.statvfs_result) -> int:
    """For QEMU, which is not root. Without a free inode nothing new can be made either."""
    if seen.f_files and not seen.f_favail:
        return 0
    return seen.f_bavail * seen.f_frsize // MIB
