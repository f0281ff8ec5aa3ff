"""Cloud images that their publishers offer, and the way from there into our store.

Only what stands in PUBLISHED is ever fetched. The sum comes from the publisher's own list over
https, and the file is thrown away unless it agrees.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests

from portal.errors import NotFound, Refused
from portal.models import Image, Visibility
from portal.services.images.changes import NewImage, register_chunks

CHUNK = 2**20  # bytes
SUMS_LARGEST = 2**20  # bytes
TIMEOUT_SECONDS = (10, 60)  # to connect; between two pieces
REDIRECTS_MOST = 3
GNU_LINE = re.compile(r"^([0-9a-f]{64}|[0-9a-f]{128}) [ *](?:\./)?(\S+)$", re.MULTILINE)
BSD_LINE = re.compile(r"^SHA(?:256|512) \((\S+)\) = ([0-9a-f]{64}|[0-9a-f]{128})$", re.MULTILINE)
DIGESTS = {64: hashlib.sha256, 128: hashlib.sha512}  # by the length of the sum


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """An image that somebody else publishes."""

    name: str  # for the command line
    title: str
    folder: str  # URL, ends with a slash
    file: str
    sums: str  # the list of sums in the same folder, as GNU's or BSD's tools write it
    login_user: str
    min_disk_gib: int
    min_memory_mib: int

    @property
    def url(self) -> str:
        return self.folder + self.file


PUBLISHED = {
    each.name: each
    for each in (
        Published(
            name="debian-13",
            title="Debian 13",
            folder="https://cloud.debian.org/images/cloud/trixie/latest/",
            file="debian-13-genericcloud-amd64.qcow2",
            sums="SHA512SUMS",
            login_user="debian",
            min_disk_gib=3,
            min_memory_mib=512,
        ),
        Published(
            name="debian-12",
            title="Debian 12",
            folder="https://cloud.debian.org/images/cloud/bookworm/latest/",
            file="debian-12-genericcloud-amd64.qcow2",
            sums="SHA512SUMS",
            login_user="debian",
            min_disk_gib=3,
            min_memory_mib=512,
        ),
        Published(
            name="ubuntu-24.04",
            title="Ubuntu 24.04",
            folder="https://cloud-images.ubuntu.com/releases/24.04/release/",
            file="ubuntu-24.04-server-cloudimg-amd64.img",
            sums="SHA256SUMS",
            login_user="ubuntu",
            min_disk_gib=4,
            min_memory_mib=1024,
        ),
        Published(
            name="almalinux-9",
            title="AlmaLinux 9",
            folder="https://repo.almalinux.org/almalinux/9/cloud/x86_64/images/",
            file="AlmaLinux-9-GenericCloud-latest.x86_64.qcow2",
            sums="CHECKSUM",
            login_user="almalinux",
            min_disk_gib=10,
            min_memory_mib=1024,
        ),
        Published(
            name="rocky-9",
            title="Rocky Linux 9",
            folder="https://dl.rockylinux.org/pub/rocky/9/images/x86_64/",
            file="Rocky-9-GenericCloud-Base.latest.x86_64.qcow2",
            sums="Rocky-9-GenericCloud-Base.latest.x86_64.qcow2.CHECKSUM",
            login_user="rocky",
            min_disk_gib=10,
            min_memory_mib=1024,
        ),
        Published(
            name="fedora-44",
            title="Fedora 44",
            folder="https://dl.fedoraproject.org/pub/fedora/linux/releases/44/Cloud/x86_64/images/",
            file="Fedora-Cloud-Base-Generic-44-1.7.x86_64.qcow2",
            sums="Fedora-Cloud-44-1.7-x86_64-CHECKSUM",
            login_user="fedora",
            min_disk_gib=5,
            min_memory_mib=1024,
        ),
    )
}


class OutOfReach(Refused):
    """The publisher does not answer, or not with what was asked for."""

    status = 503


class WrongSum(Refused):
    """What came is not what the publisher's list names."""

    status = 502


def find(name: str) -> Published:
    """The published image of this name. Raises NotFound and says which there are."""
    if name not in PUBLISHED:
        raise NotFound(f"There is no published image {name}. There are: {', '.join(PUBLISHED)}.")
    return PUBLISHED[name]


def fetch(published: Published, progress: Callable[[int, int], None] = lambda *_: None) -> Image:
    """There is a public image of it. `progress` is told the bytes that have come and those there
    are, 0 where the publisher does not say. Takes minutes: for the command line, which asks
    nobody for permission. Raises OutOfReach, WrongSum, or what an upload is refused for."""
    expected = _sum(published)
    digest = DIGESTS[len(expected)]()

    def checked() -> Iterator[bytes]:
        for chunk in _download(published.url, progress):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != expected:
            raise WrongSum(
                f"What {urlsplit(published.url).hostname} sent is not what its list "
                f"{published.sums} names, so it was thrown away. Try again later."
            )

    return register_chunks(
        checked(),
        NewImage(
            name=published.title,
            visibility=Visibility.PUBLIC,
            min_disk_gib=published.min_disk_gib,
            min_memory_mib=published.min_memory_mib,
            login_user=published.login_user,
        ),
    )


def sum_of(file: str, sums: str) -> str | None:
    """The sum that a list names for a file: lines of sha256sum, or of sha256 --tag, whatever
    stands around them."""
    known = {name: value for value, name in GNU_LINE.findall(sums)}
    known |= dict(BSD_LINE.findall(sums))
    return known.get(file)


def _sum(published: Published) -> str:
    sums = bytearray()
    for chunk in _download(urljoin(published.folder, published.sums)):
        sums += chunk
        if len(sums) > SUMS_LARGEST:
            raise OutOfReach(f"{published.folder}{published.sums} is no list of sums.")
    found = sum_of(published.file, sums.decode("utf-8", "replace"))
    if found is None:
        raise OutOfReach(f"{published.folder}{published.sums} does not name {published.file}.")
    return found


def _download(url: str, progress: Callable[[int, int], None] = lambda *_: None) -> Iterator[bytes]:
    scheme = urlsplit(url).scheme
    with requests.Session() as web:
        try:
            for _ in range(1 + REDIRECTS_MOST):
                answer = web.get(url, stream=True, timeout=TIMEOUT_SECONDS, allow_redirects=False)
                if not answer.is_redirect:
                    break
                url = urljoin(url, answer.headers["Location"])
                if urlsplit(url).scheme != scheme:
                    raise OutOfReach(f"{url} is not where a publisher's image should come from.")
            if answer.status_code != HTTPStatus.OK:
                raise OutOfReach(f"{url} answered {answer.status_code} {answer.reason}.")
            done, total = 0, int(answer.headers.get("Content-Length", 0))
            for chunk in answer.iter_content(CHUNK):
                done += len(chunk)
                progress(done, total)
                yield chunk
        except requests.RequestException as error:
            raise OutOfReach(
                f"{urlsplit(url).hostname} could not be reached: {type(error).__name__}. Is this "
                "machine connected to the Internet? A proxy is taken from HTTPS_PROXY."
            ) from error
