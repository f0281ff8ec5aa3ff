"""Cloud images that their publishers offer. Only what stands in PUBLISHED is ever fetched.

A host fetches them (`workers.drivers.images.fetches`), and compares each with the sum that stands
in its publisher's own list.
"""

import dataclasses
from urllib.parse import urlsplit

from portal.errors import NotFound


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """An image that somebody else publishes."""

    name: str  # what Image.published_as holds
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

    @property
    def publisher(self) -> str:
        """The name of the server that has the image."""
        return urlsplit(self.folder).netloc

    @property
    def sums_url(self) -> str:
        return self.folder + self.sums


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


def find(name: str) -> Published:
    """The published image of this name. Raises NotFound and says which there are."""
    if name not in PUBLISHED:
        raise NotFound(
            "There is no published image {name}. There are: {known:list}.",
            name=name,
            known=list(PUBLISHED),
        )
    return PUBLISHED[name]
