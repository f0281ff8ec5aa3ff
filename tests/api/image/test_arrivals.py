"""Images whose bytes a program sends: announced first, judged as they come in."""

import hashlib
import uuid

import pytest

from portal import config
from portal.db import session, transaction
from portal.models import Image, Quota
from portal.places import of_files
from tests.api.shapes import assert_fault
from tests.services.image_files import bootable, qcow2

ROOT = "/image/v2/images"
NOISE = bytes(range(256)) * 4


def announced(program, **said) -> dict:
    answer = program.post(ROOT, {"name": "disk", "disk_format": "raw"} | said)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"http://localhost{ROOT}/{answer.json['id']}"
    return answer.json


def send(program, image: dict, content: bytes, kind: str = "application/octet-stream"):
    return program.put(f"{ROOT}/{image['id']}/file", data=content, content_type=kind)


def seen(program, image: dict) -> dict:
    return program.get(f"{ROOT}/{image['id']}").json


def test_an_image_waits_for_its_file_and_is_then_as_any_other(alice):
    image = announced(alice, ramdisk_id="1f", tags=["old"])
    assert (image["status"], image["visibility"], image["size"]) == ("queued", "shared", None)
    assert (image["ramdisk_id"], image["tags"]) == ("1f", ["old"])
    nothing = alice.get(f"{ROOT}/{image['id']}/file")
    assert (nothing.status_code, nothing.data) == (204, b"")
    assert send(alice, image, NOISE).status_code == 204
    there = seen(alice, image)
    assert (there["status"], there["size"], there["disk_format"]) == ("active", 1024, "raw")
    assert there["checksum"] == hashlib.md5(NOISE).hexdigest()
    assert there["os_hash_value"] == hashlib.new(there["os_hash_algo"], NOISE).hexdigest()
    got = alice.get(f"{ROOT}/{image['id']}/file")
    assert (got.status_code, got.data, got.mimetype) == (200, NOISE, "application/octet-stream")
    assert got.headers["Content-MD5"] == there["checksum"]
    assert_fault(send(alice, image, NOISE), 409)


def test_a_part_of_a_file_is_sent_alone(alice):
    image = announced(alice)
    send(alice, image, NOISE)
    got = alice.get(f"{ROOT}/{image['id']}/file", headers={"Range": "bytes=10-19"})
    assert (got.status_code, got.data) == (206, NOISE[10:20])
    assert got.headers["Content-Range"] == "bytes 10-19/1024"


@pytest.mark.parametrize(
    ("said", "content"),
    [
        ("qcow2", NOISE),
        ("raw", qcow2()),
        ("raw", b"KDMV" + bytes(2**16)),
        ("raw", b""),
        ("qcow2", qcow2(backing="/etc/shadow")),
    ],
)
def test_what_is_not_what_it_was_announced_as_is_refused_and_the_image_waits_on(
    alice, cloud, said, content
):
    image = announced(alice, disk_format=said)
    assert_fault(send(alice, image, content), 400)
    assert seen(alice, image)["status"] == "queued"
    left = [each for each in (cloud.directory / "images").rglob("*") if each.is_file()]
    assert [each.name for each in left] == ["lock"]


def test_a_format_that_was_not_announced_is_found_out(alice):
    image = announced(alice, disk_format=None)
    assert send(alice, image, qcow2()).status_code == 204
    assert seen(alice, image)["disk_format"] == "qcow2"


def test_only_who_may_sends_the_file_and_says_what_it_is(alice, program):
    image = announced(alice)
    assert_fault(send(program("rita", "red"), image, NOISE), 403)
    assert_fault(send(program("charlie", "blue"), image, NOISE), 404)
    assert_fault(send(alice, image, NOISE, "text/plain"), 415)
    assert_fault(program("rita", "red").get(f"{ROOT}/{image['id']}/file"), 403)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"container_format": "wrong"}, 400),
        ({"disk_format": "wrong"}, 400),
        ({"disk_format": "vmdk"}, 400),
        ({"visibility": "community"}, 400),
        ({"visibility": "public"}, 403),
        ({"min_disk": -1}, 400),
        ({"min_ram": "much"}, 400),
        ({"tags": ["a,b"]}, 400),
        ({"os_distro": 7}, 400),
        ({"status": "active"}, 403),
        ({"os_glance_importing": "yes"}, 403),
        ({"name": "x" * 256}, 400),
        ({"id": "one"}, 400),
    ],
)
def test_what_no_image_can_be_is_refused(alice, said, status):
    assert_fault(alice.post(ROOT, {"name": "disk"} | said), status)


def test_an_image_may_be_given_its_id_and_no_name(alice):
    wanted = str(uuid.uuid4())
    answer = alice.post(ROOT, {"id": wanted})
    assert (answer.json["id"], answer.json["name"]) == (wanted, None)
    assert_fault(alice.post(ROOT, {"id": wanted}), 409)


def test_the_same_key_twice_announces_one_image(alice):
    key = {"headers": {"Idempotency-Key": "k1"}}
    first = alice.post(ROOT, {"name": "disk"}, **key).json["id"]
    assert alice.post(ROOT, {"name": "disk"}, **key).json["id"] == first
    assert_fault(alice.post(ROOT, {"name": "other"}, **key), 409)


def test_an_image_that_waits_counts_and_its_bytes_when_they_come(alice, cloud):
    with transaction():
        for resource, limit in (("images", 1), ("image_gib", 0)):
            session.add(Quota(project_id=cloud.project().id, resource=resource, limit=limit))
    image = announced(alice)
    assert_fault(alice.post(ROOT, {"name": "second"}), 413)
    assert_fault(send(alice, image, NOISE), 413)


def test_nothing_starts_from_what_waits_or_is_deactivated(alice, cloud):
    image = announced(alice, disk_format="qcow2")
    flavor = alice.get("/compute/v2.1/flavors").json["flavors"][0]["id"]
    server = {"name": "web", "flavorRef": flavor, "imageRef": image["id"]}
    said = assert_fault(alice.post("/compute/v2.1/servers", {"server": server}), 400)
    assert "waits for its file" in said
    send(alice, image, qcow2())
    path = f"{ROOT}/{image['id']}"
    assert alice.post(f"{path}/actions/deactivate").status_code == 204
    assert seen(alice, image)["status"] == "deactivated"
    assert_fault(alice.get(f"{path}/file"), 403)
    said = assert_fault(alice.post("/compute/v2.1/servers", {"server": server}), 400)
    assert "is deactivated" in said
    assert alice.post(f"{path}/actions/reactivate").status_code == 204
    assert alice.get(f"{path}/file").data == qcow2()
    answer = alice.post("/compute/v2.1/servers", {"server": server})
    assert answer.status_code == 202, answer.text


def test_whoever_deletes_what_waits_is_done_at_once(alice, cloud):
    image = announced(alice)
    assert alice.delete(f"{ROOT}/{image['id']}").status_code == 204
    assert_fault(alice.get(f"{ROOT}/{image['id']}"), 404)
    assert not cloud.operations(session.get(Image, uuid.UUID(image["id"])))


def test_a_protected_image_is_forbidden_to_delete(alice):
    image = announced(alice, protected=True)
    assert_fault(alice.delete(f"{ROOT}/{image['id']}"), 403)


def test_whoever_comes_when_all_places_are_taken_is_told_to_wait(alice, cloud):
    image = announced(alice)
    user_id, project_id = cloud.actor("alice").user_id, cloud.project().id
    places = of_files(config.current().uploads_at_once)
    with places.one(user_id, project_id), places.one(user_id, project_id):
        answer = send(alice, image, NOISE)
        assert_fault(answer, 503)
        assert answer.headers["Retry-After"]
    assert send(alice, image, NOISE).status_code == 204
    for _ in range(5):  # a place is free again after each
        assert alice.get(f"{ROOT}/{image['id']}/file").data == NOISE


def test_nothing_is_imported_and_that_is_said(alice):
    image = announced(alice)
    methods = alice.get("/image/v2/info/import").json["import-methods"]["value"]
    assert methods == []
    wish = {"method": {"name": "web-download", "uri": "https://example.org/disk"}}
    assert_fault(alice.post(f"{ROOT}/{image['id']}/import", wish), 400)
    assert [each["id"] for each in alice.get("/image/v2/info/stores").json["stores"]] == ["images"]


def test_a_harmless_disk_is_what_an_upload_by_page_would_be(alice):
    image = announced(alice)
    assert send(alice, image, bootable(b"")).status_code == 204
    assert seen(alice, image)["virtual_size"] == 2**20
