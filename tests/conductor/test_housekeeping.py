"""What nobody asks for any more goes, and nothing else."""

import pytest
from sqlalchemy import func, select

from portal.conductor import drift, housekeeping, outbox
from portal.db import session
from portal.models import Activity, Idempotency, Operation, Outcome, Session, Task, User
from portal.services import instances, sessions


def actions() -> set[str]:
    session.rollback()
    return set(session.scalars(select(Operation.action)))


def count(model) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(model))


def tables_sent() -> list[Outcome]:
    """How the tables that were sent for nobody's change have ended."""
    session.rollback()
    return list(session.scalars(select(Task.outcome).where(Task.operation_id.is_(None))))


def test_tables_that_are_held_are_forgotten_and_what_people_did_is_not(two_hosts):
    two_hosts.create("second", group_ids=(two_hosts.default_group(),))
    two_hosts.settle()
    assert set(tables_sent()) == {Outcome.DONE}
    housekeeping.tidy()
    assert set(tables_sent()) == {Outcome.DONE}
    activities = count(Activity)
    two_hosts.clock.forward(hours=2)
    housekeeping.tidy()
    assert tables_sent() == []
    two_hosts.clock.forward(days=300)
    housekeeping.tidy()
    assert actions() == {"create"}
    assert set(session.scalars(select(Task.operation_id))) == set(
        session.scalars(select(Operation.id))
    )
    assert count(Activity) == activities


def test_a_table_that_could_not_be_sent_stays_to_be_seen_for_a_day(two_hosts):
    two_hosts.hosts["kvm-1"].fail("ensure_firewall", "nft: no such file", permanent=True)
    two_hosts.create("second", group_ids=(two_hosts.default_group(),))
    for _ in range(5):
        two_hosts.turn()
        drift.mend()
    two_hosts.clock.forward(hours=23)
    housekeeping.tidy()
    assert tables_sent() == [Outcome.FAILED]
    two_hosts.clock.forward(hours=2)
    housekeeping.tidy()
    assert tables_sent() == []


@pytest.mark.parametrize("tidied", [True, False])
def test_a_key_works_for_a_day(cloud, tidied):
    def create():
        [made] = instances.create(cloud.actor("alice"), cloud.new_instance(), key="k" * 32)
        return made.id

    first = create()
    cloud.clock.forward(hours=23)
    housekeeping.tidy()
    assert create() == first
    cloud.clock.forward(hours=2)
    cloud.beat()
    cloud.look()
    if tidied:
        housekeeping.tidy()
        assert count(Idempotency) == 0
    assert create() != first
    assert count(Idempotency) == 1


def test_sessions_are_forgotten_when_they_have_ended_by_their_age(cloud):
    alice = session.scalar(select(User).where(User.name == "alice"))
    sessions.open_session(alice, address="198.51.100.7", user_agent="")
    housekeeping.tidy()
    assert count(Session) == 1
    cloud.clock.forward(days=2)
    housekeeping.tidy()
    assert count(Session) == 0


def jobs_in_redis(cloud) -> int:
    """How many jobs Redis keeps, in queues or beside them."""
    return len(list(cloud.redis.scan_iter("rq:job:*")))


def test_a_host_that_stays_away_piles_up_no_jobs_of_what_was_superseded(cloud):
    """Seen: each lay in Redis until the host returned."""
    alice, instance = cloud.actor("alice"), cloud.running()
    place = (instance.project_id, instance.id)
    cloud.silent.add("kvm-1")
    left = jobs_in_redis(cloud)
    for change in (instances.stop, instances.force_stop, instances.delete):
        change(alice, *place)
        cloud.turn()
    assert jobs_in_redis(cloud) == left + 3
    outbox.forget_abandoned(cloud.wire)
    assert jobs_in_redis(cloud) == left + 3, "its host may still be heard of it"
    cloud.clock.forward(minutes=2)
    outbox.forget_abandoned(cloud.wire)
    assert jobs_in_redis(cloud) == left + 1, "the delete is under way"
    queued = cloud.redis.lrange("rq:queue:host-kvm-1", 0, -1)
    assert len(queued) == 1
    cloud.silent.clear()
    cloud.settle()
    assert cloud.see(instance).deleted_at
