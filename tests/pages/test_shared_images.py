"""Images that wait for a file, and those that projects share, as people see them."""

import io

import pytest

from portal.db import session
from portal.models import Image, ImageStatus, Visibility
from portal.services import images
from portal.services.images import Edit
from tests.services.image_files import qcow2
from tests.services.test_images import upload


@pytest.fixture
def blue(cloud) -> str:
    return f"/projects/{cloud.project('blue').id}"


@pytest.fixture
def charlie(sign_in):
    return sign_in("charlie")


def waiting(cloud, **said) -> Image:
    wish = Edit(**{"name": "Later", "format": "qcow2"} | said)
    return images.announce(cloud.actor("alice"), cloud.project().id, wish)


def place(cloud, image: Image, project: str = "red") -> str:
    return f"/projects/{cloud.project(project).id}/images/{image.id}"


def press(person, page: str, action: str, **fields):
    return person.send(f"{page}/{action}", fields, page=page)


def test_an_image_that_waits_says_so_and_takes_its_file(cloud, alice):
    image = waiting(cloud)
    page = alice.open(place(cloud, image)).text
    assert "Waiting for its file" in page
    assert "upload it, or delete the image" in page
    form = f"{place(cloud, image)}/file"
    content = {"csrf_token": alice.token(form), "file": (io.BytesIO(qcow2()), "disk.qcow2")}
    answer = alice.client.post(form, data=content, content_type="multipart/form-data")
    assert answer.status_code == 303, answer.text
    assert cloud.see(image).status is ImageStatus.READY
    assert "Waiting for its file" not in alice.open(place(cloud, image)).text


def test_a_file_that_is_not_what_was_announced_is_refused_beside_its_field(cloud, alice):
    image = waiting(cloud, format="raw")
    form = f"{place(cloud, image)}/file"
    content = {"csrf_token": alice.token(form), "file": (io.BytesIO(qcow2()), "disk.qcow2")}
    answer = alice.client.post(form, data=content, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "announced as raw, and it is qcow2" in answer.text
    assert cloud.see(image).status is ImageStatus.WAITING


def test_what_was_attached_to_an_image_is_shown(cloud, alice):
    image = waiting(cloud, properties={"os_distro": "debian"}, tags=["old"])
    page = alice.open(place(cloud, image)).text
    for words in ("os_distro", "debian", "old"):
        assert words in page


def test_an_image_without_a_name_is_called_by_its_id(cloud, alice):
    image = waiting(cloud, name="")
    short = str(image.id)[:8]
    assert f"<h1>{short}" in alice.open(place(cloud, image)).text.replace("\n", "")
    assert f">{short}</a>" in alice.open(place(cloud, image).rpartition("/")[0]).text


def test_an_image_is_shared_by_the_name_of_a_project_which_takes_it(cloud, alice, charlie, blue):
    image = upload(cloud, "Oddly")
    page = place(cloud, image)
    assert press(alice, page, "members", project="blue").status_code == 303
    assert "Has not answered" in alice.open(page).text
    assert "Other projects share these with yours" in charlie.open(f"{blue}/images").text
    assert "Oddly" not in charlie.open(f"{blue}/instances/new").text
    there = place(cloud, image, "blue")
    assert "Create instance" not in charlie.open(there).text
    assert press(charlie, there, "accept").status_code == 303
    assert "Create instance" in charlie.open(there).text
    assert "Uses it" in alice.open(page).text
    listed = charlie.open(f"{blue}/images").text
    assert "Other projects share" not in listed
    assert ">Oddly</a>" in listed
    assert "Oddly" in charlie.open(f"{blue}/instances/new").text
    assert press(charlie, there, "reject").status_code == 303
    assert ">Oddly</a>" not in charlie.open(f"{blue}/images").text


def test_sharing_ends_with_a_click(cloud, alice, charlie):
    image = upload(cloud, "disk")
    page, blue_id = place(cloud, image), cloud.project("blue").id
    press(alice, page, "members", project="blue")
    assert press(alice, page, f"members/{blue_id}/remove").status_code == 303
    assert charlie.client.get(place(cloud, image, "blue")).status_code == 404


@pytest.mark.parametrize(("name", "words"), [("nowhere", "no such project"), ("red", "already")])
def test_a_project_that_cannot_be_shared_with_is_said_beside_its_field(cloud, alice, name, words):
    image = upload(cloud, "disk")
    answer = press(alice, place(cloud, image), "members", project=name)
    assert answer.status_code in (404, 422)
    assert words in answer.text


def test_who_only_looks_is_offered_nothing(cloud, sign_in):
    image = upload(cloud, "disk")
    images.share(cloud.actor("alice"), cloud.project().id, image.id, "blue")
    page = sign_in("rita").open(place(cloud, image)).text
    assert "Has not answered" in page
    assert "Stop sharing</button>" not in page
    assert 'name="project"' not in page


def test_a_private_image_has_no_part_for_others(cloud, alice):
    image = upload(cloud, "disk", visibility=Visibility.PRIVATE)
    assert "Shared with other projects" not in alice.open(place(cloud, image)).text
    session.rollback()


def test_a_deactivated_image_says_so_and_comes_back_by_a_click(cloud, alice):
    image = upload(cloud, "disk")
    page = place(cloud, image)
    images.activate(cloud.actor("alice"), cloud.project().id, image.id, active=False)
    shown = alice.open(page).text
    assert "Nothing starts from it" in shown
    assert "Create instance" not in shown
    assert press(alice, page, "reactivate").status_code == 303
    assert "Nothing starts from it" not in alice.open(page).text
