"""How a host is, as administrators see it on a day when it misbehaves."""

import re

import pytest
from sqlalchemy import select

from portal import config, doctor
from portal.conductor import tick
from portal.db import session
from portal.models import Activity
from portal.policies import COMMAND_LINE
from portal.services import hosts, instances
from tests.cloud import host_row
from workers import trouble, wire


def words(answer) -> str:
    return " ".join(answer.text.split())


@pytest.fixture
def look(cloud, ada):
    """The text of the page of a host, and of the list of them."""

    def open_(name: str = "kvm-1") -> str:
        session.rollback()
        page = words(ada.open(f"/admin/hosts/{host_row(name).id}"))
        return page + words(ada.open("/admin/hosts"))

    return open_


def heard(cloud, **passed) -> None:
    """So much time has passed, in which the host was heard and did nothing."""
    cloud.clock.forward(**passed)
    cloud.beat()
    cloud.ear.listen()


def test_a_host_that_does_its_work_is_ready(cloud, look):
    cloud.running()
    cloud.look()
    text = look()
    assert "Ready" in text
    assert "Slow" not in text
    assert "worker.log" not in text


def test_a_host_that_was_never_heard_says_what_it_said_itself_and_where_its_log_is(cloud, look):
    """Seen: "never heard from", while its worker and agent died each second of a table."""
    hosts.add(COMMAND_LINE, "kvm-2")
    text = look("kvm-2")
    assert "kvm-2 has never been heard from. Start its worker and its agent" in text
    assert "/var/lib/portico/log" in text
    cloud.redis.set(wire.trouble("kvm-2", wire.AGENT), "its agent cannot begin: no such table")
    cloud.ear.listen()
    text = look("kvm-2")
    assert "It says: its agent cannot begin: no such table." in text
    assert "worker.log and agent.log" in text


def test_a_host_whose_workers_die_is_slow_until_they_live(cloud, look):
    config_ = cloud.host_config("kvm-1")
    trouble.tell(config_, wire.WORKER, "its workers end again and again")
    cloud.ear.listen()
    text = look()
    assert "kvm-1 says: its workers end again and again." in text
    assert "Slow" in text
    with trouble.told(config_, wire.WORKER):
        pass
    cloud.ear.listen()
    assert "Slow" not in look()


def test_a_host_that_is_heard_and_does_not_answer_is_slow(cloud, look):
    """Seen: green "Ready", while its jobs took minutes."""
    web = cloud.running("web")
    instances.force_stop(cloud.actor("alice"), web.project_id, web.id)
    tick.tick(cloud.wire)
    heard(cloud, seconds=5)
    assert "Slow" not in look()
    heard(cloud, seconds=40)
    text = look()
    assert "Slow" in text
    assert re.search(r"kvm-1 was given something to do \d+ s ago and has not answered", text)
    cloud.settle()
    cloud.look()
    assert "Slow" not in look()


def test_a_host_whose_jobs_took_long_is_slow_for_ten_minutes(cloud, look):
    for name in ("one", "two"):
        instance = cloud.running(name)
        instances.force_stop(cloud.actor("alice"), instance.project_id, instance.id)
        tick.tick(cloud.wire)
        heard(cloud, seconds=30)
        cloud.settle()
    for _ in range(10):  # more of these than of its quick ones
        instances.start(cloud.actor("alice"), instance.project_id, instance.id)
        tick.tick(cloud.wire)
        heard(cloud, seconds=30)
        cloud.settle()
        instances.force_stop(cloud.actor("alice"), instance.project_id, instance.id)
        tick.tick(cloud.wire)
        heard(cloud, seconds=30)
        cloud.settle()
    cloud.look()
    assert "jobs of kvm-1 took longer than 20 s, or more than one attempt." in look()
    heard(cloud, minutes=11)
    cloud.look()
    assert "Slow" not in look()


def test_a_host_that_says_no_more_what_it_holds_is_slow_and_the_doctor_knows(cloud, look):
    cloud.running()
    cloud.look()
    for _ in range(6):
        heard(cloud, seconds=30)
    text = look()
    assert "kvm-1 is heard, and has not said for 3 min" in text
    found = [each.what for each in doctor.examine(config.current()) if not each.ok]
    assert any(each.startswith("kvm-1 is heard, and has not said for 3 min") for each in found)


def reports() -> list[dict]:
    session.rollback()
    query = select(Activity.after).where(Activity.action == hosts.REPORT)
    return list(session.scalars(query.order_by(Activity.created_at)))


def test_what_somebody_took_from_a_host_is_told_to_administrators_once(cloud, ada):
    host = cloud.hosts["kvm-1"]
    taken = "somebody took away the filter between guests at {}, and Portico put it back"
    for moment in ("12:00:01 UTC", "12:00:31 UTC"):
        host.drop("obstacle", taken.format("12:00:01 UTC"))
        host.put("obstacle", taken.format(moment), {"mend": "There is nothing to do"})
        for _ in range(3):
            cloud.look()
    assert [each["found"] for each in reports()] == [taken.format("12:00:01 UTC")]
    assert "somebody took away the filter between guests" in ada.open("/admin/audit").text
    host.drop("obstacle", taken.format("12:00:31 UTC"))
    cloud.look()
    host.put("obstacle", taken.format("12:40:00 UTC"), {"mend": "There is nothing to do"})
    cloud.look()
    assert len(reports()) == 1
    host.drop("obstacle", taken.format("12:40:00 UTC"))
    cloud.look()
    cloud.clock.forward(minutes=61)
    host.put("obstacle", taken.format("13:50:00 UTC"), {"mend": "There is nothing to do"})
    cloud.look()
    assert len(reports()) == 2
