"""The record is a chain: what is altered in it afterwards is found, by whoever it is done."""

import re

import pytest
from sqlalchemy import delete, select, text, update

from portal import config, doctor
from portal.conductor import housekeeping
from portal.db import now, session, transaction
from portal.models import Activity, Seal
from portal.services import activities, instances, seals
from tests.crowd import at_once


@pytest.fixture
def written(any_cloud):
    """A cloud with a record of some length, all of it sealed."""
    any_cloud.add_host("kvm-1")
    for name in ("one", "two", "three"):
        any_cloud.create(name)
    any_cloud.settle()
    while seals.seal():
        continue
    return any_cloud


def fault() -> str:
    session.rollback()
    return seals.verify()[2]


def test_a_record_that_nobody_touched_is_whole_and_its_end_is_printed(written):
    count, newest, found = seals.verify()
    assert (found, count) == ("", session.query(Activity).count())
    assert count >= 4
    whats = [each.what for each in doctor.examine(config.current()) if each.ok]
    assert f"The record is whole: {count} entries are sealed, the newest with {newest}" in whats


def an_entry() -> Activity:
    return session.scalars(select(Activity).where(Activity.target_name == "two")).one()


ALTERATIONS = {
    "its words": lambda: (
        update(Activity).where(Activity.id == an_entry().id).values(user_name="mallory")
    ),
    "what was after it": lambda: (
        update(Activity).where(Activity.id == an_entry().id).values(after={"name": "another"})
    ),
    "its time": lambda: (
        update(Activity).where(Activity.id == an_entry().id).values(created_at=now())
    ),
    "its seal": lambda: update(Seal).where(Seal.activity_id == an_entry().id).values(hash="f" * 64),
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_an_entry_that_is_altered_is_found(written, what):
    alteration = ALTERATIONS[what]()
    with transaction():
        session.execute(alteration)
    assert re.search("entry [0-9]+ .*was altered", fault())
    found = [each for each in doctor.examine(config.current()) if not each.ok]
    assert any("was altered" in each.what and "backup" in each.mend for each in found)


def test_an_entry_that_is_taken_away_is_found_also_with_its_seal(written):
    gone = an_entry().id
    with transaction():
        session.execute(delete(Seal).where(Seal.activity_id == gone))
        session.execute(delete(Activity).where(Activity.id == gone))
    assert "one was taken away" in fault()


def test_an_entry_that_is_put_in_between_lies_at_the_end_or_is_found(written, clock):
    count = seals.verify()[0]
    with transaction():
        session.execute(text("UPDATE seals SET position = position + 100 WHERE position > 2"))
        later = session.scalars(select(Seal).where(Seal.position > 2)).all()
        assert len(later) == count - 2
    assert "one was taken away" in fault()


def test_the_conductor_seals_what_was_left_behind(written, clock):
    instances.rename(written.actor("alice"), *whose(written), "renamed")
    clock.forward(minutes=20)
    assert fault() == "entries are not sealed"
    assert seals.seal() == 0  # it looks at what is young
    housekeeping.tidy()
    assert fault() == ""


def whose(cloud):
    [instance, *_] = session.scalars(
        select(Activity.target_id).where(Activity.target_name == "two")
    )
    return cloud.project().id, instance


def test_many_who_write_at_once_are_sealed_in_one_line(written):
    before = seals.verify()[0]

    def write(number: int) -> None:
        for _ in range(5):
            with transaction():
                activities.record(written.actor("alice"), "projects:change", written.project())
            seals.seal()  # by rights the conductor's alone; a second one loses and harms nothing

    assert at_once(8, write)["done"] >= 1
    while seals.seal():
        continue
    count, _, found = seals.verify()
    assert found == ""
    assert before < count == session.query(Activity).count()
