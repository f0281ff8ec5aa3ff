"""What a person is shown was so at one moment, whatever the conductor does meanwhile."""

import contextlib
import itertools
import threading

import pytest
from sqlalchemy import event

from portal.conductor import tick
from portal.db import session
from portal.models import ImageStatus, Status
from portal.services import hosts, images, instances, networks
from portal.services.listing import Query

PATIENCE_SECONDS = 30


@contextlib.contextmanager
def beside(does, *, number: int | None = None):
    """Something is done, by another thread, before this one's statement of this number, or before
    each of them; yields the list of what it returned."""
    home, count, said = threading.current_thread(), itertools.count(), []

    def act():
        try:
            said.append(does())
        finally:
            session.remove()

    def watch(*_):
        if threading.current_thread() is home and number in (None, next(count)):
            other = threading.Thread(target=act)
            other.start()
            other.join(PATIENCE_SECONDS)
            assert not other.is_alive()

    session.remove()
    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", watch)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", watch)
        session.remove()


def in_the_list(actor, instance):
    return instances.listed(actor, instance.project_id, Query())[0]


def on_its_page(actor, instance):
    return [instances.find_whole(actor, instance.project_id, instance.id)]


def on_its_network(actor, instance):
    [network] = networks.of_project(actor, instance.project_id)
    wanted = Query(sort="created_at")
    rows, _ = networks.listed_ports(actor, instance.project_id, network.id, wanted)
    return [row for _, row in rows]


def on_its_host(actor, instance):
    return hosts.instances(actor, instance.host_id)


@pytest.fixture
def built(cloud):
    """An instance whose host has said that it runs; nobody has heard it yet."""
    instance = cloud.create()
    for _ in range(2):
        tick.tick(cloud.wire)
        cloud.work()
    assert cloud.see(instance).status is Status.BUILDING
    return instance


LOOKS = [in_the_list, on_its_page, on_its_network, on_its_host]
MOST_STATEMENTS = 12


@pytest.mark.parametrize("number", range(MOST_STATEMENTS))
@pytest.mark.parametrize("look", LOOKS)
def test_a_new_instance_is_building_and_then_runs(cloud, built, look, number):
    """Seen: it was said to be missing in between, when the conductor came between two statements
    of a page."""
    actor = cloud.actor("ada" if look is on_its_host else "alice")
    with beside(lambda: tick.tick(cloud.wire), number=number) as acted:
        [row] = look(actor, built)
        assert row.status in (Status.BUILDING, Status.RUNNING)
        assert acted or row.status is Status.BUILDING


@pytest.mark.parametrize("look", LOOKS)
def test_the_conductor_shows_nothing_by_halves(cloud, built, look):
    actor = cloud.actor("ada" if look is on_its_host else "alice")
    with beside(lambda: look(actor, built)[0].status) as seen:
        tick.tick(cloud.wire)
    assert set(seen) <= {Status.BUILDING, Status.RUNNING}
    assert seen == sorted(seen, key=[Status.BUILDING, Status.RUNNING].index)
    assert look(actor, built)[0].status is Status.RUNNING


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("place", ["list", "page", "offers"])
def test_an_image_is_fetched_and_then_ready(cloud, place, number):
    """Seen: it was said to have failed in between."""
    ada, red = cloud.actor("ada"), cloud.project().id
    image_id = images.fetch(ada, red, "debian-13").id
    looks = {
        "list": lambda: images.listed(ada, red, Query())[0],
        "page": lambda: [images.find_whole(ada, red, image_id)],
        "offers": lambda: [each for _, each in images.published(ada) if each],
    }
    tick.tick(cloud.wire)
    cloud.work()
    with beside(lambda: tick.tick(cloud.wire), number=number):
        found = [each for each in looks[place]() if each.id == image_id]
        assert [each.status for each in found] in ([ImageStatus.FETCHING], [ImageStatus.READY])
