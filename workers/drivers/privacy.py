"""Who reads what a host keeps of its guests: root, and QEMU's own user as far as it must.

Disks, config disks, boot logs, images and notes lie in folders through which only that user passes,
by a group in which nobody else is. A disk is its own while the guest runs (libvirt sees to that),
root's otherwise, and an image is the group's to read. The files themselves are closed to all
others as well, so that whoever holds a folder open from before gets nothing either.
"""

import contextlib
import grp
import os
import stat
from pathlib import Path

from workers.config import HostConfig

PASSAGE, DISK, IMAGE, NOTES = 0o710, 0o600, 0o440, 0o700
SHARED_FOLDERS = {"instances", "cache"}  # of the state directory: QEMU has to reach what is in them


def group_id(config: HostConfig) -> int:
    """The group of QEMU's own user; -1, which changes nothing, where there is none or we are not
    root: then only we ourselves can run guests."""
    try:
        return grp.getgrnam(config.guest_group).gr_gid if os.geteuid() == 0 else -1
    except KeyError:
        return -1


def ensure_passage(config: HostConfig, folder: Path) -> None:
    """The folder is there, and QEMU's own user gets through it to what it knows by name."""
    folder.mkdir(mode=NOTES, parents=True, exist_ok=True)
    _set(folder, PASSAGE, group_id(config))


def ensure(config: HostConfig) -> None:
    """All that is in the state directory is as private as if it were made today. Raises
    RuntimeError on a host whose QEMU could reach nothing."""
    if os.geteuid() == 0 and group_id(config) < 0:
        raise RuntimeError(
            f"there is no group {config.guest_group}: set guest_group to one that QEMU's own "
            "user is in, and nobody else"
        )
    ensure_passage(config, config.state_directory)
    for name in SHARED_FOLDERS:
        ensure_passage(config, config.state_directory / name)
    for entry in _entries(config.state_directory):
        if entry.is_dir(follow_symlinks=False) and entry.name not in SHARED_FOLDERS:
            close(Path(entry))
        elif entry.is_file(follow_symlinks=False):
            _set(Path(entry), DISK, -1)
    for guest in _entries(config.state_directory / "instances"):
        ensure_passage(config, Path(guest))
        for file in _entries(Path(guest)):
            _set(Path(file), DISK, -1)
    for image in _entries(config.state_directory / "cache"):
        if image.stat(follow_symlinks=False).st_nlink == 1:  # else the portal reads it as well
            _set(Path(image), IMAGE, group_id(config))


def close(folder: Path) -> None:
    """The folder and the files in it are nobody else's."""
    folder.mkdir(mode=NOTES, parents=True, exist_ok=True)
    _set(folder, NOTES, -1)
    for entry in _entries(folder):
        if entry.is_file(follow_symlinks=False):
            _set(Path(entry), DISK, -1)


def _entries(folder: Path) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return list(entries)


def _set(path: Path, mode: int, group: int) -> None:
    """Mode and group are these; what is so already is not written. Something may go meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        there = path.stat(follow_symlinks=False)
        if group >= 0 and there.st_gid != group:
            os.chown(path, -1, group, follow_symlinks=False)
        if stat.S_IMODE(there.st_mode) != mode and not stat.S_ISLNK(there.st_mode):
            path.chmod(mode)
