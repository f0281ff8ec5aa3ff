"""One thing, found by its id or its name, by who may know of it."""

import uuid

import pytest

from portal.db import session, transaction
from portal.errors import Ambiguous, Forbidden, NotFound
from portal.models import (
    Aggregate,
    Flavor,
    Host,
    Image,
    Instance,
    KeyPair,
    Network,
    Project,
    User,
    Visibility,
)
from portal.policies import COMMAND_LINE
from portal.services import flavors, groups, instances, networks, projects
from portal.services.finding import KINDS, find
from portal.services.flavors import NewFlavor
from tests.crowd import at_once
from tests.routes import furnish

OWN = {Instance, Image, Network}  # things of a project


@pytest.fixture
def furnished(cloud):
    return furnish(cloud)


def image(**fields) -> Image:
    plain = {"format": "raw", "sha256": "e" * 64, "size_bytes": 1, "virtual_size_bytes": 1}
    with transaction():
        session.add(made := Image(**plain, **fields))
    return made


def named(cloud, model) -> tuple[str, dict]:
    """What a thing of this kind is called in a furnished cloud, and where it is looked for."""
    own = {Host: "kvm-1", User: "alice", Project: "red", Aggregate: "rack 7"}
    name = own.get(model, "of-red")
    return name, {"project_id": cloud.project().id} if model in OWN else {}


def refusal(kind: type, *arguments, **more) -> str:
    with pytest.raises(kind) as refused:
        find(*arguments, **more)
    return str(refused.value)


@pytest.mark.parametrize("model", [each for each in KINDS if hasattr(each, "name")])
def test_a_name_an_id_and_the_text_of_an_id_lead_to_the_same(furnished, model):
    actor = furnished.actor("alice" if model is KeyPair else "ada")
    name, where = named(furnished, model)
    there = find(actor, model, name, **where)
    assert there.name == name
    for told in (there.id, str(there.id), there.id.hex, f"  {name} "):
        assert find(actor, model, told, **where) is there


@pytest.mark.parametrize("model", KINDS)
def test_what_there_is_not_is_said_in_words_of_its_kind(furnished, model):
    where = {"project_id": furnished.project().id} if KINDS[model].permission else {}
    for told in (uuid.uuid4(), str(uuid.uuid4()), "no such name", "", "nul\0", "x" * 300):
        said = refusal(NotFound, furnished.actor("ada"), model, told, **where)
        assert said == str(KINDS[model].missing)


@pytest.mark.parametrize("model", [Instance, Image, Network, KeyPair, Project])
def test_what_is_anothers_is_answered_like_what_does_not_exist(furnished, model):
    name = {Project: "blue"}.get(model, "of-blue")
    actor, (_, where) = furnished.actor("alice"), named(furnished, model)
    foreign = session.query(model).filter_by(name=name).one().id
    answers = {
        refusal(NotFound, actor, model, told, **where)
        for told in (foreign, str(foreign), name, uuid.uuid4(), "no such name")
    }
    assert answers == {str(KINDS[model].missing)}


def test_who_may_look_at_none_is_refused_whatever_they_name(furnished):
    for model, name in ((Host, "kvm-1"), (Flavor, "of-red"), (User, "bob")):
        answers = {
            refusal(Forbidden, furnished.actor("alice"), model, told)
            for told in (name, uuid.uuid4())
        }
        assert len(answers) == 1
    blue = furnished.project("blue").id
    refusal(NotFound, furnished.actor("alice"), Instance, "of-blue", project_id=blue)


def test_two_of_a_name_are_told_apart_by_their_ids(cloud):
    made = [cloud.create("web") for _ in "12"]
    where = {"project_id": cloud.project().id}
    with pytest.raises(Ambiguous) as refused:
        find(cloud.actor("alice"), Instance, "web", **where)
    assert refused.value.status == 409
    assert "Several instances are named web" in str(refused.value)
    assert all(str(each.id)[:8] in str(refused.value) for each in made)
    for each in made:
        assert find(cloud.actor("alice"), Instance, str(each.id), **where) is each


def test_many_of_a_name_are_not_all_listed(cloud):
    for number in range(7):
        project_id = cloud.project().id
        networks.create(cloud.actor("alice"), project_id, "lan", f"10.9.{number}.0/24", nat=True)
    said = refusal(Ambiguous, cloud.actor("alice"), Network, "lan", project_id=cloud.project().id)
    assert said.count(", ") == 4
    assert "and others" in said


def test_only_what_one_may_know_of_makes_a_name_ambiguous(cloud):
    for number, name in enumerate(("red", "blue")):
        owner = cloud.actor({"red": "alice", "blue": "charlie"}[name])
        networks.create(owner, cloud.project(name).id, "lan", f"10.9.{number}.0/24", nat=True)
        image(name="mine", user_id=owner.user_id, project_id=cloud.project(name).id)
    where = {"project_id": cloud.project().id}
    for model, name in ((Network, "lan"), (Image, "mine")):
        assert find(cloud.actor("alice"), model, name, **where).project_id == cloud.project().id
    with pytest.raises(Ambiguous):
        find(COMMAND_LINE, Network, "lan")


def test_a_name_that_looks_like_an_id_is_a_name_where_there_is_no_such_id(cloud):
    where = {"project_id": cloud.project().id}
    other, text = cloud.create("web"), str(uuid.uuid4())
    odd = cloud.create(text)
    assert find(cloud.actor("alice"), Instance, text, **where) is odd
    instances.rename(cloud.actor("alice"), where["project_id"], odd.id, str(other.id))
    assert find(cloud.actor("alice"), Instance, str(other.id), **where) is other


def test_a_name_is_found_however_its_letters_were_composed(cloud):
    cloud.create("Caf\u00e9")
    where = {"project_id": cloud.project().id}
    assert find(cloud.actor("alice"), Instance, "Cafe\u0301", **where).name == "Caf\u00e9"


def test_what_was_deleted_is_found_by_nothing(cloud):
    alice, where = cloud.actor("alice"), {"project_id": cloud.project().id}
    instance = cloud.running("web")
    instances.delete(alice, where["project_id"], instance.id)
    assert find(alice, Instance, instance.id, **where) is instance
    refusal(NotFound, alice, Instance, "web", **where)
    again = cloud.create("web")
    assert find(alice, Instance, "web", **where) is again
    cloud.settle()
    network = networks.create(alice, where["project_id"], "lan", "10.9.0.0/24", nat=True)
    networks.delete(alice, where["project_id"], network.id)
    for model, told in ((Instance, instance.id), (Network, network.id), (Network, "lan")):
        refusal(NotFound, alice, model, told, **where)


def test_an_image_is_found_where_it_is_offered(cloud):
    blue, alice = cloud.project("blue").id, cloud.actor("alice")
    image(name="shared", project_id=blue, visibility=Visibility.SHARED)
    image(name="public", project_id=blue, visibility=Visibility.PUBLIC)
    assert find(alice, Image, "public", project_id=cloud.project().id).project_id == blue
    refusal(NotFound, alice, Image, "shared", project_id=cloud.project().id)
    assert find(COMMAND_LINE, Image, "shared").project_id == blue


def test_a_disabled_project_is_found_by_administrators_alone(cloud):
    ada, alice = cloud.actor("ada"), cloud.actor("alice")
    assert projects.find(alice, "red").name == "red"
    projects.enable(ada, cloud.project().id, enabled=False)
    assert refusal(NotFound, cloud.actor("alice"), Project, "red") == str(KINDS[Project].missing)
    assert projects.find(ada, "red").name == "red"


def test_of_many_who_delete_a_thing_at_once_one_does_and_the_others_find_none(any_cloud):
    ada = any_cloud.actor("ada")
    group_id = groups.create(ada, "crew").id
    assert at_once(4, lambda _: groups.delete(ada, group_id)) == {"done": 1, "NotFound": 3}
    numbers = {"vcpus": 1, "memory_mib": 512, "disk_gib": 1}
    flavor_id = flavors.create(ada, NewFlavor(name="odd", **numbers)).id
    assert at_once(4, lambda _: flavors.delete(ada, flavor_id)) == {"done": 1, "NotFound": 3}
