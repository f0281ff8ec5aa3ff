"""Images from their publishers, against a publisher of our own on 127.0.0.1."""

import hashlib
import http.server
import threading

import pytest
from sqlalchemy import select

from portal.db import session
from portal.errors import NotFound, Refused
from portal.models import Image, Visibility
from portal.services.images import publishers
from portal.services.images.publishers import PUBLISHED, OutOfReach, Published, WrongSum
from tests.services.hostile_images import HOSTILE, MIB, bootable, qcow2

SHA256, SHA512 = "a" * 64, "b" * 128


class Publisher(http.server.ThreadingHTTPServer):
    """Serves what a test puts into `files`; a str is where to go instead."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes | str] = {}
        self.asked: list[str] = []
        self.cut = False  # whether to break off in the middle of each file

    @property
    def folder(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/images/"

    def offer(self, file: bytes, *, sums: str | None = None) -> Published:
        """It publishes `file`."""
        self.files["/images/disk.qcow2"] = file
        listed = f"{hashlib.sha512(file).hexdigest()}  disk.qcow2\n" if sums is None else sums
        self.files["/images/SHA512SUMS"] = listed.encode()
        return Published(
            name="test",
            title="Test Linux",
            folder=self.folder,
            file="disk.qcow2",
            sums="SHA512SUMS",
            login_user="test",
            min_disk_gib=1,
            min_memory_mib=64,
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
        elif isinstance(content, str):
            self.send_response(302)
            self.send_header("Location", content)
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            large = self.server.cut and len(content) > 1000
            self.wfile.write(content[: len(content) // 2] if large else content)

    def log_message(self, *_):
        pass


@pytest.fixture
def publisher():
    server = Publisher()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def nothing_kept(cloud) -> bool:
    folder = cloud.directory / "images"
    files = {each.name for each in folder.rglob("*") if each.is_file()}
    return files <= {"lock"} and not session.scalar(
        select(Image.id).where(Image.name == "Test Linux")
    )


def test_a_published_image_becomes_public_once(bare_cloud, publisher):
    published, told = publisher.offer(qcow2()), []
    image = publishers.fetch(published, lambda done, total: told.append((done, total)))
    assert image.sha256 == hashlib.sha256(qcow2()).hexdigest()
    assert (image.visibility, image.login_user) == (Visibility.PUBLIC, "test")
    assert told[-1] == (len(qcow2()), len(qcow2()))
    assert publishers.fetch(published).id == image.id


def test_what_differs_from_the_publishers_sum_is_thrown_away(bare_cloud, publisher):
    published = publisher.offer(qcow2())
    publisher.files["/images/disk.qcow2"] = bootable(b"")
    with pytest.raises(WrongSum, match="is not what its list SHA512SUMS names"):
        publishers.fetch(published)
    assert nothing_kept(bare_cloud)


def test_what_a_list_does_not_name_is_not_even_asked_for(bare_cloud, publisher):
    published = publisher.offer(qcow2(), sums=f"{SHA512}  other.qcow2\n")
    with pytest.raises(OutOfReach, match=r"does not name disk\.qcow2"):
        publishers.fetch(published)
    assert publisher.asked == ["/images/SHA512SUMS"]


def test_a_hostile_file_is_refused_though_its_sum_is_right(bare_cloud, publisher):
    with pytest.raises(Refused, match="backing file"):
        publishers.fetch(publisher.offer(HOSTILE["backing_file"]("/etc/hostname")))
    assert nothing_kept(bare_cloud)


def test_a_download_that_breaks_off_leaves_nothing(bare_cloud, publisher):
    published = publisher.offer(bootable(b"", 2 * MIB))
    publisher.cut = True
    with pytest.raises(OutOfReach, match="Is this machine connected to the Internet"):
        publishers.fetch(published)
    assert nothing_kept(bare_cloud)


def test_a_publisher_that_does_not_answer_is_named(bare_cloud, publisher):
    published = publisher.offer(qcow2())
    del publisher.files["/images/disk.qcow2"]
    with pytest.raises(OutOfReach, match=r"disk\.qcow2 answered 404"):
        publishers.fetch(published)
    publisher.shutdown()
    publisher.server_close()
    with pytest.raises(OutOfReach, match=r"127\.0\.0\.1 could not be reached: ConnectionError"):
        publishers.fetch(published)


def test_a_mirror_is_followed_and_a_chase_is_not(bare_cloud, publisher):
    published = publisher.offer(qcow2())
    publisher.files["/mirror/disk.qcow2"] = publisher.files["/images/disk.qcow2"]
    publisher.files["/images/disk.qcow2"] = "/mirror/disk.qcow2"
    assert publishers.fetch(published).name == "Test Linux"
    publisher.files["/images/disk.qcow2"] = "/images/disk.qcow2"
    with pytest.raises(OutOfReach, match="answered 302"):
        publishers.fetch(published)
    publisher.files["/images/disk.qcow2"] = "file:///etc/hostname"
    with pytest.raises(OutOfReach, match="is not where a publisher's image should come from"):
        publishers.fetch(published)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{SHA512}  disk.qcow2", SHA512),  # Debian
        (f"{SHA256} *disk.qcow2", SHA256),  # Ubuntu
        (f"{SHA256}  ./disk.qcow2", SHA256),
        (f"# disk.qcow2: 12 bytes\nSHA256 (disk.qcow2) = {SHA256}", SHA256),  # Fedora, Rocky
        (f"-----BEGIN PGP SIGNED MESSAGE-----\n\nSHA512 (disk.qcow2) = {SHA512}", SHA512),
        (f"{SHA256}  not-disk.qcow2", None),
        (f"{'a' * 40}  disk.qcow2", None),
        (f"MD5 (disk.qcow2) = {'a' * 32}", None),
        ("", None),
    ],
)
def test_lists_of_sums_are_read_as_publishers_write_them(line, expected):
    sums = f"{'0' * 64}  first.qcow2\n{line}\n{'1' * 64}  last.qcow2\n"
    assert publishers.sum_of("disk.qcow2", sums) == expected


def test_only_what_is_listed_can_be_fetched_and_only_by_https():
    for name, published in PUBLISHED.items():
        assert publishers.find(name) is published
        assert published.url.startswith("https://")
        assert published.folder.endswith("/")
    with pytest.raises(NotFound, match="There are: debian-13, debian-12"):
        publishers.find("http://169.254.169.254/")
