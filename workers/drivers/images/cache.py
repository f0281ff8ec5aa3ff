"""The cache of images on a host: files of the state directory that guests start from.

    cache/<sha256>   an image, never changed, shared by all guests made of it

An image appears whole or not at all: it is written to a file without a name (O_TMPFILE, open(2)),
so that a pulled plug leaves nothing behind. An image goes when the cache has become too large and
no disk stands on it. The time of its last access (atime) says when it was used last.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from workers.config import HostConfig
from workers.drivers import Progress
from workers.drivers.disks import backing, writing
from workers.drivers.images import eviction, store
from workers.drivers.images.eviction import GIB, Cached
from workers.errors import Permanent
from workers.specs import ImageSpec

CHUNK_BYTES = 1 << 20

log = logging.getLogger(__name__)


class ImageCache:
    """See `drivers.Images`. The state directory must let QEMU's own user pass (mode o+x)."""

    def __init__(self, config: HostConfig):
        self._config, self._store = config, config.image_store
        self._directory, self._limit_bytes = directory(config), config.image_cache_gib * GIB
        for each in (config.state_directory, self._directory):
            each.mkdir(mode=0o711, parents=True, exist_ok=True)

    def ensure_image(self, image: ImageSpec, progress: Progress) -> None:
        if self.use_image(image):
            return
        cached = self._directory / image.sha256
        stored = self._store / image.sha256 if self._store else None
        if not stored or not stored.exists():
            raise FileNotFoundError(f"image {image.sha256} is not in the image store")
        linked = stored.stat().st_dev == self._directory.stat().st_dev
        self._make_room(0 if linked else image.size_bytes)
        with writing.explained():
            _link_or_copy(stored, cached, image, progress)

    def use_image(self, image: ImageSpec) -> bool:
        cached = self._directory / _sum(image)
        try:
            os.utime(cached, ns=(time.time_ns(), cached.stat().st_mtime_ns))
        except FileNotFoundError:
            return False
        return True

    def observe_images(self) -> tuple[str, ...]:
        return tuple(sorted(each for each in os.listdir(self._directory) if _is_sum(each)))

    def _make_room(self, coming_bytes: int) -> None:
        """With so many bytes more the cache is no larger than its limit and they fit on the disk,
        as far as there are images that may go."""
        cached = list(self._cached())
        excess = max(
            sum(each.own_bytes for each in cached) + coming_bytes - self._limit_bytes,
            coming_bytes - shutil.disk_usage(self._directory).free,
        )
        if excess <= 0:
            return
        for each in eviction.given_up(
            cached,
            needed=backing.names(self._config),
            excess_bytes=excess,
            moment=time.time(),
        ):
            log.info("image %s goes from the cache: nobody has used it for longest", each)
            (self._directory / each).unlink(missing_ok=True)

    def _cached(self) -> Iterator[Cached]:
        for sha256 in self.observe_images():
            with contextlib.suppress(FileNotFoundError):
                file = (self._directory / sha256).stat()
                yield Cached(
                    sha256=sha256,
                    own_bytes=file.st_blocks * 512 if file.st_nlink == 1 else 0,  # stat(2)
                    used_at=file.st_atime,
                )


def directory(config: HostConfig) -> Path:
    """Where the cached images of a host are."""
    return config.state_directory / "cache"


def path(config: HostConfig, image: ImageSpec) -> Path:
    """Where this image is, whether it is cached or not."""
    return directory(config) / _sum(image)


def _link_or_copy(stored: Path, cached: Path, image: ImageSpec, progress: Progress) -> None:
    """What the store holds is read through and compared even where it is then linked. The
    store is the portal's, so no link in it is followed, and what guests start from is taken
    from its owner before it is read."""
    with open(stored, "rb", opener=_regular) as file:
        if os.fstat(file.fileno()).st_dev != os.stat(cached.parent).st_dev:
            _write(cached, _chunks(file), image, progress)
            return
        os.fchown(file.fileno(), os.geteuid(), os.getegid())
        os.fchmod(file.fileno(), 0o444)  # QEMU's own user reads it, and nobody writes it
        for _ in _checked(_chunks(file), image, progress):
            pass
        _name(file, cached)


def _write(cached: Path, chunks: Iterable[bytes], image: ImageSpec, progress: Progress) -> None:
    with open(os.open(cached.parent, os.O_TMPFILE | os.O_WRONLY, 0o444), "wb") as file:
        for chunk in _checked(chunks, image, progress):
            file.write(chunk)
        file.flush()
        os.fchmod(file.fileno(), 0o444)  # whatever the umask
        os.fsync(file.fileno())
        _name(file, cached)


def _name(file: BinaryIO, cached: Path) -> None:
    folder = os.open(cached.parent, os.O_DIRECTORY)
    try:
        store.give_name(file, cached.name, folder)
    finally:
        os.close(folder)


def _regular(path: str, flags: int) -> int:
    """For open(): a descriptor of a regular file, not of what a link names."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Permanent(f"{path} is no file")
    return descriptor


def _checked(chunks: Iterable[bytes], image: ImageSpec, progress: Progress) -> Iterator[bytes]:
    """These chunks as they come. Raises `Permanent` unless they are what the spec names, and
    OSError when they end too soon."""
    digest, done = hashlib.sha256(), 0
    for chunk in chunks:
        done += len(chunk)
        if done > image.size_bytes:
            raise Permanent(f"the image is larger than the {image.size_bytes} bytes it should be")
        digest.update(chunk)
        yield chunk
        progress(done, image.size_bytes)
    if done < image.size_bytes:
        raise OSError(f"the image ended after {done} of {image.size_bytes} bytes")
    if digest.hexdigest() != image.sha256:
        raise Permanent(f"the content of the image has another SHA-256 than {image.sha256}")


def _chunks(file) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _sum(image: ImageSpec) -> str:
    if not _is_sum(image.sha256):
        raise Permanent(f"{image.sha256!r} is no SHA-256")
    return image.sha256


def _is_sum(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")
