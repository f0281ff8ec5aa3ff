"""Images as people see them, without scripts."""

import contextlib
import io
import re
import tracemalloc
import uuid

import pytest
from sqlalchemy import select

from portal import config
from portal.db import session
from portal.models import Flavor, Image
from portal.places import of_files
from tests.services.hostile_images import HOSTILE
from tests.services.hostile_strangers import STRANGE
from tests.services.image_files import GIB, MIB, bootable, qcow2
from workers.foreign import HEAD_BYTES

FIELDS = {"name": "Tiny", "visibility": "shared", "min_disk_gib": "2", "min_memory_mib": "64"}


@pytest.fixture
def images(red):
    return f"{red}/images"


def send(person, images, file=None, token=None, **fields):
    """Upload `file` as the form does, the fields first."""
    token = person.token(f"{images}/new") if token is None else token
    content = {"file": (io.BytesIO(qcow2() if file is None else file), "tiny.qcow2")}
    return person.client.post(
        images,
        data={"csrf_token": token} | FIELDS | fields | content,
        content_type="multipart/form-data",
    )


def stored(cloud) -> set[str]:
    folder = cloud.directory / "images"
    return {each.name for each in folder.rglob("*") if each.is_file()} - {"lock"}


def image(name: str = "Tiny") -> Image:
    session.rollback()
    return session.scalar(select(Image).where(Image.name == name))


def test_an_uploaded_disk_can_be_started_from(alice, red, images, cloud):
    answer = send(alice, images, login_user="tiny")
    assert answer.status_code == 303
    page = alice.open(answer.location).text
    for words in ("qcow2", "384 KiB", "1 MiB", "2 GiB", image().sha256):
        assert words in page
    assert stored(cloud) == {image().sha256}
    form = f"{red}/instances/new"
    fields = alice.fields(form) | {"image_id": [str(image().id)]}
    place = alice.send(f"{red}/instances", fields, page=form).location
    cloud.settle()
    assert "Running" in alice.open(place).text
    assert "<dt>Instances made from it</dt>\n  <dd><span>1" in alice.open(answer.location).text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("sector", "This file has 512 bytes: too few"),
        ("backing_file", "only the changes to a backing file"),
        ("one_exbibyte", "500 GiB is the largest that is taken"),
        ("vmdk_flat", "a VMDK disk of VMware"),
        ("empty", "The file is empty."),
    ],
)
def test_a_file_that_is_no_harmless_disk_is_refused_beside_its_field(
    alice, images, cloud, name, sentence
):
    answer = send(alice, images, (HOSTILE | STRANGE)[name]("/etc/hostname"), name="Kept")
    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'id="file-wrong"' in answer.text
    assert 'value="Kept"' in answer.text
    assert stored(cloud) == set()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "Give it a name."),
        ({"name": "x" * 256}, "at most 255 characters"),
        ({"min_disk_gib": "-1"}, "A whole number from 0 to 500."),
        ({"min_memory_mib": "lots"}, "Not a valid integer value."),
        ({"login_user": "Root; rm"}, "A user name of Linux"),
        ({"visibility": "everybody"}, "Not a valid choice."),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused_before_the_file_is_read(
    alice, images, fields, sentence
):
    answer = send(alice, images, b"this would be refused too", **fields)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'id="file-wrong"' not in answer.text


def test_all_mistakes_of_an_upload_are_said_before_a_byte_is_sent(alice, images, cloud):
    wrong = {
        "name": "",
        "login_user": "Root; rm",
        "min_disk_gib": "-1",
        "min_memory_mib": "lots",
        "visibility": "public",
        "file_bytes": str(101 * GIB),
    }
    page = alice.send(f"{images}/new", FIELDS | wrong).text
    for sentence in (
        "Give it a name.",
        "A user name of Linux",
        "A whole number from 0 to 500.",
        "Not a valid integer value.",
        "Only administrators of the cloud make images public.",
        "larger than the",
    ):
        assert page.count(sentence) == 1, sentence
    assert "Choose the file of a disk." in alice.send(f"{images}/new", FIELDS).text
    sound = alice.send(f"{images}/new", FIELDS | {"file_bytes": "1048576"})
    assert (sound.status_code, sound.text) == (204, "")
    assert image() is None


@pytest.mark.parametrize(
    "name",
    ["vmdk_flat", "gzip_bomb", "backing_file", "sector", "one_exbibyte", "odd_size", "bochs"],
)
def test_what_a_file_is_not_is_said_before_it_is_sent(alice, images, cloud, name):
    file = (HOSTILE | STRANGE)[name]("/etc/hostname")
    head = (io.BytesIO(file[:HEAD_BYTES]), "blob")
    fields = FIELDS | {"file_bytes": str(len(file)), "file_head": head}
    asked, sent = alice.send(f"{images}/new", fields), send(alice, images, file)
    assert asked.status_code == sent.status_code == 422
    said = [
        re.search(r'id="file-wrong">.*?</svg>(.*?)<', each.text, re.S)[1] for each in (asked, sent)
    ]
    assert said[0] == said[1]


def test_a_sound_file_passes_by_its_beginning(alice, images):
    for file in (qcow2(), bootable(b"")):
        head = (io.BytesIO(file[:HEAD_BYTES]), "blob")
        fields = FIELDS | {"file_bytes": str(len(file)), "file_head": head}
        assert alice.send(f"{images}/new", fields).status_code == 204


def test_others_private_images_are_counted_and_not_named(alice, sign_in, red, images):
    send(alice, images, name="Secret", visibility="private")
    bob = sign_in("bob")
    page = bob.open(images).text
    assert "One more image of this project is private to others." in page
    assert "Secret" not in page
    for path in (f"{red}/", f"{images}/new"):
        assert "1 private to others" in bob.open(path).text
        assert "private to others" not in alice.open(path).text
    assert "private to others" not in alice.open(images).text


def test_without_a_script_all_mistakes_but_the_files_are_said_at_once(alice, images):
    page = send(alice, images, b"x", name="", login_user="Root; rm", min_memory_mib="lots").text
    for sentence in ("Give it a name.", "A user name of Linux", "Not a valid integer value."):
        assert page.count(sentence) == 1


class Body(io.RawIOBase):
    """A form with a file of `size` bytes, zeros after its beginning, that is made while it is
    read. `at` tells how far."""

    def __init__(self, token: str, beginning: bytes, size: int, end: bytes = b"\r\n--x--\r\n"):
        parts = "".join(
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in ({"csrf_token": token} | FIELDS).items()
        )
        parts += '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        self.begin, self.end = parts.encode() + beginning, end
        self.end_at = len(parts) + size
        self.at = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.at

    def seek(self, offset, whence=io.SEEK_SET):
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.end_at + len(self.end)}
        self.at = starts[whence] + offset
        return self.at

    def readinto(self, buffer):
        wanted = range(self.at, self.at + min(len(buffer), 65_536))
        piece = self.begin[wanted.start : wanted.stop]
        piece = piece.ljust(max(0, min(wanted.stop, self.end_at) - wanted.start), b"\0")
        piece += self.end[max(0, self.at - self.end_at) :][: len(wanted) - len(piece)]
        buffer[: len(piece)] = piece
        self.at += len(piece)
        return len(piece)


def send_body(person, images, body):
    return person.client.post(
        images,
        input_stream=io.BufferedReader(body),
        content_type="multipart/form-data; boundary=x",
    )


def test_a_large_file_is_never_held_in_memory(alice, images, cloud):
    body = Body(alice.token(f"{images}/new"), bootable(b"", 512), 96 * MIB)
    tracemalloc.start()
    answer = send_body(alice, images, body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.status_code == 303, answer.text
    assert (cloud.directory / "images" / image().sha256).stat().st_size == 96 * MIB
    assert peak < 12 * MIB


def test_a_bad_file_is_not_read_to_its_end(alice, images):
    body = Body(alice.token(f"{images}/new"), b"\x1f\x8b", 900 * MIB)
    answer = send_body(alice, images, body)
    assert answer.status_code == 422
    assert "compressed by gzip" in answer.text
    assert body.at < 4 * MIB


def test_without_the_token_nothing_is_taken(alice, images, cloud):
    for token in ("", "wrong"):
        answer = send(alice, images, token=token)
        assert answer.status_code == 400
    assert alice.client.post(images).status_code == 400
    assert alice.client.post(images, data=FIELDS).status_code == 400
    assert stored(cloud) == set()


def test_a_form_that_ends_before_its_time_is_refused(alice, images, cloud):
    body = Body(alice.token(f"{images}/new"), bootable(b""), 2 * MIB, end=b"")
    assert send_body(alice, images, body).status_code == 400
    assert stored(cloud) == set()


def test_whoever_comes_when_all_places_are_taken_is_told_to_wait(alice, images, cloud):
    places = of_files(config.current().uploads_at_once)
    with contextlib.ExitStack() as others:
        for _ in range(config.current().uploads_at_once):
            others.enter_context(places.one(uuid.uuid4(), uuid.uuid4()))
        answer = send(alice, images)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "30"
        assert "As many files are on their way as can be." in answer.text
    assert send(alice, images).status_code == 303


def test_a_session_that_ended_takes_no_file(alice, images, cloud):
    token = alice.token(f"{images}/new")
    cloud.clock.forward(hours=13)
    answer = send(alice, images, token=token)
    assert answer.status_code == 401
    assert "Sign in" in answer.text
    assert stored(cloud) == set()


def test_private_shared_and_public_are_what_they_say(alice, ada, sign_in, images, cloud):
    for name in ("private", "shared"):
        assert send(alice, images, name=f"a {name} one", visibility=name).status_code == 303
    assert send(alice, images, visibility="public").status_code == 403
    assert send(ada, images, name="a public one", visibility="public").status_code == 303
    blue = f"/projects/{cloud.project('blue').id}/images"
    seen = {
        "alice": (images, {"private", "shared", "public"}),
        "rita": (images, {"shared", "public"}),
        "charlie": (blue, {"public"}),
    }
    for name, (path, expected) in seen.items():
        person = sign_in(name)
        page = person.open(path).text
        for each in ("private", "shared", "public"):
            assert (f"a {each} one" in page) is (each in expected), (name, each)
            found = person.open(f"{path}/{image(f'a {each} one').id}").status_code
            assert found == (200 if each in expected else 404), (name, each)


def test_what_is_said_of_an_image_can_be_changed(alice, images):
    place = send(alice, images).location
    fields = FIELDS | {"name": "Renamed", "min_memory_mib": "4096", "login_user": "me"}
    assert alice.send(f"{place}/settings", fields).status_code == 303
    page = alice.open(place).text
    assert "Renamed" in page
    assert "4 GiB" in page
    answer = alice.send(f"{place}/settings", fields | {"name": "", "visibility": "private"})
    assert answer.status_code == 422
    assert "Give it a name." in answer.text
    answer = alice.send(f"{place}/settings", fields | {"visibility": "public"})
    assert answer.status_code == 403
    assert "Only administrators of the cloud make images public." in answer.text


def test_an_image_that_needs_more_than_the_flavor_is_refused_with_numbers(alice, red, images):
    send(alice, images, min_memory_mib="4096")
    form = f"{red}/instances/new"
    small = session.scalar(select(Flavor.id).where(Flavor.name == "small"))
    fields = alice.fields(form) | {"image_id": [str(image().id)], "flavor_id": [str(small)]}
    answer = alice.send(f"{red}/instances", fields, page=form)
    assert answer.status_code == 422
    assert "Tiny needs 4 GiB of memory, small has 512 MiB." in answer.text


def test_an_image_deleted_in_another_tab_is_named_as_such(alice, red, images, cloud):
    place = send(alice, images).location
    form = f"{red}/instances/new"
    fields = alice.fields(form) | {"image_id": [str(image().id)]}
    assert "Type Tiny" in alice.send(f"{place}/delete", {"confirm": "tiny"}).text
    assert alice.send(f"{place}/delete", {"confirm": "Tiny"}).status_code == 303
    assert stored(cloud) == set()
    assert alice.open(place).status_code == 404
    answer = alice.send(f"{red}/instances", fields, page=form)
    assert answer.status_code == 422
    assert "This image was not found; it may have been deleted." in answer.text


def test_a_public_image_is_changed_and_deleted_by_administrators_alone(alice, ada, images):
    send(ada, images, visibility="public")
    place = f"{images}/{image().id}"
    page = alice.open(place).text
    assert "/settings" not in page
    assert "/delete" not in page
    for path in ("settings", "delete"):
        assert alice.open(f"{place}/{path}").status_code == 403
        answer = alice.send(
            f"{place}/{path}", FIELDS | {"confirm": "Tiny"}, page="/account/ssh-keys/new"
        )
        assert answer.status_code == 403
    assert ada.send(f"{place}/delete", {"confirm": "Tiny"}).status_code == 303


def test_a_reader_looks_and_changes_nothing(alice, sign_in, images, cloud):
    place = send(alice, images).location
    rita = sign_in("rita")
    for page in (images, place):
        assert "Tiny" in rita.open(page).text
        for word in ("/images/new", "/settings", "/delete"):
            assert word not in rita.open(page).text
    for path in (f"{images}/new", f"{place}/settings", f"{place}/delete"):
        assert rita.open(path).status_code == 403
    token = rita.token("/account/ssh-keys/new")
    assert send(rita, images, token=token).status_code == 403
    for path in (f"{place}/settings", f"{place}/delete"):
        fields = FIELDS | {"confirm": "Tiny"}
        assert rita.send(path, fields, page="/account/ssh-keys/new").status_code == 403
    assert stored(cloud) == {image().sha256}


def test_another_projects_image_does_not_exist(alice, sign_in, images, cloud):
    place = send(alice, images).location
    charlie = sign_in("charlie")
    own = f"/projects/{cloud.project('blue').id}/images/{image().id}"
    for path in (place, own):
        for more in ("", "/settings", "/delete"):
            assert charlie.open(path + more).status_code == 404
        for more in ("/settings", "/delete"):
            fields = FIELDS | {"confirm": "Tiny"}
            answer = charlie.send(path + more, fields, page="/account/ssh-keys/new")
            assert answer.status_code == 404
    token = charlie.token("/account/ssh-keys/new")
    assert send(charlie, images, token=token).status_code == 404


def test_names_are_shown_as_text(alice, images):
    name = "<script>alert(1)</script> 🚀"
    place = send(alice, images, name=name).location
    for page in (images, place, f"{place}/settings", f"{place}/delete"):
        text = alice.open(page).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; 🚀" in text
        assert "<script>alert" not in text
