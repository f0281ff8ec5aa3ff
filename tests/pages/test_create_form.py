"""The form that creates instances: what it begins with, what it says before it is sent, and a key
that is pasted into it."""

import re
import uuid

import pytest
from sqlalchemy import select

from portal.db import now, session, transaction
from portal.models import Flavor, Image, Instance, KeyPair, Visibility
from portal.services import instances, quotas, security_groups
from tests.pages.test_key_pairs import new_key

NO_SSH = "None: you cannot log in by SSH"


@pytest.fixture
def form(red):
    return f"{red}/instances/new"


@pytest.fixture
def send(alice, red, form):
    """Alice sends the form as it stands, but for these answers."""
    return lambda **answers: alice.send(
        f"{red}/instances",
        alice.fields(form) | {name: [value] for name, value in answers.items()},
        page=form,
    )


def dock(page: str) -> str:
    """What stands beside the button at the foot of a phone."""
    said = re.search(r'class="dock">(.*?)</p>', page, re.DOTALL)[1]
    return " ".join(re.sub("<[^>]+>", " ", said).split()).replace("\N{MULTIPLICATION SIGN}", "x")


def newest(model):
    session.rollback()
    return session.scalars(select(model).order_by(model.created_at.desc())).first()


def upload(cloud, name: str, by: str, visibility: Visibility, **more) -> Image:
    with transaction():
        image = Image(
            name=name, project_id=cloud.project().id, user_id=cloud.actor(by).user_id,
            visibility=visibility, format="raw", sha256=name.encode().hex().ljust(64, "0"),
            size_bytes=2**20, virtual_size_bytes=2**20, **more,
        )  # fmt: skip
        session.add(image)
    return image


def test_a_key_can_be_pasted_on_the_spot_and_is_kept(alice, send, form):
    assert NO_SSH in alice.open(form).text
    assert "Without a key you cannot log in by SSH." in alice.open(form).text
    line = new_key("alice@laptop")
    assert send(public_key=line).status_code == 303
    [key] = session.scalars(select(KeyPair))
    assert (key.name, key.public_key) == ("alice@laptop", line)
    assert newest(Instance).public_keys == [["alice@laptop", line]]
    assert "alice@laptop" in alice.open("/account/ssh-keys").text
    assert NO_SSH not in alice.open(form).text


def test_a_key_that_one_has_already_is_taken_and_no_second_one_is_made(send):
    line = new_key("laptop")
    answers = {
        send(name="web", public_key=line, key="twice", key_name="mine", key_pair_id="").location
        for _ in "12"
    }
    assert len(answers) == 1
    assert send(public_key=line, key="another").status_code == 303
    assert [each.name for each in session.scalars(select(KeyPair))] == ["mine"]
    assert newest(Instance).key_name == "mine"


def test_a_key_that_is_none_is_refused_as_on_its_own_page_and_nothing_is_lost(send):
    page = send(public_key="AAAA", key_name="mine", name="", user_data="#cloud-config\n{}").text
    for sentence in ("This is no public key in OpenSSH&#39;s format", "Give it a name."):
        assert page.count(sentence) == 1
    for kept in (">\r\nAAAA<", 'value="mine"', "#cloud-config", 'href="#public_key"'):
        assert kept in page
    assert session.scalar(select(KeyPair)) is None
    assert session.scalar(select(Instance)) is None


def test_a_private_key_is_not_shown_again(send):
    secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----"
    answer = send(public_key=secret)
    assert answer.status_code == 422
    assert "This is a private key" in answer.text
    assert "c2VjcmV0" not in answer.text


def test_the_name_of_a_key_that_is_taken_is_said_beside_it(alice, send):
    send(public_key=new_key("laptop"))
    page = send(public_key=new_key(), key_name="laptop").text
    assert "You have a key named laptop already." in page
    assert 'id="key_name-wrong"' in page
    assert 'id="name-wrong"' not in page


def test_a_key_that_was_pasted_is_chosen_where_the_rest_is_refused(send):
    page = send(public_key=new_key("laptop"), name="").text
    assert "The key laptop is among yours" in page
    assert re.search(r"<option selected[^>]*>laptop</option>", page)


def test_a_reader_keeps_no_key_by_this_form(sign_in, red):
    rita = sign_in("rita")
    answer = rita.send(
        f"{red}/instances", {"public_key": new_key("x")}, page="/account/ssh-keys/new"
    )
    assert answer.status_code == 403
    assert session.scalar(select(KeyPair)) is None


def test_how_many_fit_is_said_before_the_form_is_sent(alice, sign_in, red, form, cloud):
    """Seen: "1 of 8 vCPUs left" where 3 of 8 were in use: its own first ones were counted."""
    cloud.hosts["kvm-1"].put("host", "size", {"vcpus": 2, "memory_mib": 65_536})
    cloud.look()
    large = session.scalar(select(Flavor.id).where(Flavor.name == "large"))
    quotas.change(cloud.actor("ada"), cloud.project().id, {"memory_mib": 65_536})
    for _ in range(3):
        cloud.create()
    fields = alice.fields(form) | {"flavor_id": [str(large)], "count": ["4"]}
    said = "1 of 4 fits now: no host has room for more"
    shown = alice.send(f"{form}/summary", fields, page=form).text
    assert f"{said}." in shown
    assert dock(shown) == f"4 x large {said}"
    assert 'value="4"' in shown
    part = alice.client.get(
        f"{form}/summary", query_string=fields, headers={"HX-Request-Type": "partial"}
    )
    assert dock(part.text) == f"4 x large {said}"
    refused = alice.send(f"{red}/instances", fields, page=form).text
    assert "1 of 4 fits now, then no host has room: the only host is full" in refused
    assert "Ask for 1, choose a smaller flavor" in refused
    fields = sign_in("ada").fields(form) | {"flavor_id": [str(large)], "count": ["4"]}
    refused = sign_in("ada").send(f"{red}/instances", fields, page=form).text
    assert "kvm-1 has 5 of 8 vCPUs left, and each takes 4" in refused


def test_what_the_quota_lacks_is_said_before_the_form_is_sent(alice, form, cloud):
    quotas.change(cloud.actor("ada"), cloud.project().id, {"vcpus": 3, "memory_mib": 1536})
    fields = alice.fields(form) | {"count": ["4"]}
    shown = alice.send(f"{form}/summary", fields, page=form).text
    assert dock(shown).startswith("4 x small 3 of 4 fit now: the quota has ")
    quotas.change(cloud.actor("ada"), cloud.project().id, {"vcpus": 30})
    shown = alice.send(f"{form}/summary", fields, page=form).text
    lacks = "the quota has 1.5 GiB of memory left, each takes 512 MiB"
    assert dock(shown) == f"4 x small 3 of 4 fit now: {lacks}"
    shown = alice.send(f"{form}/summary", fields | {"count": ["3"]}, page=form).text
    assert dock(shown) == "3 x small fit now"
    assert dock(alice.open(form).text) == "1 x small fits now"


def test_a_flavor_that_is_too_small_for_the_image_is_named_before(alice, form, cloud):
    image = upload(cloud, "Big", "alice", Visibility.SHARED, min_memory_mib=4096)
    small = session.scalar(select(Flavor.id).where(Flavor.name == "small"))
    fields = alice.fields(form) | {"image_id": [str(image.id)], "flavor_id": [str(small)]}
    shown = alice.send(f"{form}/summary", fields, page=form).text
    assert "Big needs 4 GiB of memory, small has 512 MiB." in shown


def test_the_form_begins_with_what_one_used_last_or_else_with_a_public_image(
    alice, sign_in, form, cloud
):
    """Seen: a private upload that nobody had tried yet was chosen, as the newest."""

    def chosen(person) -> str:
        session.rollback()
        return session.get_one(Image, uuid.UUID(person.fields(form)["image_id"][0])).name

    cloud.clock.forward(minutes=1)
    cloud.look()
    private = upload(cloud, "Untried", "alice", Visibility.PRIVATE)
    bob = sign_in("bob")
    assert chosen(alice) == chosen(bob) == "Demo Linux"
    cloud.create(by="alice", image_id=private.id)
    assert (chosen(alice), chosen(bob)) == ("Untried", "Demo Linux")
    place = cloud.create("last", by="alice")
    instances.delete(cloud.actor("alice"), place.project_id, place.id)
    assert chosen(alice) == "Demo Linux"


def test_cards_of_images_say_for_whom_of_when_and_as_whom_one_logs_in(alice, form, cloud):
    upload(cloud, "Mine", "alice", Visibility.PRIVATE, login_user="tiny", min_disk_gib=2)
    page = alice.open(form).text
    day = f"{now():%Y-%m-%d}"
    assert f"Private, of {day} · log in as tiny · needs 2 GiB of disk" in page
    assert f"Public, of {day}" in page


def test_what_was_typed_is_in_no_address(alice, form, red):
    """Addresses are in logs; user data and keys are nobody's business there."""
    page = alice.open(form).text
    assert 'formmethod="get"' not in page
    included = re.search(r'hx-include="([^"]+)"', page)[1]
    assert ":not(textarea)" in included
    fields = alice.fields(form) | {"user_data": ["#!/bin/sh\n# canary"], "name": ["mine"]}
    shown = alice.send(f"{form}/summary", fields, page=form)
    assert shown.status_code == 200
    assert "# canary" in shown.text
    assert "mine" in shown.text


def test_groups_that_programs_made_can_be_chosen_and_are_not_unless_somebody_does(
    alice, form, cloud
):
    actor, red = cloud.actor("alice"), cloud.project()
    made = [security_groups.create(actor, red.id, name) for name in ("web", "")]
    page = alice.open(form).text
    chosen = alice.fields(form)["group_ids"]
    for group in made:
        assert str(group.id) in page
        assert str(group.id) not in chosen
    assert f">{str(made[1].id)[:8]}<" in page  # it has no name
    assert len(chosen) == 2
