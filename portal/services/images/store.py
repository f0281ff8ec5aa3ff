"""Where the bytes of images lie: a file each, named by the SHA-256 of its content.

A file appears under its name whole or not at all, and is never written again, since hosts link to
it. The invariant is that every image has its file: a file is put in its place before the row of
its image is committed, and removed after the last row is gone. Both happen in a `turn`, so that
nobody removes what somebody else is about to name. A crash in between leaves a file that no image
names, never an image without a file; `strangers` finds it.

A host that fetches an image puts its file here too, in a turn of its own, and before it a note,
`<image id>.note`, since the row is written only when the host's answer has come. The note names the
file for as long as that image is there.
"""

import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from portal import config
from portal.errors import Refused, Unavailable
from portal.sentences import Sentence
from portal.services.images.inspection import Disk, Judge

RESERVE_BYTES = 2**29  # of the file system, which may hold the database too
LOOK_EVERY_BYTES = 2**26
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StoreFull(Unavailable):
    """The file system of the image store has no room."""


@dataclasses.dataclass(frozen=True)
class Sums:
    """What tells one content from another."""

    sha256: str
    md5: str
    size_bytes: int


class Received:
    """A file that has come in whole and may become an image."""

    def __init__(self, path: Path, sums: Sums, disk: Disk):
        self.sha256, self.md5, self.size_bytes = sums.sha256, sums.md5, sums.size_bytes
        self.disk = disk
        self._path = path

    def keep(self) -> None:
        """The store holds it under its name. Call it in a `turn`."""
        target = place(self.sha256)
        if target.exists():  # stored once by content
            return
        os.replace(self._path, target)
        _flush(target.parent)


def prepare() -> None:
    """The store is there, so that the hosts that share it see it."""
    _folders()


def place(sha256: str) -> Path:
    """Where the file of an image lies."""
    return config.current().image_store / sha256


@contextlib.contextmanager
def receive(
    chunks: Iterable[bytes], *, most_bytes: int, too_large: Sentence, announced: str = ""
) -> Iterator[Received]:
    """The file that these chunks make, judged, summed and on the disk. On leaving, whatever was
    not kept is gone. `announced` is the format that somebody says it has, who is taken at their
    word for a raw disk. Raises Refused, with `too_large` for more than `most_bytes`."""
    with _unfinished() as (path, file):
        _check_room(path)
        most_virtual = config.current().image_max_virtual_gib * 2**30
        judge = Judge(chunks, most_virtual_bytes=most_virtual, announced=announced)
        try:
            sums = _write(judge, path, file, most_bytes=most_bytes, too_large=too_large)
        except OSError as error:
            if error.errno in FULL:
                raise _full() from error
            raise
        yield Received(path, sums, judge.verdict(file))


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Nobody else, in any process, puts a file into the store or removes one."""
    store = _folders()
    descriptor = os.open(store / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove(sha256: str) -> None:
    """The store does not hold it. Call it in a `turn`."""
    place(sha256).unlink(missing_ok=True)


def opened(sha256: str) -> BinaryIO:
    """The file, to be read, also should it be removed meanwhile. Raises Unavailable for one that
    somebody has taken away."""
    try:
        return open(place(sha256), "rb")
    except FileNotFoundError:
        raise Unavailable(
            "The file of this image is missing in the store. Whoever runs this cloud puts it back "
            "from a backup: `flask doctor` names it."
        ) from None


def held() -> set[str]:
    """The SHA-256 of every file in the store."""
    return {each.name for each in _folders().iterdir() if len(each.name) == 64}


def written_at(sha256: str) -> datetime:
    """When the file came in, in UTC. Raises FileNotFoundError."""
    return datetime.fromtimestamp(place(sha256).stat().st_mtime, UTC)


def fetched() -> dict[uuid.UUID, str]:
    """The SHA-256 of what hosts have put here, by the image that it was fetched for."""
    notes = {}
    for path in _folders().glob("*.note"):
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError):  # half of a note is none
            notes[uuid.UUID(path.stem)] = json.loads(path.read_text())["sha256"]
    return notes


def noted() -> set[uuid.UUID]:
    """The images of which there is a note, or a part of one."""
    images = set()
    for path in _folders().glob("*.note*"):
        with contextlib.suppress(ValueError):  # not one of ours
            images.add(uuid.UUID(path.name.partition(".")[0]))
    return images


def forget(image_id: uuid.UUID) -> None:
    """There is no note that a file was fetched for this image. Call it in a `turn`."""
    for name in (f"{image_id}.note", f"{image_id}.note.new"):
        (config.current().image_store / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _unfinished():
    """A new file in the folder of unfinished ones, gone on leaving unless it was moved. Its writer
    holds a lock on it, by which it is told from what a crash has left."""
    folder = _folders() / "tmp"
    path = folder / uuid.uuid4().hex
    with turn():
        _clear(folder)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    with os.fdopen(descriptor, "r+b") as file:
        try:
            yield path, file
        finally:
            path.unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError, BlockingIOError), open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _write(judge: Judge, path: Path, file, *, most_bytes: int, too_large: Sentence) -> Sums:
    """Of what was written, on the disk, readable by everybody."""
    digest, md5, size, looked = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0, 0
    for chunk in judge:
        size += len(chunk)
        if size > most_bytes:
            raise Refused.saying(too_large, field="file")
        if size - looked >= LOOK_EVERY_BYTES:
            _check_room(path)
            looked = size
        digest.update(chunk)
        md5.update(chunk)
        file.write(chunk)
    file.flush()
    os.fchmod(file.fileno(), 0o444)
    os.fsync(file.fileno())
    return Sums(digest.hexdigest(), md5.hexdigest(), size)


def _check_room(path: Path) -> None:
    if shutil.disk_usage(path).free < RESERVE_BYTES:
        raise _full()


def _full() -> StoreFull:
    return StoreFull(
        "The image store is full, so nothing was kept. Delete an image that nobody needs, or ask "
        "an administrator for more room.",
        field="file",
    )


def _folders() -> Path:
    store = config.current().image_store
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    (store / "tmp").mkdir(mode=0o700, exist_ok=True)
    return store


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
