"""Instances as people see them, without scripts."""

import html
import re
import uuid

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal.db import session, transaction
from portal.errors import Refused
from portal.models import (
    Flavor,
    Host,
    Image,
    Instance,
    Role,
    RoleAssignment,
    Status,
    User,
    Visibility,
)
from portal.services import instances, networks
from portal.services.instances.nics import Nic
from tests.cloud import PASSWORD
from tests.services.user_data_texts import BOMBS
from workers.specs import NO_SPACE


def test_the_form_creates_what_its_summary_says(alice, red, cloud):
    fields = alice.fields(f"{red}/instances/new")
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert answer.status_code == 303
    page = alice.open(answer.location)
    assert "Building" in page.text
    cloud.settle()
    assert "Running" in alice.open(answer.location).text


def test_a_row_stops_asking_once_its_host_is_done(alice, red, cloud):
    instance = cloud.create("web")
    row = f"{red}/instances/{instance.id}/row"
    assert "hx-trigger" in alice.open(row).text
    cloud.settle()
    assert "hx-trigger" not in alice.open(row).text


def test_the_same_form_twice_makes_one_instance(alice, red, cloud):
    fields = alice.fields(f"{red}/instances/new")
    places = {
        alice.send(f"{red}/instances", fields, page=f"{red}/instances/new").location
        for _ in range(2)
    }
    assert len(places) == 1


def test_twenty_at_once_are_named_and_addressed_apart(alice, red, cloud):
    fields = alice.fields(f"{red}/instances/new") | {"name": ["web"], "count": ["20"]}
    alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    cloud.settle()
    page = alice.open(f"{red}/instances").text
    names = set(re.findall(r">(web-\d+)<", page))
    addresses = set(re.findall(r"10\.0\.0\.\d+", page))
    assert names == {f"web-{number}" for number in range(1, 21)}
    assert len(addresses) == 20


def test_buttons_carry_an_instance_through_its_life(alice, red, cloud):
    instance = cloud.running("web")
    place = f"{red}/instances/{instance.id}"
    for action, status in (
        ("stop", Status.STOPPED),
        ("start", Status.RUNNING),
        ("reboot", Status.RUNNING),
        ("force_stop", Status.STOPPED),
    ):
        answer = alice.send(f"{place}/actions/{action}")
        assert answer.status_code == 303
        cloud.settle()
        assert cloud.see(instance).status is status
    answer = alice.send(f"{place}/delete", {"confirm": "wrong"})
    assert answer.status_code == 422
    assert "Type web" in answer.text
    assert alice.send(f"{place}/delete", {"confirm": "web"}).status_code == 303
    cloud.settle()
    assert alice.open(place).status_code == 404
    assert alice.open(f"{place}/row").text == ""


def test_what_cannot_be_made_is_said_beside_its_field_and_nothing_is_lost(alice, red, cloud):
    fields = alice.fields(f"{red}/instances/new") | {
        "name": [""],
        "user_data": ["#cloud-config\n{"],
    }
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert answer.status_code == 422
    assert "Give it a name." in answer.text
    fields["name"] = ["<script>alert(1)</script> 🚀"]
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert "not valid YAML" in answer.text
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 🚀" in answer.text


def test_user_data_that_would_be_ignored_is_asked_for_once_more(alice, red, cloud):
    fields = alice.fields(f"{red}/instances/new") | {"user_data": ["runcmd: [x]\n"]}
    assert "user_data_as_it_is" not in alice.open(f"{red}/instances/new").text
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert answer.status_code == 422
    assert "runcmd: [x]" in answer.text
    assert 'name="user_data_as_it_is"' in answer.text
    fields["user_data_as_it_is"] = ["y"]
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert answer.status_code == 303
    cloud.settle()
    [seed] = cloud.hosts["kvm-1"].every("seed").values()
    assert seed["user_data"] == "runcmd: [x]\n"


@pytest.mark.parametrize("name", BOMBS)
def test_no_user_data_stops_the_portal(alice, red, name):
    fields = alice.fields(f"{red}/instances/new") | {"user_data": [BOMBS[name]]}
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert answer.status_code in (303, 422)


def test_what_the_quota_lacks_is_said_with_numbers(alice, red, cloud):
    fields = alice.fields(f"{red}/instances/new") | {"count": ["20"]}
    alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    fields = alice.fields(f"{red}/instances/new") | {"count": ["1"]}
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert answer.status_code == 403
    assert "20 of 20 are used, 1 more were asked for, 0 are left" in answer.text


def test_pages_bear_an_instance_without_an_image(alice, sign_in, red, cloud):
    instance = cloud.running("bare")
    with transaction():
        session.get_one(Instance, instance.id).image_id = None
    place = f"{red}/instances/{instance.id}"
    image = r"<dt>Image</dt>\s*<dd>\s*<span class=.muted.>—"
    assert re.search(image, alice.open(place).text)
    for page in (f"{red}/instances", f"{place}/row", f"{place}/activity", f"{place}/settings"):
        assert alice.open(page).status_code == 200, page
    host = f"/admin/hosts/{instance.host_id}"
    assert "bare" in sign_in("ada").open(host).text


def test_a_session_that_ended_brings_the_filled_form_back_and_acts_once(alice, red, cloud):
    fields = alice.fields(f"{red}/instances/new") | {"name": ["kept"]}
    token = alice.token(f"{red}/instances/new")
    cloud.clock.forward(hours=13)
    lost = alice.client.post(f"{red}/instances", data={**fields, "csrf_token": token})
    assert lost.status_code == 401
    luggage = re.search(r'name="kept"[^>]*value="([^"]+)"', lost.text)[1]
    cloud.beat()
    cloud.observe()
    again = alice.send("/login", {"name": "alice", "password": PASSWORD, "kept": luggage})
    assert "Back to the form" in again.text
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', again.text))
    back = alice.client.post(f"{red}/instances", data=hidden)
    assert back.status_code == 200
    assert 'id="name"' in back.text
    assert 'value="kept"' in back.text
    assert "look_again" not in back.text
    assert "kept" not in alice.open(f"{red}/instances").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', back.text)[1]
    answers = [
        alice.client.post(f"{red}/instances", data={**fields, "csrf_token": token}) for _ in "12"
    ]
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1


def test_who_may_not_change_an_instance_reads_its_settings_and_whom_to_ask(sign_in, red, cloud):
    """Seen: a reader's Settings were an empty page."""
    instance = cloud.create("web")
    place = f"{red}/instances/{instance.id}/settings"
    page = sign_in("rita").open(place).text
    assert "you need the role Member in this project" in page
    for words in ("<dt>Hostname</dt>", "<dt>Description</dt>", "<dt>Locked</dt>"):
        assert words in page
    instances.lock(cloud.actor("alice"), instance.project_id, instance.id)
    page = sign_in("bob").open(place).text
    assert "It is locked." in page
    assert "<dt>Hostname</dt>" in page
    assert "you need the role" not in page


def test_the_page_says_of_each_network_what_the_instance_is_there(alice, red, cloud):
    """Seen: Terraform was told of the first network alone, and would have taken the others away."""
    lan = networks.create(
        cloud.actor("alice"), cloud.project().id, name="lan", cidr="10.7.0.0/24", nat=True
    )
    first = cloud.new_instance().network_id
    several = cloud.create("two", nics=(Nic(network_id=first), Nic(network_id=lan.id)))
    page = html.unescape(alice.open(f"{red}/instances/{several.id}").text)
    for network_id in (first, lan.id):
        assert f'href="{red}/networks/{network_id}"' in page
        assert f'uuid = "{network_id}"' in page
    alone = cloud.create("none", nics=())
    page = alice.open(f"{red}/instances/{alone.id}").text
    assert "It is on no network: its console is the only way in." in page
    assert "network {" not in page


def test_another_projects_instance_does_not_exist(sign_in, red, cloud):
    instance = cloud.create("secret")
    charlie = sign_in("charlie")
    assert charlie.open(f"{red}/instances/{instance.id}").status_code == 404
    own = f"/projects/{cloud.project('blue').id}/instances/{instance.id}"
    assert charlie.open(own).status_code == 404


def test_pages_show_the_name_that_resolves(alice, red, cloud):
    cloud.create("web")
    second = cloud.create("web")
    assert ">web-2.internal<" in alice.open(f"{red}/instances/{second.id}").text
    network = alice.open(f"{red}/networks/{cloud.new_instance().network_id}").text
    assert ">web-2<" in network
    assert ">internal<" in network


def test_an_old_name_that_cannot_be_seen_whole_is_deleted_by_typing_what_is_shown(
    alice, red, cloud
):
    instance = cloud.running("web")
    with transaction():
        session.get_one(Instance, instance.id).name = "backup\u202egnp.\u200b  1"
    place = f"{red}/instances/{instance.id}"
    for page in (f"{red}/instances", place, f"{place}/delete", "/", f"{place}/activity"):
        assert "\u202e" not in alice.open(page).text
    assert "<code>backupgnp. 1</code>" in alice.open(f"{place}/delete").text
    assert alice.send(f"{place}/delete", {"confirm": "backupgnp."}).status_code == 422
    assert alice.send(f"{place}/delete", {"confirm": "backupgnp. 1"}).status_code == 303


@pytest.mark.parametrize(
    "name", ["web\u200b1", "backup\u202egnp.1", "\u200b\u200b", "soft\u00adhyphen"]
)
def test_a_name_that_cannot_be_seen_whole_is_refused_and_says_so(alice, red, name):
    fields = alice.fields(f"{red}/instances/new") | {"name": [name]}
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert answer.status_code == 422
    assert "holds what cannot be seen" in answer.text


def test_the_form_begins_with_the_smallest_flavor_that_can_be_had(alice, red, cloud):
    """Seen: the smallest by disk was chosen, and refused for its memory."""
    with transaction():
        for name, vcpus, memory_mib, disk_gib in (
            ("tiny", 1, 64, 2),
            ("flat", 1, 512, 1),
            ("right", 1, 640, 4),
            ("huge", 64, 512, 4),
        ):
            session.add(Flavor(name=name, vcpus=vcpus, memory_mib=memory_mib, disk_gib=disk_gib))
        session.scalar(select(Flavor).where(Flavor.name == "small")).enabled = False
        image = session.scalar(select(Image).where(Image.name == "Demo Linux"))
        image.min_memory_mib, image.min_disk_gib = 512, 2
    fields = alice.fields(f"{red}/instances/new")
    chosen = session.get_one(Flavor, uuid.UUID(fields["flavor_id"][0]))
    assert chosen.name == "right"
    answer = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new")
    assert answer.status_code == 303


def test_all_mistakes_are_said_at_once_each_beside_its_field_and_nowhere_else(alice, red, cloud):
    fields = alice.fields(f"{red}/instances/new") | {
        "name": [""],
        "count": ["21"],
        "user_data": ["#cloud-config\n["],
    }
    page = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new").text
    assert page.count("Some answers need another look") == 1
    for sentence in ("Give it a name.", "From 1 to 20 at once.", "not valid YAML in line 3"):
        assert page.count(sentence) == 1
    for field in ("name", "count", "user_data"):
        assert f'href="#{field}"' in page


def test_a_no_that_no_answer_is_to_blame_for_has_a_headline_of_its_own(alice, red, cloud, visitor):
    fields = alice.fields(f"{red}/instances/new") | {"count": ["20"]}
    cloud.create()
    page = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new").text
    assert "The quota does not allow it" in page
    with transaction():
        session.scalar(select(Host)).enabled = False
    fields["count"] = ["1"]
    fields["key"] = ["another"]
    page = alice.send(f"{red}/instances", fields, page=f"{red}/instances/new").text
    assert "No host has room for it" in page
    assert "Some answers need another look" not in page
    page = visitor.send("/login", {"name": "alice", "password": "wrong"}).text
    assert "You are not signed in" in page
    assert "Some answers need another look" not in page


@pytest.mark.parametrize("key", ["k" * 255, "k" * 256, "k" * 70_000, "k\x01", "k\n"])
def test_a_key_that_is_none_is_refused_and_any_other_acts_once(alice, red, cloud, key):
    fields = alice.fields(f"{red}/instances/new") | {"key": [key]}
    answers = [alice.send(f"{red}/instances", fields, page=f"{red}/instances/new") for _ in "12"]
    assert {each.status_code for each in answers} == ({303} if key == "k" * 255 else {422})
    session.rollback()
    assert len(session.scalars(select(Instance)).all()) == (key == "k" * 255)


def test_an_image_is_used_where_it_is_offered_and_nowhere_else(cloud):
    """Seen: an image that blue shares was taken in red, by somebody with a part in both."""
    bob, blue = cloud.actor("bob"), cloud.project("blue").id
    with transaction():
        session.add(RoleAssignment(user_id=bob.user_id, project_id=blue, role=Role.READER))
        image = Image(
            name="Blue", project_id=blue, user_id=bob.user_id, visibility=Visibility.SHARED,
            format="raw", sha256="b" * 64, size_bytes=2**20, virtual_size_bytes=2**20,
        )  # fmt: skip
        session.add(image)
    with pytest.raises(Refused, match="image was not found"):
        cloud.create(by="bob", image_id=image.id)
    with transaction():
        image = session.get_one(Image, image.id)
        image.visibility = Visibility.PUBLIC
    assert cloud.create(by="bob", image_id=image.id)


def test_what_people_write_is_in_no_error_of_the_database(cloud):
    with pytest.raises(IntegrityError) as broken, transaction():
        session.add(User(name="a canary", password_hash="and its secret"))
    assert "canary" not in str(broken.value)
    assert "secret" not in str(broken.value)


def test_a_guest_whose_host_is_full_says_so_in_list_and_page_with_a_button(alice, red, cloud):
    instance = cloud.running("web")
    host, guest_id = cloud.hosts["kvm-1"], str(instance.id)
    place = f"{red}/instances/{instance.id}"
    assert "Resume" not in alice.open(place).text
    host.put("guest", guest_id, host.get("guest", guest_id) | {"reason": NO_SPACE})
    cloud.look()
    page, row = alice.open(place).text, alice.open(f"{place}/row").text
    assert "Paused: its host has no space left." in page
    assert "it goes on by itself" in page
    assert "Its host has no space left" in row
    assert "hx-trigger" in row, "it may go on by itself"
    assert "hx-trigger" in page
    assert alice.send(f"{place}/actions/resume", page=place).status_code == 303
    cloud.settle()
    page = alice.open(place).text
    assert "Paused" not in page
    assert "hx-trigger" not in alice.open(f"{place}/row").text
