"""The one way to change anything: whole, one after the other, never on what was read before."""

import pytest
from sqlalchemy import select, text

from portal import db
from portal.db import session, transaction
from portal.models import Flavor
from portal.services import projects


def flavor() -> Flavor:
    return session.scalars(select(Flavor).where(Flavor.name == "small")).one()


def test_what_was_read_before_a_change_is_read_again_inside(any_cloud):
    with transaction():
        small = flavor()
        small.vcpus = 2
    with session.get_bind().begin() as elsewhere:
        elsewhere.execute(text("UPDATE flavors SET vcpus = 3 WHERE name = 'small'"))
    with transaction():
        assert session.get_one(Flavor, small.id).vcpus == 3


def test_what_was_changed_before_an_error_is_not_changed(bare_cloud):
    def change_and_break() -> None:
        with transaction():
            flavor().vcpus = 2
            session.flush()
            db.after_commit(lambda: followed.append("rolled back"))
            followed.append(1 // 0)

    followed = []
    with pytest.raises(ZeroDivisionError):
        change_and_break()
    assert flavor().vcpus == 1
    assert not followed


def test_what_shall_follow_a_commit_follows_it(bare_cloud):
    followed = []
    with transaction():
        db.after_commit(lambda: followed.append("committed"))
        assert not followed
    assert followed == ["committed"]


def test_a_use_case_inside_a_use_case_is_an_error(bare_cloud):
    with transaction(), pytest.raises(RuntimeError, match="inside a use-case"):
        projects.create(bare_cloud.actor("ada"), "green")


def test_a_moment_without_a_time_zone_is_not_stored(bare_cloud):
    with pytest.raises(Exception, match="without a time zone"), transaction():
        flavor().created_at = db.now().replace(tzinfo=None)
