"""The one way to change anything: whole, one after the other, never on what was read before."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal import db
from portal.db import session, together, transaction, write
from portal.models import Activity, Flavor, Role, RoleAssignment, User
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


def test_what_is_written_together_is_there_once_it_ends(any_cloud):
    user_id, moment = uuid.uuid4(), db.now() - timedelta(days=1)
    domain_id = session.scalar(select(User.domain_id).limit(1))
    size = {"vcpus": 1, "memory_mib": 64, "disk_gib": 1}
    with transaction(), together():
        names = ('a "tiny" \N{SNOWMAN}', "b\\n")
        write(Flavor, [{"name": each, "reads_as": each, **size} for each in names])
        person = {"name": "Eve", "reads_as": "eve", "password_hash": "", "created_at": moment}
        write(User, [{"id": user_id, "domain_id": domain_id, **person}])
        write(RoleAssignment, [{"user_id": user_id, "project_id": None, "role": Role.READER}])
        write(Flavor, [])
        write(
            Activity, [{"action": "x", "user_name": "Eve", "after": {"said": ["\N{SNOWMAN}", 1]}}]
        )
        assert session.get(User, user_id) is None
    eve = session.get_one(User, user_id)
    assert (eve.name, eve.created_at, eve.description, eve.enabled) == ("Eve", moment, "", True)
    assert eve.cloud_role is Role.READER
    flavors = session.scalars(select(Flavor).where(Flavor.memory_mib == 64).order_by(Flavor.name))
    assert [(each.name, each.enabled) for each in flavors] == [
        ('a "tiny" \N{SNOWMAN}', True),
        ("b\\n", True),
    ]
    entry = session.scalars(select(Activity).where(Activity.action == "x")).one()
    assert (entry.before, entry.after) == (None, {"said": ["\N{SNOWMAN}", 1]})


def test_what_would_be_written_together_is_not_written_after_an_error(any_cloud):
    def write_and_break() -> None:
        with transaction(), together():
            write(
                Flavor,
                [{"name": "tiny", "reads_as": "tiny", "vcpus": 1, "memory_mib": 64, "disk_gib": 1}],
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_break()
    with transaction():
        write(Flavor, [{"name": "small enough", "vcpus": 1, "memory_mib": 64, "disk_gib": 1}])
    assert session.scalars(select(Flavor.name).where(Flavor.memory_mib == 64)).all() == [
        "small enough"
    ]


def test_a_use_case_inside_a_use_case_is_an_error(bare_cloud):
    with transaction(), pytest.raises(RuntimeError, match="inside a use-case"):
        projects.create(bare_cloud.actor("ada"), "green")


def test_a_moment_without_a_time_zone_is_not_stored(bare_cloud):
    with pytest.raises(Exception, match="without a time zone"), transaction():
        flavor().created_at = db.now().replace(tzinfo=None)
