"""Images as programs change them: by JSON patches and by tags."""

import json

import pytest

from portal.api.image.patches import NEWER, OLDER
from tests.api.image.test_arrivals import NOISE, ROOT, announced, seen, send
from tests.api.shapes import assert_fault


def patch(program, image: dict, *steps, kind: str = NEWER):
    path = f"{ROOT}/{image['id']}"
    return program.ask("PATCH", path, data=json.dumps(steps), content_type=kind)


def test_a_patch_changes_what_it_names_and_nothing_else(alice):
    image = announced(alice, os_distro="debian", colour="red")
    answer = patch(
        alice,
        image,
        {"op": "replace", "path": "/name", "value": "newer"},
        {"op": "add", "path": "/os_version", "value": "13"},
        {"op": "replace", "path": "/os_distro", "value": "Debian"},
        {"op": "remove", "path": "/colour"},
        {"op": "replace", "path": "/min_disk", "value": 3},
        {"op": "add", "path": "/tags", "value": ["one"]},
        {"op": "replace", "path": "/os_hidden", "value": True},
    )
    assert answer.status_code == 200, answer.text
    changed = {"name": "newer", "os_version": "13", "os_distro": "Debian", "min_disk": 3}
    expected = image | changed | {"tags": ["one"], "os_hidden": True}
    del expected["colour"]
    assert answer.json | {"updated_at": ""} == expected | {"updated_at": ""}


def test_the_older_shape_of_patches_is_understood(alice):
    image = announced(alice)
    answer = patch(alice, image, {"replace": "/name", "value": "newer"}, kind=OLDER)
    assert answer.json["name"] == "newer"
    assert patch(alice, image, kind=OLDER).status_code == 200


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ({"op": "replace", "path": "/status", "value": "active"}, 403),
        ({"op": "replace", "path": "/id", "value": "x"}, 403),
        ({"op": "remove", "path": "/checksum"}, 403),
        ({"op": "add", "path": "/os_glance_x", "value": "x"}, 403),
        ({"op": "add", "path": "/locations/-", "value": {}}, 400),
        ({"op": "remove", "path": "/name"}, 403),
        ({"op": "replace", "path": "/no_such", "value": "x"}, 409),
        ({"op": "remove", "path": "/no_such"}, 409),
        ({"op": "test", "path": "/name", "value": "disk"}, 400),
        ({"op": "replace", "path": "/name"}, 400),
        ({"op": "replace", "path": "name", "value": "x"}, 400),
        ({"op": "replace", "path": "/visibility", "value": "secret"}, 400),
        ({"op": "replace", "path": "/visibility", "value": "public"}, 403),
        ({"op": "add", "path": "/os_distro", "value": 7}, 400),
        ("replace", 400),
        (None, 400),
    ],
)
def test_what_cannot_be_changed_so_is_refused(alice, step, status):
    image = announced(alice)
    assert_fault(patch(alice, image, step), status)
    assert seen(alice, image) == image


def test_a_patch_says_what_it_is(alice):
    assert_fault(patch(alice, announced(alice), kind="application/json-patch+json"), 415)


def test_who_may_not_change_an_image_does_not(alice, program):
    image, step = announced(alice), {"op": "replace", "path": "/name", "value": "x"}
    assert_fault(patch(program("rita", "red"), image, step), 403)
    assert_fault(patch(program("charlie", "blue"), image, step), 404)


def test_the_format_stays_once_the_bytes_are_there(alice):
    image = announced(alice)
    step = {"op": "replace", "path": "/disk_format", "value": "qcow2"}
    assert patch(alice, image, step).json["disk_format"] == "qcow2"
    patch(alice, image, step | {"value": "raw"})
    send(alice, image, NOISE)
    assert_fault(patch(alice, image, step), 403)


def test_tags_come_and_go_one_by_one(alice):
    image = announced(alice)
    path = f"{ROOT}/{image['id']}/tags"
    assert alice.put(f"{path}/blue").status_code == 204
    assert alice.put(f"{path}/blue").status_code == 204
    assert seen(alice, image)["tags"] == ["blue"]
    assert alice.delete(f"{path}/blue").status_code == 204
    assert_fault(alice.delete(f"{path}/blue"), 404)
    assert_fault(alice.put(f"{path}/{'x' * 61}"), 400)
