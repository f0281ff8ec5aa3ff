"""The boot log as people see it, without scripts."""

import dataclasses

import pytest

from portal import bell, config
from portal.errors import TooMany
from portal.services import instances
from portal.services.instances import boot_logs


@pytest.fixture
def instance(cloud):
    return cloud.running("web")


@pytest.fixture
def place(instance, red):
    return f"{red}/instances/{instance.id}/log"


def answered(cloud) -> None:
    cloud.observe()
    cloud.observe()


def says(cloud, instance, text: str) -> None:
    host = cloud.hosts["kvm-1"]
    host.put("guest", str(instance.id), host.get("guest", str(instance.id)) | {"says": text})


def test_a_reader_asks_and_reads(sign_in, place, cloud):
    rita = sign_in("rita")
    assert "Not taken yet" in rita.open(place).text
    assert rita.send(place).status_code == 303
    page = rita.open(place).text
    assert "Asking its host" in page
    assert 'hx-trigger="every 1s"' in page
    answered(cloud)
    page = rita.open(place).text
    assert "A fake guest, booted 1 times." in page
    assert "every 1s" not in page


def test_what_asks_again_gets_its_part_alone(alice, place):
    part = alice.open(place, **{"HX-Request-Type": "partial"}).text
    assert part.startswith("<section")


def test_a_new_guest_is_asked_once_it_has_had_time_to_boot(alice, place, cloud):
    answered(cloud)
    assert "Not taken yet" in alice.open(place).text
    cloud.clock.forward(seconds=31)
    answered(cloud)
    assert "booted 1 times" in alice.open(place).text


def test_what_a_guest_wrote_last_is_there_after_it_stopped(alice, place, instance, cloud):
    says(cloud, instance, "Kernel panic - not syncing")
    instances.stop(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.settle()
    assert "Kernel panic - not syncing" in alice.open(place).text


def test_a_host_that_does_not_answer_is_told_of_and_the_older_log_stays(
    alice, place, instance, cloud
):
    alice.send(place)
    answered(cloud)
    cloud.silent.add("kvm-1")
    alice.send(place)
    answered(cloud)
    cloud.clock.forward(seconds=61)
    answered(cloud)
    page = alice.open(place).text
    assert "kvm-1" not in page
    assert "Its host has not answered since" in page
    assert "press Refresh once it answers again" in page
    assert "booted 1 times" in page
    assert "hx-trigger" not in page


def test_redis_flushed_meanwhile_loses_no_question(alice, place, cloud):
    alice.send(place)
    cloud.questions.listen(cloud.ear.listen())
    cloud.redis.flushall()
    answered(cloud)
    answered(cloud)
    assert "booted 1 times" in alice.open(place).text


def test_a_host_that_is_heard_and_does_not_answer_is_told_of_too(alice, place, cloud):
    alice.send(place)
    for _ in range(4):
        cloud.clock.forward(seconds=20)
        cloud.beat()
        cloud.questions.listen(cloud.ear.listen())
    page = alice.open(place).text
    assert "There is no newer one:" in page
    assert "the host did not answer." in page


def test_the_log_is_asked_for_when_its_page_is_opened_and_while_the_guest_boots(
    alice, place, cloud
):
    """Seen: a log of the boot before, and no hint that the present one has to be asked for."""
    asks = f'hx-post="{place}" hx-trigger="load"'
    page = alice.open(place).text
    assert asks in page
    headers = {"HX-Request-Type": "partial", "X-CSRFToken": alice.token(place)}
    assert alice.client.post(place, headers=headers).status_code == 303
    part = alice.open(place, **{"HX-Request-Type": "partial"}).text
    assert 'hx-trigger="every 1s"' in part
    answered(cloud)
    part = alice.open(place, **{"HX-Request-Type": "partial"}).text
    assert f'hx-post="{place}" hx-trigger="every 5s"' in part
    cloud.clock.forward(minutes=5)
    cloud.beat()
    cloud.ear.listen()
    assert "hx-trigger" not in alice.open(place, **{"HX-Request-Type": "partial"}).text


def test_a_page_that_asks_too_often_shows_what_there_is(alice, place, instance, cloud):
    for _ in range(boot_logs.ASKED_PER_MINUTE):
        boot_logs.ask(cloud.actor("alice"), instance.project_id, instance.id)
    headers = {"HX-Request-Type": "partial", "X-CSRFToken": alice.token(place)}
    assert alice.client.post(place, headers=headers).status_code == 303
    assert alice.send(place).status_code == 429


def test_asking_has_its_limit_while_redis_is_away_too(alice, place, instance, cloud):
    """Seen: each question was a write of the database, as many as somebody sent."""
    there = config.current()
    config.use(dataclasses.replace(there, redis_url="unix:///nowhere/redis.sock"))
    for _ in range(boot_logs.ASKED_PER_MINUTE):
        boot_logs.ask(cloud.actor("alice"), instance.project_id, instance.id)
    with pytest.raises(TooMany, match="More than 30 boot logs within a minute"):
        boot_logs.ask(cloud.actor("alice"), instance.project_id, instance.id)
    config.use(there)
    bell.ring()


def test_what_a_page_asks_by_itself_is_none_of_a_persons_forms(alice, place):
    config.use(dataclasses.replace(config.current(), changes_per_minute=2))
    headers = {"HX-Request-Type": "partial", "X-CSRFToken": alice.token(place)}
    for _ in range(5):
        assert alice.client.post(place, headers=headers).status_code == 303
    assert alice.send("/account/theme", page=place).status_code == 303


def test_markup_in_a_log_is_text(alice, place, instance, cloud):
    says(cloud, instance, "<script>alert(1)</script>\x00\x1b[31mred\x1b[0m")
    alice.send(place)
    answered(cloud)
    page = alice.open(place).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;red" in page


def test_the_log_goes_with_its_instance(alice, place, instance, cloud):
    alice.send(place)
    answered(cloud)
    instances.delete(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.settle()
    from sqlalchemy import select

    from portal.db import session
    from portal.models import BootLog

    assert session.scalars(select(BootLog)).all() == []
    assert alice.open(place).status_code == 404


def test_nobody_keeps_a_host_busy_with_questions(instance, cloud):
    alice = cloud.actor("alice")
    for _ in range(boot_logs.ASKED_PER_MINUTE):
        boot_logs.ask(alice, instance.project_id, instance.id)
    with pytest.raises(TooMany):
        boot_logs.ask(alice, instance.project_id, instance.id)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\n\ttext\n", "plain\n\ttext\n"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("10 %\r20 %\r100 %\ndone", "100 %\ndone"),
        ("\x1b[0;1;39msystemd\x1b[0m up\x1b[K", "systemd up"),
        ("\x1b]0;a title\x07prompt# ", "prompt# "),
        ("\x1b(B\x1b7text\x1b8\x1bc", "text"),
        ("nul\x00 bell\x07 del\x7f csi\x9b", "nul bell del csi"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("grüße 🚀", "grüße 🚀"),
    ],
)
def test_a_log_reads_as_a_terminal_would_have_left_it(written, shown):
    assert boot_logs.readable(written) == shown
