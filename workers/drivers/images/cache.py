"""The cache of images on a host: files of the state directory that guests start from.

    cache/<sha256>   an image, never changed, shared by all guests made of it

An image is a file of its own, also where the store is on the same file system (a reflink, should
that be able to): whoever opened the store's file before it was summed could write to it still. It
appears whole or not at all: it is written to a file without a name (O_TMPFILE, open(2)), so that a
pulled plug leaves nothing behind. An image goes when the cache has become too large and no disk
stands on it. The time of its last access (atime) says when it was used last.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from workers.config import HostConfig
from workers.drivers import Progress, privacy
from workers.drivers.disks import backing, writing
from workers.drivers.images import eviction, store
from workers.drivers.images.eviction import GIB, Cached
from workers.errors import Permanent
from workers.specs import ImageSpec

CHUNK_BYTES = 1 << 20
FICLONE = 0x40049409  # linux/fs.h

log = logging.getLogger(__name__)


class ImageCache:
    """See `drivers.Images`."""

    def __init__(self, config: HostConfig):
        self._config, self._store = config, config.image_store
        self._directory, self._limit_bytes = directory(config), config.image_cache_gib * GIB
        for each in (config.state_directory, self._directory):
            privacy.ensure_passage(config, each)

    def ensure_image(self, image: ImageSpec, progress: Progress) -> None:
        if self.use_image(image):
            return
        with self._stored(image) as file:
            self._make_room(image.size_bytes)
            with writing.explained():
                _copy(
                    file,
                    self._directory / image.sha256,
                    image,
                    progress,
                    privacy.group_id(self._config),
                )

    def use_image(self, image: ImageSpec) -> bool:
        cached = self._directory / _sum(image)
        try:
            there = cached.stat()
            os.utime(cached, ns=(time.time_ns(), there.st_mtime_ns))
        except FileNotFoundError:
            return False
        return there.st_nlink == 1  # until 0.1.0 the store had the same file

    def observe_images(self) -> tuple[str, ...]:
        return tuple(sorted(each for each in os.listdir(self._directory) if _is_sum(each)))

    @contextlib.contextmanager
    def _stored(self, image: ImageSpec) -> Iterator[BinaryIO]:
        """The file of the image in the store. Raises FileNotFoundError when it is not there."""
        absent = FileNotFoundError(f"image {image.sha256} is not in the image store")
        if not self._store:
            raise absent
        try:
            with store.opened(self._store) as ours:
                file = ours.read(image.sha256)
        except FileNotFoundError:
            raise absent from None
        with file:
            yield file

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


def _copy(
    stored: BinaryIO, cached: Path, image: ImageSpec, progress: Progress, group_id: int
) -> None:
    """The cache holds what the store's file held, if that is the image. What is compared is what
    guests start from: the copy, to which nobody else has a way."""
    folder = os.open(cached.parent, os.O_DIRECTORY | os.O_CLOEXEC)
    descriptor = os.open(cached.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o400)
    try:
        with open(descriptor, "r+b") as file:
            if _share_content(stored, file):
                for _ in _checked(_chunks(file), image, progress):
                    pass
            else:
                for chunk in _checked(_chunks(stored), image, progress):
                    file.write(chunk)
            file.flush()
            os.fchown(file.fileno(), -1, group_id)
            os.fchmod(
                file.fileno(), privacy.IMAGE
            )  # QEMU's own user reads it, and nobody writes it
            os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                if cached.stat().st_nlink > 1:
                    cached.unlink()  # the store's file, which guests that run keep open
            store.give_name(file, cached.name, folder)
    finally:
        os.close(folder)


def _share_content(source: BinaryIO, target: BinaryIO) -> bool:
    """The target has the content of the source, as ioctl_ficlone(2) gives it at once, which few
    file systems can."""
    try:
        fcntl.ioctl(target, FICLONE, source.fileno())
    except OSError:
        return False
    return True


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
