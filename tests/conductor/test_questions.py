"""Having hosts say what they hold."""

import dataclasses
import time

import pytest

from portal.conductor.nouns import hosts
from portal.db import session
from portal.models import Power
from portal.services.instances import boot_logs
from workers.drivers.fake.drivers import FakeHypervisor
from workers.errors import Busy


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
    assert boot_logs.find(alice, *place).failure == "the host did not answer"


class BusyHypervisor(FakeHypervisor):
    """Puts off whoever wants to know what a guest wrote, and counts them."""

    put_off = 0

    def observe_boot_log(self, guest_id: str) -> str:
        self.put_off += 1
        raise Busy("not now", after_seconds=20)


@pytest.fixture
def busy(cloud) -> BusyHypervisor:
    """The hypervisor of kvm-1, which never has time to tell of a guest."""
    drivers = cloud._jobs["kvm-1"].host
    hypervisor = BusyHypervisor(cloud.hosts["kvm-1"])
    cloud._jobs["kvm-1"].host = dataclasses.replace(drivers, hypervisor=hypervisor)
    return hypervisor


def test_a_host_that_is_busy_is_asked_again_when_it_said(cloud, busy, monkeypatch):
    """Seen: it was asked again at every turn."""
    instance = cloud.running()
    boot_logs.ask(cloud.actor("alice"), instance.project_id, instance.id)
    for _ in range(5):
        cloud.observe()
    assert busy.put_off == 1
    later = time.monotonic() + 20
    monkeypatch.setattr(time, "monotonic", lambda: later)
    cloud.observe()
    assert busy.put_off == 2


def test_a_question_for_which_a_host_never_has_time_ends(cloud, busy):
    alice, instance = cloud.actor("alice"), cloud.running()
    place = (instance.project_id, instance.id)
    boot_logs.ask(alice, *place)
    cloud.observe()
    cloud.clock.forward(seconds=61)
    cloud.observe()
    session.rollback()
    assert boot_logs.find(alice, *place).failure == "the host did not answer"
    assert busy.put_off == 1
