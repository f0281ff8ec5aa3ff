"""Images and disks of guests as qcow2 files in the state directory of a host.

    cache/<sha256>             an image, never changed, shared by all guests made of it
    instances/<id>/root.qcow2  what the guest has written since, on top of its image
    instances/<id>/seed.iso    its config disk
    instances/<id>/boot.log    what it wrote to its serial port; see `boot_log`

An image appears in the cache whole or not at all: it is written to a file without a name
(O_TMPFILE, open(2)), so that a pulled plug leaves nothing behind. Nothing removes an image, since
the guests made of it need it for ever.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import requests

from workers.config import HostConfig
from workers.drivers import Progress
from workers.drivers.disks import qemu_img, seed
from workers.drivers.images import fetches, store
from workers.drivers.images.publisher import Publisher
from workers.drivers.libvirt.domain_xml import GuestFiles
from workers.errors import Permanent
from workers.specs import Download, DownloadSpec, ImageSpec, InstanceSpec

GIB = 1 << 30
CHUNK_BYTES = 1 << 20
CONNECT_SECONDS, SILENCE_SECONDS = 10, 60
FULL = "the disk of the host is full"


class Qcow2Storage:
    """See `drivers.Storage`. The state directory must let QEMU's own user pass (mode o+x)."""

    def __init__(self, config: HostConfig, *, publisher: Publisher | None = None):
        self._store = config.image_store
        self._downloads = fetches.Downloads(config, publisher or Publisher(config.name))
        self._cache = config.state_directory / "cache"
        self._instances = config.state_directory / "instances"
        for directory in (config.state_directory, self._cache, self._instances):
            if not directory.exists():
                directory.mkdir(mode=0o711, parents=True, exist_ok=True)

    def files(self, spec: InstanceSpec) -> GuestFiles:
        """Where the disks of this guest are, whether they exist or not."""
        folder = self._folder(spec.id)
        return GuestFiles(
            root=folder / "root.qcow2",
            image=self._cache / _sum(spec.image),
            seed=folder / "seed.iso",
            boot_log=self.boot_log(spec.id),
        )

    def boot_log(self, instance_id: str) -> Path:
        """Where virtlogd writes what the guest writes to its serial port."""
        return self._folder(instance_id) / "boot.log"

    def ensure_download(self, spec: DownloadSpec, progress: Progress) -> None:
        self._downloads.ensure(spec, progress)

    def remove_download(self, image_id: str) -> None:
        self._downloads.remove(image_id)

    def observe_download(self, image_id: str) -> Download | None:
        return self._downloads.observe(image_id)

    def ensure_image(self, image: ImageSpec, progress: Progress) -> None:
        cached = self._cache / _sum(image)
        if cached.exists():
            return
        stored = self._store / image.sha256 if self._store else None
        with _explained():
            if stored and stored.exists():
                self._link_or_copy(stored, cached, image, progress)
            else:
                _write(cached, _download(image), image, progress)

    def ensure_disk(self, spec: InstanceSpec) -> None:
        files = self.files(spec)
        unfinished = files.root.with_suffix(".new")
        size = max(spec.disk_gib * GIB, spec.image.virtual_size_bytes)
        with _explained(), self._alone(spec.id), _removed_on_error(unfinished):
            if files.root.exists():
                return
            unfinished.unlink(missing_ok=True)
            qemu_img.run(
                "create", "-q", "-f", "qcow2", "-F", spec.image.format,
                "-b", str(files.image), "--", str(unfinished), str(size),
            )  # fmt: skip
            _replace(unfinished, files.root)

    def ensure_seed(self, spec: InstanceSpec) -> None:
        volume = self.files(spec).seed
        unfinished = volume.with_suffix(".new")
        with _explained(), self._alone(spec.id), _removed_on_error(unfinished):
            with contextlib.suppress(FileNotFoundError):
                if seed.read_digest(volume.read_bytes()) == seed.digest(spec):
                    return
            unfinished.write_bytes(seed.config_disk(spec))
            _replace(unfinished, volume)

    def remove_instance(self, instance_id: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._folder(instance_id))

    def observe_images(self) -> tuple[str, ...]:
        return tuple(sorted(each for each in os.listdir(self._cache) if _is_sum(each)))

    def observe_instances(self) -> tuple[str, ...]:
        return tuple(sorted(each for each in os.listdir(self._instances) if _is_uuid(each)))

    def observe_capacity(self) -> tuple[int, int]:
        system = os.statvfs(self._instances)
        return (
            system.f_blocks * system.f_frsize // GIB,
            system.f_bavail * system.f_frsize // GIB,
        )

    def _folder(self, instance_id: str) -> Path:
        if not _is_uuid(instance_id):
            raise Permanent(f"{instance_id!r} is no instance's id")
        return self._instances / instance_id

    @contextlib.contextmanager
    def _alone(self, instance_id: str) -> Iterator[None]:
        """The folder of the guest exists, and one process at a time makes something in it."""
        folder = self._folder(instance_id)
        folder.mkdir(mode=0o711, exist_ok=True)
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _link_or_copy(
        self, stored: Path, cached: Path, image: ImageSpec, progress: Progress
    ) -> None:
        """What the store holds is read through and compared even where it is then linked. The
        store is the portal's, so no link in it is followed, and what guests start from is taken
        from its owner before it is read."""
        with open(stored, "rb", opener=_regular) as file:
            if os.fstat(file.fileno()).st_dev != os.stat(self._cache).st_dev:
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
    """The same chunks. Raises `Permanent` unless they are what the spec names, and OSError when
    they end too soon."""
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


def _download(image: ImageSpec) -> Iterator[bytes]:
    """The content at the spec's URL, no redirect followed: the token is for that URL alone."""
    if not image.url:
        raise FileNotFoundError(f"image {image.sha256} is not in the image store")
    with requests.get(
        image.url,
        headers={"Authorization": f"Bearer {image.token}", "Accept-Encoding": "identity"},
        stream=True,
        allow_redirects=False,
        timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
    ) as response:
        if response.status_code in (404, 410):
            raise Permanent("the image is no longer in the image store")
        if response.status_code != 200:
            raise OSError(f"the image store answered {response.status_code} {response.reason}")
        yield from response.iter_content(CHUNK_BYTES)


def _replace(unfinished: Path, path: Path) -> None:
    """What was written beside it is at `path`, at once, and survives a pulled plug."""
    _flush(unfinished)
    os.replace(unfinished, path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    """What was written to this file or folder survives a pulled plug."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _removed_on_error(path: Path):
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _explained():
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Permanent(FULL) from None
        raise


def _sum(image: ImageSpec) -> str:
    if not _is_sum(image.sha256):
        raise Permanent(f"{image.sha256!r} is no SHA-256")
    return image.sha256


def _is_sum(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
