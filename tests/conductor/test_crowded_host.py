"""A host with much to do, and who waits behind whom."""

import pytest
from sqlalchemy import select

from portal import db
from portal.conductor.tick import LOOKED_AT_PER_HOST
from portal.db import session, transaction
from portal.models import Power, Quota, Task
from portal.services import instances

TWENTY = 20


@pytest.fixture
def shutting_down(cloud, clock, monkeypatch):
    """Twenty guests, each told to stop, take their time; time stands still meanwhile."""
    assert TWENTY > LOOKED_AT_PER_HOST
    red = cloud.project().id
    with transaction():
        for name, limit in (("instances", 30), ("vcpus", 30), ("memory_mib", 30 * 512)):
            session.add(Quota(project_id=red, resource=name, limit=limit))
    alice, host = cloud.actor("alice"), cloud.hosts["kvm-1"]
    made = instances.create(alice, cloud.new_instance("web", count=TWENTY))
    cloud.settle()
    for guest_id, guest in host.every("guest").items():
        host.put("guest", guest_id, guest | {"deaf": True})
    stands = clock()
    monkeypatch.setattr(db, "clock", lambda: stands)
    for each in made:
        instances.stop(alice, red, each.id)
    while cloud.turn():
        pass


def waiting(cloud) -> int:
    """How many tasks wait for their guest."""
    session.rollback()
    paused = select(Task.id).where(Task.finished_at.is_(None), Task.due_at > db.now())
    return len(list(session.scalars(paused.where(Task.sent_at.is_(None)))))


def test_twenty_guests_shutting_down_do_not_hide_the_twenty_first_short_task(cloud, shutting_down):
    quick = cloud.create("quick")
    while cloud.turn():
        pass
    assert cloud.see(quick).observed is Power.RUNNING
    assert waiting(cloud) == TWENTY
