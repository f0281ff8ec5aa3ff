"""Published images in the image store, a folder that this host shares with the portal.

    <sha256>          a file, whole or not there at all
    <image id>.note   which file was fetched for an image, until the portal removes it
    lock              held while a file is put there or removed: everybody's turn

`portal.services.images.store` keeps the other end of these rules. The note is there before its
file is, so that nobody removes a file that an image is about to be given. A file that has not
come whole has no name (O_TMPFILE, open(2)), so that a pulled plug leaves nothing behind. All of it
belongs to the store's owner, as whom a host works there; see `store`.
"""

import contextlib
import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from workers import foreign, qcow2, specs
from workers.config import HostConfig
from workers.drivers import Progress
from workers.drivers.disks import qemu_img
from workers.drivers.images import store
from workers.drivers.images.publisher import DIGESTS, Publisher
from workers.drivers.images.store import Store
from workers.drivers.rights import Owner
from workers.errors import Permanent
from workers.specs import Fetched, FetchSpec

RESERVE_BYTES = 2**29  # of the file system, which may hold the portal's database too
LOOK_EVERY_BYTES = 2**26
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FULL = "the image store is full"
WAY_OUT = "Delete an image that nobody needs."
MIB, GIB = 2**20, 2**30


class StoreFetches:
    """The host's end of the image store; see `drivers.Fetches`."""

    def __init__(self, config: HostConfig, *, publisher: Publisher | None = None):
        self._folder, self._host = config.image_store, config.name
        self._publisher = publisher or Publisher(config.name)

    def ensure_fetch(self, spec: FetchSpec, progress: Progress) -> None:
        if self.observe_fetch(spec.id):
            return
        if not self._there:
            raise Permanent(f"host {self._host} holds no image store, so it can fetch nothing")
        listed = self._publisher.sum(spec.sums_url, spec.file, lambda *_: progress(0, 0))
        with _explained(), store.opened(self._folder) as ours, ours.unfinished() as file:
            chunks = self._publisher.content(spec.url, _watched(ours, spec, progress))
            sha256, size = _write(file, chunks, spec, listed)
            found = Fetched(
                id=spec.id,
                sha256=sha256,
                format="qcow2",
                size_bytes=size,
                virtual_size_bytes=_virtual_size(file, spec, ours.owner),
            )
            with ours.turn():
                progress(size, size)  # the last moment to leave
                ours.write_note(_note(spec.id), specs.dump(found))
                ours.keep(file, sha256)

    def remove_fetch(self, image_id: str) -> None:
        note = _note(image_id)
        if self._there:
            with store.opened(self._folder) as ours, ours.turn():
                ours.remove_note(note)

    def observe_fetch(self, image_id: str) -> Fetched | None:
        name = _note(image_id)
        if not self._there:
            return None
        with store.opened(self._folder) as ours:
            note = ours.note(name)
            if not note:
                return None
            found = specs.load(Fetched, note)
            return found if ours.holds(found.sha256) else None

    @property
    def _there(self) -> bool:
        return self._folder is not None and self._folder.is_dir()


def _note(image_id: str) -> str:
    if str(uuid.UUID(image_id)) != image_id:
        raise Permanent(f"{image_id!r} is no image's id")
    return f"{image_id}.note"


def _watched(ours: Store, spec: FetchSpec, progress: Progress) -> Progress:
    """Stops a fetch that is too large, or that there is no room for."""
    look_at = 0

    def watch(done: int, total: int) -> None:
        nonlocal look_at
        if max(done, total) > spec.most_bytes:
            raise Permanent(
                f"{spec.file} is larger than the {spec.most_bytes // GIB} GiB that are taken"
            )
        if done >= look_at:
            _check_room(ours, max(0, total - done))
            look_at = done + LOOK_EVERY_BYTES
        progress(done, total)

    return watch


def _check_room(ours: Store, more_bytes: int) -> None:
    free = ours.free_bytes - RESERVE_BYTES
    if free < more_bytes or free < 0:
        raise Permanent(
            f"{FULL}: {max(0, free) // MIB} MiB are left, and {-(-more_bytes // MIB)} MiB more "
            f"are needed. {WAY_OUT}"
        )


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise Permanent(f"{FULL}. {WAY_OUT}") from None
        raise


def _write(
    file: BinaryIO, chunks: Iterator[bytes], spec: FetchSpec, listed: str
) -> tuple[str, int]:
    """The SHA-256 and the size of what came, which is on the disk, readable by everybody. Raises
    Permanent unless its sum is the listed one."""
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
    os.fchmod(file.fileno(), 0o444)
    os.fsync(file.fileno())
    return ours.hexdigest(), size


def _virtual_size(file: BinaryIO, spec: FetchSpec, owner: Owner | None) -> int:
    """Bytes of the disk in a qcow2 file that is whole in itself. Raises Permanent for any other:
    before QEMU sees it, since it would open what such a file names."""
    size = file.seek(0, os.SEEK_END)
    try:
        header = _header(file, spec)
        qcow2.check_tables(file, header, size)
    except qcow2.WrongSize as wrong:
        raise Permanent(
            f"the disk in {spec.file} has {wrong.size_bytes / GIB:.0f} GiB; "
            f"{spec.most_virtual_bytes // GIB} GiB is the largest that is taken"
        ) from None
    except qcow2.Harmful as harmful:
        raise Permanent(f"{harmful.of(spec.file)}. {harmful.way_out}") from None
    path = f"/proc/self/fd/{file.fileno()}"
    try:  # QEMU, which will have to read it, agrees
        qemu_img.run(
            "info", "--output=json", "-f", "qcow2", "--", path,
            descriptors=[file.fileno()], owner=owner,
        )  # fmt: skip
    except OSError as error:
        raise Permanent(f"{spec.file} is damaged: {error}") from error
    return header.virtual_size_bytes


def _header(file: BinaryIO, spec: FetchSpec) -> qcow2.Header:
    file.seek(0)
    head = file.read(foreign.HEAD_BYTES)
    if not head.startswith(qcow2.MAGIC):
        raise Permanent(_what_else(file, head, spec))
    file.seek(0)
    head = file.read(qcow2.header_size(head) or qcow2.HEAD_SMALLEST)
    return qcow2.parse(head, most_virtual_bytes=spec.most_virtual_bytes)


def _what_else(file: BinaryIO, head: bytes, spec: FetchSpec) -> str:
    """What a published file is that is no qcow2 disk, whatever it is called."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - foreign.TAIL_BYTES))
    tail = file.read(foreign.TAIL_BYTES)
    found = foreign.no_disk(head) or foreign.other_disk(head) or foreign.fixed_vhd(tail)
    if not found:
        return f"{spec.file} is no qcow2 disk"
    return f"{spec.file} is {found.words}; qcow2 disks are fetched. {found.way_out}"
