"""Having hosts say what they hold."""

import time

from portal.conductor.nouns import hosts
from portal.db import session
from portal.models import Power
from portal.services.instances import boot_logs


def test_a_host_says_what_it_holds_every_half_minute_though_nothing_has_happened(
    cloud, monkeypatch
):
    instance = cloud.running()
    cloud.hosts["kvm-1"].drop("guest", str(instance.id))
    cloud.observe()
    assert cloud.see(instance).observed is Power.RUNNING, "not yet"
    assert hosts.SWEPT_EVERY.total_seconds() == 30
    later = time.monotonic() + 31
    monkeypatch.setattr(time, "monotonic", lambda: later)
    cloud.observe()
    assert cloud.see(instance).observed is Power.ABSENT


def test_of_many_questions_a_host_is_put_a_few_at_a_time(cloud):
    made = [cloud.running(f"web-{number}") for number in range(7)]
    sent, send = [], cloud.wire.send

    def count(messages):
        listed = list(messages)
        sent.append([each.job for each in listed])
        send(listed)

    cloud.wire.send = count
    cloud.clock.forward(minutes=1)
    for _ in range(4):
        cloud.observe()
    asked = [jobs.count("instances.observe_log") for jobs in sent]
    assert max(asked) <= 4
    assert sum(asked) == len(made)


def test_a_question_that_nobody_answers_ends(cloud):
    alice, instance = cloud.actor("alice"), cloud.running()
    place = (instance.project_id, instance.id)
    cloud.silent.add("kvm-1")
    boot_logs.ask(alice, *place)
    cloud.observe()
    cloud.clock.forward(seconds=61)
    cloud.observe()
    session.rollback()
    assert boot_logs.find(alice, *place).failure == "kvm-1 did not answer"
