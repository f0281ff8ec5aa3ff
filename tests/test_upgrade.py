"""Whoever ran an earlier version upgrades, and goes on with everything that was there."""

import uuid
from datetime import timedelta

import pytest
import redis
from sqlalchemy import select

from portal import config, create_app, db, migrations
from portal.db import session, transaction
from portal.models import Instance, Operation, Outcome, Power, User
from portal.services import instances, strangers
from tests import installations
from tests.cloud import Cloud, host_row, settings
from tests.pages.conftest import Browser

UNDER_WAY = {"stop": "stopping", "delete": "going", "create": "coming", "fetch": "Debian 13"}
OLD_JOBS = ("orphans.", "downloads.")
A_MINUTE, A_WEEK = timedelta(minutes=1), timedelta(days=7)


@pytest.fixture(params=sorted(installations.REVISIONS))
def upgraded(request, tmp_path, redis_url, clock, new_database):
    """Makes an installation of an earlier version that has been upgraded, so long after it was
    ended; its hosts are as they were, its queue is empty."""

    def upgrade(ago: timedelta) -> Cloud:
        keys_of_hosts = installations.unpack(request.param, tmp_path)
        url = new_database()
        installations.restore(request.param, url, ago=ago)
        migrations.upgrade(url)
        config.use(settings(tmp_path, redis_url, database_url=url))
        db.connect(url)
        cloud = Cloud(tmp_path, redis.Redis.from_url(redis_url), clock)
        for name, key in keys_of_hosts.items():
            cloud.connect(name, key)
        return cloud

    yield upgrade
    db.session.remove()


def instance(name: str) -> Instance:
    session.rollback()
    return session.scalar(select(Instance).where(Instance.name == name))


def guests(cloud: Cloud) -> dict[str, str]:
    """The power of each guest on any host, by the name of its instance."""
    session.rollback()
    return {
        session.get_one(Instance, uuid.UUID(guest_id)).name: guest["power"]
        for host in cloud.hosts.values()
        for guest_id, guest in host.every("guest").items()
    }


def test_what_was_under_way_ends_and_what_was_there_stays(upgraded):
    cloud = upgraded(A_MINUTE)
    before = guests(cloud)
    under_way = set(session.scalars(select(Operation.id).where(Operation.finished_at.is_(None))))
    cloud.settle()
    ended = [session.get_one(Operation, each) for each in under_way]
    assert {each.action: each.target_name for each in ended} == UNDER_WAY
    assert {each.outcome for each in ended} == {Outcome.DONE}
    after = before | {"stopping": "stopped", "coming": "running"}
    del after["going"]
    assert guests(cloud) == after
    for name, power in after.items():
        if name != "failed":
            assert instance(name).settled, name
            assert instance(name).observed == power
    assert instance("failed").fault == "the guest does not fit"
    assert instance("going").deleted_at


def test_a_change_that_was_left_for_a_week_has_ended_and_the_instance_is_managed(upgraded):
    cloud = upgraded(A_WEEK)
    cloud.settle()
    assert not session.scalar(select(Operation.id).where(Operation.finished_at.is_(None)))
    assert instance("going").deleted_at, "what shall be gone is gone, if later"
    stopping = instance("stopping")
    assert stopping.settled
    assert stopping.observed is Power.RUNNING, "a change that failed was taken back"
    assert instance("coming").fault, "its owner is told, and may retry"


@pytest.mark.parametrize("ago", [A_MINUTE, A_WEEK], ids=["a minute", "a week"])
def test_every_instance_can_be_stopped_started_and_deleted_and_a_new_one_made(upgraded, ago):
    cloud = upgraded(ago)
    cloud.settle()
    alice, red = cloud.actor("alice"), cloud.project().id
    there = [each for each in session.scalars(select(Instance)) if each.deleted_at is None]
    for each in there:
        if each.may("stop"):
            instances.stop(alice, red, each.id)
    cloud.settle()
    assert "running" not in guests(cloud).values()
    for each in there:
        if cloud.see(each).may("start"):
            instances.start(alice, red, each.id)
    new = cloud.running("new")
    assert new.observed is Power.RUNNING
    assert {guests(cloud)[each.name] for each in there if not each.fault} == {"running"}
    for each in there:
        instances.delete(alice, red, each.id)
    cloud.settle()
    assert guests(cloud) == {"new": "running"}
    assert all(cloud.see(each).deleted_at for each in there)


def test_hosts_hold_their_tables_and_name_what_belongs_to_nothing(upgraded):
    cloud = upgraded(A_MINUTE)
    cloud.settle()
    [stranger] = strangers.on(host_row("kvm-1"))
    assert stranger.kind == "disks"
    assert stranger.owner == stranger.name, "what it belonged to is known"
    addresses = {
        address
        for each in cloud.hosts["kvm-1"].every("firewall").values()
        for port in each["ports"]
        for address in port["addresses"]
    }
    here = session.scalars(
        select(Instance.name).where(
            Instance.host_id == host_row("kvm-1").id, Instance.deleted_at.is_(None)
        )
    )
    assert len(addresses) == len(list(here)), "each guest's port is filtered, and no other"


def test_what_an_earlier_version_did_is_readable(upgraded):
    cloud = upgraded(A_MINUTE)
    cloud.settle()
    for each in session.scalars(select(User)):
        with transaction():
            each.must_change_password = False
    ada = Browser(create_app(config.current())).sign_in("ada")
    red = cloud.project().id
    pages = [
        f"/projects/{red}/operations/{each.id}"
        for each in session.scalars(select(Operation).where(Operation.project_id == red))
    ]
    pages += [
        f"/projects/{red}/instances/{each.id}"
        for each in session.scalars(select(Instance).where(Instance.deleted_at.is_(None)))
    ]
    pages += [f"/projects/{red}/{each}" for each in ("instances", "operations", "activity")]
    pages += [f"/admin/hosts/{host_row().id}", "/admin/operations", "/admin/audit"]
    for page in pages:
        shown = ada.open(page)
        assert shown.status_code == 200, page
        assert not [word for word in OLD_JOBS if word in shown.text], page
