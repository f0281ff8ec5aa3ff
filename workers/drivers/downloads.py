"""Published images in the image store, a folder that this host shares with the portal.

    <sha256>          a file, whole or not there at all, owned like the store
    <image id>.note   which file was fetched for an image, until the portal removes it
    lock              held while a file is put there or removed: everybody's turn

`portal.services.images.store` keeps the other end of these rules. The note is there before its
file is, so that nobody removes a file that an image is about to be given. A file that has not
come whole has no name (O_TMPFILE, open(2)), so that a pulled plug leaves nothing behind.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from workers import specs
from workers.config import HostConfig
from workers.drivers import Progress, qemu_img, records
from workers.drivers.publisher import DIGESTS, Publisher
from workers.errors import Permanent
from workers.specs import Download, DownloadSpec

RESERVE_BYTES = 2**29  # of the file system, which may hold the portal's database too
LOOK_EVERY_BYTES = 2**26
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FULL = "the image store is full"
WAY_OUT = "Delete an image that nobody needs."
MIB, GIB = 2**20, 2**30

# QEMU's docs/interop/qcow2.rst: magic, version, backing file, its length, clusters, size,
# encryption; then, in version 3, the features that a reader must know
HEADER = struct.Struct(">4sIQIIQI")
FEATURES_AT, DATA_FILE = 72, 1 << 2


class Downloads:
    """The host's end of the image store; see `drivers.Storage`."""

    def __init__(self, config: HostConfig):
        self._store, self._host = config.image_store, config.name

    def ensure(self, spec: DownloadSpec, progress: Progress) -> None:
        if self.observe(spec.id):
            return
        if not (self._store and self._store.is_dir()):
            raise Permanent(f"host {self._host} holds no image store, so it can fetch nothing")
        publisher = Publisher(self._host)
        listed = publisher.sum(spec.sums_url, spec.file)
        with self._explained(), self._unfinished() as file:
            chunks = publisher.content(spec.url, self._watched(spec, progress))
            sha256, size = _write(file, chunks, spec, listed)
            found = Download(
                id=spec.id,
                sha256=sha256,
                format="qcow2",
                size_bytes=size,
                virtual_size_bytes=_virtual_size(file, spec),
            )
            with self._turn():
                progress(size, size)  # the last moment to leave
                self._keep(file, found)

    def remove(self, image_id: str) -> None:
        if self._store and self._store.is_dir():
            with self._turn():
                records.remove(self._note(image_id))

    def observe(self, image_id: str) -> Download | None:
        note = self._store and records.read(self._note(image_id))
        if not note:
            return None
        found = specs.load(Download, note)
        return found if (self._store / found.sha256).exists() else None

    def _note(self, image_id: str) -> Path:
        if str(uuid.UUID(image_id)) != image_id:
            raise Permanent(f"{image_id!r} is no image's id")
        return self._store / f"{image_id}.note"

    def _watched(self, spec: DownloadSpec, progress: Progress) -> Progress:
        """Stops a download that is too large, or that there is no room for."""
        look_at = 0

        def watch(done: int, total: int) -> None:
            nonlocal look_at
            if max(done, total) > spec.most_bytes:
                raise Permanent(
                    f"{spec.file} is larger than the {spec.most_bytes // GIB} GiB that are taken"
                )
            if done >= look_at:
                self._check_room(max(0, total - done))
                look_at = done + LOOK_EVERY_BYTES
            progress(done, total)

        return watch

    def _check_room(self, more_bytes: int) -> None:
        free = shutil.disk_usage(self._store).free - RESERVE_BYTES
        if free < more_bytes or free < 0:
            raise Permanent(
                f"{FULL}: {max(0, free) // MIB} MiB are left, and {-(-more_bytes // MIB)} MiB more "
                f"are needed. {WAY_OUT}"
            )

    @contextlib.contextmanager
    def _unfinished(self) -> Iterator[BinaryIO]:
        """A file of the store without a name."""
        descriptor = os.open(self._store, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            yield file

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Nobody else, in any process, puts a file into the store or removes one."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._store / "lock", flags, 0o600)
        try:
            self._give(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _keep(self, file: BinaryIO, found: Download) -> None:
        """The store holds the file, and a note of it. Call it in a turn."""
        note = self._note(found.id)
        records.write(note, specs.dump(found))
        self._give(note)
        os.fchmod(file.fileno(), 0o444)
        self._give(file.fileno())
        os.fsync(file.fileno())
        folder = os.open(self._store, os.O_DIRECTORY)
        try:
            # a folder makes this linkat(2), which follows /proc's link to the nameless file
            with contextlib.suppress(FileExistsError):  # stored once by content
                os.link(f"/proc/self/fd/{file.fileno()}", found.sha256, dst_dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)

    def _give(self, thing: int | Path) -> None:
        """It belongs to whoever the store belongs to, which is the portal."""
        owner, there = os.stat(self._store), os.stat(thing)
        if (there.st_uid, there.st_gid) != (owner.st_uid, owner.st_gid):
            os.chown(thing, owner.st_uid, owner.st_gid)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in NO_SPACE:
                raise Permanent(f"{FULL}. {WAY_OUT}") from None
            raise


def _write(
    file: BinaryIO, chunks: Iterator[bytes], spec: DownloadSpec, listed: str
) -> tuple[str, int]:
    """The SHA-256 and the size of what came. Raises Permanent unless its sum is the listed one."""
    agreed, ours, size = DIGESTS[len(listed)](), hashlib.sha256(), 0
    for chunk in chunks:
        agreed.update(chunk)
        ours.update(chunk)
        file.write(chunk)
        size += len(chunk)
    if agreed.hexdigest() != listed:
        raise Permanent(
            f"what came for {spec.file} is not what {spec.sums_url} names, so it was thrown away. "
            "Its publisher may be putting a new one there: try again later."
        )
    file.flush()
    return ours.hexdigest(), size


def _virtual_size(file: BinaryIO, spec: DownloadSpec) -> int:
    """Bytes of the disk in a qcow2 file that is whole in itself. Raises Permanent for any other:
    before QEMU sees it, since it would open what such a file names."""
    file.seek(0)
    head = file.read(FEATURES_AT + 8).ljust(FEATURES_AT + 8, b"\0")
    magic, version, backing, backing_size, _, _, encryption = HEADER.unpack_from(head)
    if magic != b"QFI\xfb" or version not in (2, 3):
        raise Permanent(f"{spec.file} is no qcow2 disk")
    if backing or backing_size:
        raise Permanent(f"{spec.file} is only the changes to a backing file")
    features = struct.unpack_from(">Q", head, FEATURES_AT)[0] if version == 3 else 0
    if features & DATA_FILE:
        raise Permanent(f"the data of {spec.file} is in another file")
    if encryption:
        raise Permanent(f"{spec.file} is encrypted")
    path = f"/proc/self/fd/{file.fileno()}"
    try:
        seen = qemu_img.run(
            "info", "--output=json", "-f", "qcow2", "--", path, descriptors=[file.fileno()]
        )
    except OSError as error:
        raise Permanent(f"{spec.file} is damaged: {error}") from error
    size = json.loads(seen)["virtual-size"]
    if not 0 < size <= spec.most_virtual_bytes:
        raise Permanent(
            f"the disk in {spec.file} has {size / GIB:.0f} GiB; "
            f"{spec.most_virtual_bytes // GIB} GiB is the largest that is taken"
        )
    return size
