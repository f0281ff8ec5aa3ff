"""What people attach to their things, and how they keep them from harm."""

import pytest
from sqlalchemy import select

from portal.db import session, transaction
from portal.errors import Conflict, Forbidden, Refused
from portal.models import Activity, Image
from portal.services import images, instances, networks
from portal.services.details import Details

GOOD = Details(description="the shop", properties={"tier": "web"}, tags=["blue", "eu", "blue"])
BAD = {
    "too many tags": (Details(tags=[str(n) for n in range(51)]), "At most 50 tags; these are 51."),
    "an empty tag": (Details(tags=[""]), "A tag has 1 to 60 characters."),
    "a long tag": (Details(tags=["x" * 61]), "A tag has 1 to 60 characters."),
    "a tag that is a list": (Details(tags=["a,b"]), "A tag contains no slash and no comma."),
    "too many properties": (
        Details(properties={str(n): "" for n in range(129)}),
        "At most 128 properties; these are 129.",
    ),
    "a property that is no text": (
        Details(properties={"tier": 1}),
        "A property is a text by a name.",
    ),
    "a property without a name": (
        Details(properties={"": "web"}),
        "The name of a property has 1 to 255 characters, its text at most 255.",
    ),
    "a long description": (
        Details(description="x" * 256),
        "A description has at most 255 characters; this one has 256.",
    ),
}


def own_image(cloud) -> Image:
    """An image of Alice's project, whose bytes nobody needs."""
    with transaction():
        image = session.scalar(select(Image))
        image.project_id, image.user_id = cloud.project().id, cloud.actor("alice").user_id
    return image


def test_instances_images_and_networks_have_details(cloud):
    alice, instance = cloud.actor("alice"), cloud.create()
    network_id, image = cloud.new_instance().network_id, own_image(cloud)
    project_id = instance.project_id
    described = [
        instances.describe(alice, project_id, instance.id, GOOD),
        networks.describe(alice, project_id, network_id, GOOD),
        images.describe(cloud.actor("ada"), project_id, image.id, GOOD),
    ]
    for thing in described:
        thing = cloud.see(thing)
        assert (thing.description, thing.properties) == ("the shop", {"tier": "web"})
        assert thing.tags == ["blue", "eu"]


def test_what_is_not_named_stays_as_it_is(cloud):
    alice, instance = cloud.actor("alice"), cloud.create()
    place = instance.project_id, instance.id
    instances.describe(alice, *place, GOOD)
    instances.describe(alice, *place, Details(tags=[]))
    instance = cloud.see(instance)
    assert (instance.description, instance.tags) == ("the shop", [])
    entry = session.scalars(
        select(Activity)
        .where(Activity.action == "instances:describe")
        .order_by(Activity.created_at)
    ).all()[-1]
    assert (entry.before, entry.after) == ({"tags": ["blue", "eu"]}, {"tags": []})


@pytest.mark.parametrize("case", BAD)
def test_details_that_are_too_much_are_refused(cloud, case):
    details, sentence = BAD[case]
    instance = cloud.create()
    with pytest.raises(Refused) as caught:
        instances.describe(cloud.actor("alice"), instance.project_id, instance.id, details)
    assert str(caught.value) == sentence


def test_members_do_not_change_what_an_administrator_has_locked(cloud):
    alice, bob, instance = cloud.actor("alice"), cloud.actor("bob"), cloud.running()
    place = instance.project_id, instance.id
    instances.lock(alice, *place)
    locked = r"web is locked: only administrators of the project change it\."
    for act in (
        lambda: instances.stop(bob, *place),
        lambda: instances.delete(bob, *place),
        lambda: instances.rename(bob, *place, "mine"),
        lambda: instances.describe(bob, *place, GOOD),
    ):
        with pytest.raises(Conflict, match=locked):
            act()
    with pytest.raises(Forbidden):
        instances.lock(bob, *place, locked=False)
    instances.stop(alice, *place)
    cloud.settle()
    instances.lock(alice, *place, locked=False)
    instances.start(bob, *place)


def test_a_protected_image_is_not_deleted(cloud):
    ada, project_id, image = cloud.actor("ada"), cloud.project().id, own_image(cloud)
    images.protect(ada, project_id, image.id)
    with pytest.raises(Conflict, match=r"Demo Linux is protected from deletion\."):
        images.delete(ada, project_id, image.id)
    images.protect(ada, project_id, image.id, protected=False)
    images.delete(ada, project_id, image.id)
    assert cloud.see(image).deleted_at
