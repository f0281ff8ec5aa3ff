"""Images as clients of Glance read and delete them."""

import uuid

import pytest

from portal.db import session, transaction
from portal.models import Image, Visibility
from portal.services import images
from portal.services.details import Details
from tests.api.shapes import assert_fault
from tests.test_flat import statements

ROOT = "/image/v2/images"


@pytest.fixture
def disks(cloud):
    """Images of red that everybody there may start from, in the order in which they came."""
    red, alice = cloud.project("red"), cloud.actor("alice")
    found = []
    for number in range(4):
        cloud.clock.forward(seconds=1)
        with transaction():
            image = Image(
                name=f"disk-{number}",
                project_id=red.id,
                user_id=alice.user_id,
                visibility=Visibility.SHARED,
                format="raw",
                sha256=f"{number:064}",
                size_bytes=100 + number,
                virtual_size_bytes=100 + number,
            )
            session.add(image)
        found.append(str(image.id))
    return found


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json["images"]]


def test_an_image_says_what_it_is_and_what_was_attached_to_it(cloud, disks, alice):
    red, owner = cloud.project("red").id, cloud.actor("alice")
    details = Details(properties={"os_distro": "debian", "status": "queued"}, tags=["old"])
    images.describe(owner, red, uuid.UUID(disks[0]), details)
    image = alice.get(f"{ROOT}/{disks[0]}").json
    assert image["os_distro"] == "debian"
    assert (image["status"], image["tags"], image["size"]) == ("active", ["old"], 100)
    assert (image["owner"], image["visibility"]) == (red.hex, "shared")
    assert image["os_hash_value"] == f"{0:064}"
    assert image["self"] == f"/v2/images/{disks[0]}"


def test_images_are_found_by_all_that_is_known_of_them(disks, alice):
    listed = f"{ROOT}?visibility=shared"
    assert ids(alice.get(listed)) == disks[::-1]
    for query, expected in {
        "name=disk-1": [disks[1]],
        "id=in:" + ",".join(disks[:2]): [disks[1], disks[0]],
        "size_min=102&sort=name:asc": disks[2:],
        "size_max=101&sort_key=size&sort_dir=asc": disks[:2],
        "status=active&disk_format=raw&limit=1": [disks[3]],
        "status=queued": [],
        "disk_format=qcow2": [],
        "protected=true": [],
        "os_hidden=true": [],
    }.items():
        assert ids(alice.get(f"{listed}&{query}")) == expected, query
    assert ids(alice.get(f"{ROOT}?visibility=community")) == []
    assert {*disks} < {*ids(alice.get(f"{ROOT}?visibility=all"))}
    assert_fault(alice.get(f"{ROOT}?visibility=secret"), 400)
    assert_fault(alice.get(f"{ROOT}?sort_key=colour"), 400)


def test_a_list_leads_on_by_paths(disks, alice):
    seen, path = [], "/v2/images?limit=2&visibility=shared"
    while path:
        answer = alice.get(f"/image{path}")
        assert len(ids(answer)) <= 2
        assert answer.json["first"] == "/v2/images?limit=2&visibility=shared"
        seen += ids(answer)
        path = answer.json.get("next")
    assert seen == disks[::-1]


def test_an_image_that_is_private_to_somebody_else_is_not_there(cloud, disks, program):
    with transaction():
        session.get(Image, uuid.UUID(disks[0])).visibility = Visibility.PRIVATE
    bob = program("bob", "red")
    assert disks[0] not in ids(bob.get(ROOT))
    assert_fault(bob.get(f"{ROOT}/{disks[0]}"), 404)
    assert disks[1] not in ids(program("charlie", "blue").get(ROOT))


def test_a_deleted_image_is_gone(disks, alice):
    assert alice.delete(f"{ROOT}/{disks[0]}").status_code == 204
    assert_fault(alice.get(f"{ROOT}/{disks[0]}"), 404)
    assert disks[0] not in ids(alice.get(ROOT))


def test_a_list_asks_the_database_as_often_however_long_it_is(disks, alice):
    counts = []
    for limit in (1, 4):
        with statements() as sent:
            alice.get(f"{ROOT}?limit={limit}")
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 3


def test_what_is_shown_is_what_the_schema_says(disks, alice):
    schema = alice.get("/image/v2/schemas/image").json["properties"]
    assert {*alice.get(f"{ROOT}/{disks[0]}").json} == {*schema}
