"""Lists that go on where they ended, for programs."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.db import now, session, transaction
from portal.errors import Refused
from portal.models import Flavor
from portal.services.listing import Stretch, stretch

COLUMNS = {name: getattr(Flavor, name) for name in ("name", "vcpus", "created_at", "id")}


@pytest.fixture
def flavors(cloud):
    """Twelve that are like one another in pairs, and in threes of one moment."""
    moment = now()
    with transaction():
        for number in range(12):
            session.add(
                Flavor(
                    name=f"f-{number:02}",
                    vcpus=number // 2 + 10,
                    memory_mib=512,
                    disk_gib=1,
                    created_at=moment + timedelta(seconds=number // 3),
                )
            )
    return select(Flavor).where(Flavor.name.startswith("f-"))


def walked(query, order, limit: int) -> list[str]:
    """All names, a stretch at a time."""
    found, more, after = [], True, None
    while more:
        wanted = Stretch(order=order, after=after, limit=limit)
        some, more = stretch(query, wanted, COLUMNS)
        found += [each.name for each in some]
        after = some[-1].id
    return found


@pytest.mark.parametrize("limit", [1, 2, 5, 12, 100])
@pytest.mark.parametrize(
    "order",
    [
        (("created_at", True),),
        (("vcpus", False),),
        (("vcpus", True), ("name", False)),
        (("created_at", False), ("name", True)),
        (),
    ],
)
def test_every_stretch_together_is_the_whole_list_in_its_order(flavors, order, limit):
    whole, more = stretch(flavors, Stretch(order=order), COLUMNS)
    assert not more
    expected = whole
    for name, descending in reversed(order):
        expected = sorted(expected, key=lambda each, by=name: getattr(each, by), reverse=descending)
    assert whole == expected
    names = [each.name for each in whole]
    assert len(set(names)) == 12
    assert walked(flavors, order, limit) == names


def test_what_is_before_a_thing_is_walked_backwards_in_the_same_order(flavors):
    order = (("name", False),)
    whole, _ = stretch(flavors, Stretch(order=order), COLUMNS)
    wanted = Stretch(order=order, after=whole[7].id, limit=3, backwards=True)
    found, more = stretch(flavors, wanted, COLUMNS)
    assert ([each.name for each in found], more) == (["f-04", "f-05", "f-06"], True)
    wanted = Stretch(order=order, after=whole[2].id, limit=3, backwards=True)
    found, more = stretch(flavors, wanted, COLUMNS)
    assert ([each.name for each in found], more) == (["f-00", "f-01"], False)


def test_rows_that_come_and_go_are_neither_doubled_nor_make_others_missing(flavors):
    order = (("name", False),)
    first, _ = stretch(flavors, Stretch(order=order, limit=4), COLUMNS)
    with transaction():
        session.delete(session.get(Flavor, first[1].id))
        session.add(Flavor(name="f-01a", vcpus=1, memory_mib=512, disk_gib=1))
    rest, _ = stretch(flavors, Stretch(order=order, after=first[-1].id), COLUMNS)
    assert [each.name for each in rest] == [f"f-{number:02}" for number in range(4, 12)]


def test_a_marker_that_is_in_another_list_is_refused(flavors):
    other = session.scalar(select(Flavor.id).where(Flavor.name == "small"))
    for after in (other, uuid.uuid4()):
        with pytest.raises(Refused, match="begin it anew"):
            stretch(flavors, Stretch(after=after), COLUMNS)


def test_filters_ask_for_any_of_their_values_and_for_all_at_once(flavors):
    def named(**filters):
        found, _ = stretch(flavors, Stretch(filters=filters), COLUMNS, filters=meant)
        return sorted(each.name for each in found)

    meant = {"at_least": lambda values: Flavor.vcpus >= max(values)}
    assert named(name=("f-01", "f-07")) == ["f-01", "f-07"]
    assert named(name=("f-01", "f-07"), vcpus=(13,)) == ["f-07"]
    assert named(at_least=(15,)) == ["f-10", "f-11"]
    assert named(name=()) == []


def test_none_are_none_and_lead_on_nowhere(flavors):
    assert stretch(flavors, Stretch(limit=0), COLUMNS) == ([], False)
