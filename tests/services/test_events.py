"""Events of a project: each once, in one order that never changes, for readers who come and go."""

import multiprocessing
import uuid

import pytest
from sqlalchemy import select

from portal.db import session, transaction
from portal.errors import NotFound
from portal.models import Event
from portal.services import events, networks, quotas
from tests.crowd import at_once

WRITERS, EACH = 6, 8


def number() -> None:
    while events.number():
        continue


def after(cloud, mark, *, by="alice", project="red", most=100):
    return events.after(cloud.actor(by), cloud.project(project).id, mark, most=most)


def make(cloud, name: str = "lan") -> None:
    """Something has happened that needs no host."""
    networks.create(cloud.actor("alice"), cloud.project().id, name, "10.9.9.0/24", nat=True)


@pytest.fixture
def begun(cloud) -> str:
    """The mark of this moment."""
    number()
    return after(cloud, None)[1]


def kinds(told) -> list[str]:
    return [str(each.event.kind) for each in told]


def test_a_change_is_told_from_its_wish_to_its_end(cloud, begun):
    instance = cloud.create("web")
    number()
    first, mark = after(cloud, begun)
    assert sorted(kinds(first)) == ["activity", "began"]
    assert {each.activity.target_id for each in first if each.activity} == {instance.id}
    cloud.settle()
    number()
    told, mark = after(cloud, mark)
    assert kinds(told) == ["ended"]
    assert told[0].operation.target_id == instance.id
    assert after(cloud, mark) == ([], mark)


def test_a_page_ends_where_the_next_one_begins(cloud, begun):
    for at in range(5):
        networks.create(
            cloud.actor("alice"), cloud.project().id, f"n{at}", f"10.9.{at}.0/24", nat=True
        )
    number()
    whole, end = after(cloud, begun)
    seen, mark = [], begun
    while mark != end:
        told, mark = after(cloud, mark, most=2)
        assert len(told) <= 2
        seen += [each.event.mark for each in told]
    assert seen == [each.event.mark for each in whole]
    assert len(seen) == len(set(seen)) >= 5


def test_others_are_told_nothing_of_it(cloud, begun):
    cloud.create("web")
    number()
    told, mark = after(cloud, begun, by="charlie", project="blue")
    assert told == []
    assert mark != begun
    with pytest.raises(NotFound):
        after(cloud, begun, by="charlie")


def test_what_is_too_old_or_was_never_said_is_refused(cloud, begun):
    for mark in ("1-00000000", "999999-00000000", "x", "", "-1", begun.partition("-")[0], "9" * 40):
        with pytest.raises(events.Forgotten):
            after(cloud, mark)
    make(cloud)
    number()
    assert after(cloud, "0")[0]
    cloud.clock.forward(days=8)
    networks.create(cloud.actor("alice"), cloud.project().id, "b", "10.9.8.0/24", nat=True)
    number()
    mark = after(cloud, None)[1]
    with transaction():
        events.forget()
    for old in (begun, "0"):
        with pytest.raises(events.Forgotten):
            after(cloud, old)
    assert after(cloud, mark) == ([], mark)


def test_places_go_on_when_all_is_forgotten(cloud, begun):
    cloud.clock.forward(days=8)
    with transaction():
        events.forget()
    assert session.scalars(select(Event.position)).all() == [int(begun.partition("-")[0])]
    make(cloud)
    number()
    assert len(after(cloud, begun)[0]) == 1


def test_what_came_late_is_numbered_with_everything(cloud, begun):
    cloud.create("web")
    cloud.clock.forward(hours=1)
    assert not events.number()
    assert events.number(everything=True) == {cloud.project().id}
    assert len(after(cloud, begun)[0]) == 2


def test_a_mark_of_another_history_names_nothing(cloud, begun):
    """As after an old copy of the database was put back."""
    cloud.create("web")
    number()
    mark = after(cloud, None)[1]
    with transaction():
        event = session.scalar(select(Event).where(Event.position == int(mark.partition("-")[0])))
        event.id = uuid.uuid4()
    with pytest.raises(events.Forgotten):
        after(cloud, mark)


def test_nothing_is_lost_or_told_twice_beside_many_writers(any_cloud):
    """Whoever commits last may have begun first: a reader that goes on meanwhile sees both."""
    cloud = any_cloud
    alice, project_id = cloud.actor("alice"), cloud.project().id
    quotas.change(
        cloud.actor("ada"),
        project_id,
        {name: each.limit for name, each in quotas.usage(project_id).items()} | {"networks": 500},
    )
    number()
    mark, answers = after(cloud, None)[1], multiprocessing.get_context("fork").SimpleQueue()

    def act(person: int):
        if person:
            write(person)
        else:
            answers.put(read())

    def write(person: int):
        for at in range(EACH):
            name, cidr = f"n{person}-{at}", f"10.{person + 20}.{at}.0/24"
            networks.create(alice, project_id, name, cidr, nat=True)

    def read() -> list[tuple[int, str]]:
        here, seen = mark, []
        while len(seen) < WRITERS * EACH:
            number()
            told, here = events.after(alice, project_id, here, most=3)
            seen += [(each.event.position, each.activity.target_name) for each in told]
        return seen

    assert at_once(WRITERS + 1, act) == {"done": WRITERS + 1}
    seen = answers.get()
    wanted = [f"n{person}-{at}" for person in range(1, WRITERS + 1) for at in range(EACH)]
    assert sorted(name for _, name in seen) == sorted(wanted)
    places = [place for place, _ in seen]
    assert places == sorted(set(places))
