"""What becomes of an instance, from the wish to the end, whatever happens on the way."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.conductor import outcomes, tick
from portal.conductor import wire as conductor_wire
from portal.db import session, transaction
from portal.errors import Conflict
from portal.models import Host, Outcome, Power, Status, Task, TaskLine
from portal.services import instances
from tests.cloud import host_row
from workers import wire
from workers.specs import Guest, Observation


def test_a_created_instance_runs_on_its_host(cloud):
    instance = cloud.create("web")
    assert instance.status is Status.BUILDING
    cloud.settle()
    instance = cloud.see(instance)
    assert instance.status is Status.RUNNING
    assert cloud.hosts["kvm-1"].get("guest", str(instance.id))["power"] == "running"
    [operation] = cloud.operations(instance)
    assert operation.outcome is Outcome.DONE


def test_stop_start_reboot_and_delete(cloud):
    instance = cloud.running()
    alice, place = cloud.actor("alice"), (instance.project_id, instance.id)
    instances.stop(alice, *place)
    assert cloud.see(instance).status is Status.STOPPING
    cloud.settle()
    assert cloud.see(instance).status is Status.STOPPED
    instances.start(alice, *place)
    cloud.settle()
    instances.reboot(alice, *place)
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING
    assert cloud.hosts["kvm-1"].get("guest", str(instance.id))["boots"] == 2
    instances.delete(alice, *place)
    cloud.settle()
    assert cloud.see(instance).deleted_at
    assert cloud.hosts["kvm-1"].every("guest") == cloud.hosts["kvm-1"].every("disk") == {}


def test_a_second_change_is_refused_by_name(cloud):
    instance = cloud.running()
    alice, place = cloud.actor("alice"), (instance.project_id, instance.id)
    instances.stop(alice, *place)
    with pytest.raises(Conflict, match="web is stopping"):
        instances.start(alice, *place)
    cloud.settle()


def test_delete_supersedes_whatever_runs(cloud):
    instance = cloud.create()
    cloud.turn()
    instances.delete(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.settle()
    create, delete = cloud.operations(instance)
    assert (create.outcome, delete.outcome) == (Outcome.SUPERSEDED, Outcome.DONE)
    assert cloud.hosts["kvm-1"].every("guest") == {}


def test_a_force_stop_in_the_middle_of_a_reboot_succeeds(cloud):
    """Seen: the boot that the reboot had asked for was waited for, of a guest that was off."""
    instance = cloud.running()
    alice, place = cloud.actor("alice"), (instance.project_id, instance.id)
    instances.reboot(alice, *place)
    instances.force_stop(alice, *place)
    cloud.settle()
    assert cloud.see(instance).status is Status.STOPPED
    assert cloud.operations(instance)[-1].outcome is Outcome.DONE
    instances.start(alice, *place)
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING
    assert cloud.hosts["kvm-1"].get("guest", str(instance.id))["boots"] == 2


def test_a_guest_that_ignores_the_button_is_stopped_after_its_grace(cloud):
    instance = cloud.running()
    host, guest_id = cloud.hosts["kvm-1"], str(instance.id)
    host.put("guest", guest_id, host.get("guest", guest_id) | {"deaf": True})
    instances.stop(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.settle()
    assert cloud.see(instance).status is Status.STOPPED
    assert host.get("guest", guest_id)["reason"] == "destroyed"


def test_a_job_that_fails_once_is_tried_again(cloud):
    cloud.hosts["kvm-1"].fail("ensure_domain", "libvirt went away")
    instance = cloud.running()
    assert instance.status is Status.RUNNING


def test_a_create_that_cannot_work_says_why_and_can_be_retried(cloud):
    cloud.hosts["kvm-1"].fail("ensure_disk", "The disk of kvm-1 is full.", permanent=True)
    instance = cloud.running()
    assert instance.status is Status.ERROR
    assert instance.fault == "The disk of kvm-1 is full."
    instances.retry(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING
    assert not cloud.see(instance).fault


def test_a_failed_change_gives_back_what_it_replaced(cloud):
    instance = cloud.running()
    cloud.hosts["kvm-1"].fail("ensure_power", "qemu is out of reach", permanent=True)
    instances.stop(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.settle()
    instance = cloud.see(instance)
    assert (instance.desired, instance.status) == (Power.RUNNING, Status.RUNNING)
    stop = next(each for each in cloud.operations(instance) if each.action == "stop")
    assert (stop.outcome, stop.reason) == (Outcome.FAILED, "qemu is out of reach")


def test_a_host_that_never_answers_ends_the_change_at_its_deadline(cloud):
    instance = cloud.running()
    cloud.silent.add("kvm-1")
    instances.stop(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.turn()
    cloud.clock.forward(minutes=6)
    cloud.turn()
    stop = cloud.operations(instance)[-1]
    assert (stop.outcome, stop.reason) == (Outcome.FAILED, "host kvm-1 did not answer")


def test_a_delete_on_a_dark_host_goes_on_when_it_returns(cloud):
    instance = cloud.running()
    cloud.silent.add("kvm-1")
    instances.delete(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.turn()
    cloud.clock.forward(minutes=6)
    cloud.turn()
    assert cloud.see(instance).status is Status.DELETE_WAITING
    cloud.silent.clear()
    cloud.clock.forward(minutes=1)
    cloud.settle()
    assert cloud.see(instance).deleted_at
    assert cloud.hosts["kvm-1"].every("guest") == {}


def test_redis_flushed_in_mid_flight_loses_nothing(cloud):
    instance = cloud.create()
    cloud.beat()
    tick.tick(cloud.wire)
    cloud.redis.flushall()
    cloud.clock.forward(minutes=3)
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING


def test_a_window_full_of_lost_jobs_is_sent_again_soon(cloud):
    cloud.running("first")
    made = instances.create(cloud.actor("alice"), cloud.new_instance("web", count=8))
    while not any(task.sent_at for task in stage_two(cloud, made)):
        cloud.turn()
        tick.tick(cloud.wire)
    assert len([task for task in stage_two(cloud, made) if task.sent_at]) == 4
    cloud.redis.flushall()
    began = cloud.clock()
    cloud.settle()
    assert all(cloud.see(each).settled for each in made)
    assert cloud.clock() - began < timedelta(minutes=1)


def stage_two(cloud, made) -> list[Task]:
    """The tasks that make these guests, as they are now."""
    session.rollback()
    ids = [each.id for each in made]
    query = select(Task).where(Task.target_id.in_(ids), Task.job == "instances.apply")
    return list(session.scalars(query.execution_options(populate_existing=True)))


def test_a_job_that_a_worker_took_and_died_with_is_sent_again_soon(cloud, monkeypatch):
    monkeypatch.setattr(conductor_wire, "SILENT_SECONDS", 0.2)
    instance = cloud.create("web")
    tick.tick(cloud.wire)
    for name in (wire.SHORT, wire.LONG):
        cloud.redis.delete(f"rq:queue:{wire.queue('kvm-1', name)}")
    began = cloud.clock()
    while not cloud.see(instance).settled:
        cloud.turn()
        time.sleep(0.05)
        cloud.clock.forward(seconds=1)
        assert cloud.clock() - began < timedelta(seconds=30)


def test_guests_run_again_after_their_host_was_rebooted(cloud):
    instance = cloud.running()
    cloud.hosts["kvm-1"].reboot()
    cloud.observe()
    assert cloud.see(instance).status is Status.STOPPED
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING
    assert cloud.hosts["kvm-1"].every("network")
    assert cloud.hosts["kvm-1"].every("firewall")


def test_a_guest_that_shut_itself_down_stays_off(cloud):
    instance = cloud.running()
    host, guest_id = cloud.hosts["kvm-1"], str(instance.id)
    off = {"power": "stopped", "reason": "shutdown"}
    host.put("guest", guest_id, host.get("guest", guest_id) | off)
    cloud.look()
    assert cloud.see(instance).status is Status.STOPPED
    assert cloud.see(instance).desired is Power.RUNNING  # not believed yet
    cloud.clock.forward(minutes=2)
    cloud.settle()
    assert cloud.see(instance).desired is Power.STOPPED
    assert host.get("guest", guest_id)["power"] == "stopped"


@pytest.mark.parametrize("ask", [instances.stop, instances.reboot])
@pytest.mark.parametrize("when", ["before the cancel is heard", "after it was carried out"])
def test_a_guest_that_shuts_down_after_its_stop_was_cancelled_is_started_again(cloud, ask, when):
    """Seen: one that was on its way down stayed off, after it had been said that what was wanted
    before is wanted again."""
    instance = cloud.running()
    host, guest_id = cloud.hosts["kvm-1"], str(instance.id)
    alice, place = cloud.actor("alice"), (instance.project_id, instance.id)
    host.put("guest", guest_id, host.get("guest", guest_id) | {"deaf": True})
    ask(alice, *place)
    for _ in range(3):
        cloud.turn()
    instances.cancel(alice, *place)
    if when == "after it was carried out":
        cloud.settle()
        assert cloud.see(instance).settled
    off = {"power": "stopped", "reason": "shutdown", "deaf": False}
    host.put("guest", guest_id, host.get("guest", guest_id) | off)
    cloud.look()
    cloud.settle()
    cloud.clock.forward(minutes=2)
    cloud.settle()
    assert cloud.see(instance).desired is Power.RUNNING
    assert host.get("guest", guest_id)["power"] == "running"
    cloud.clock.forward(minutes=10)
    host.put("guest", guest_id, host.get("guest", guest_id) | off)
    cloud.look()
    cloud.clock.forward(minutes=2)
    cloud.settle()
    assert cloud.see(instance).desired is Power.STOPPED, "that was its own decision"


def test_what_was_cancelled_again_and_again_does_not_make_a_repair_wait(cloud):
    """Seen: after three cancels a guest that crashed stayed off for eight minutes."""
    instance = cloud.running()
    host, guest_id = cloud.hosts["kvm-1"], str(instance.id)
    alice, place = cloud.actor("alice"), (instance.project_id, instance.id)
    host.put("guest", guest_id, host.get("guest", guest_id) | {"deaf": True})
    for _ in range(4):
        instances.stop(alice, *place)
        cloud.turn()
        instances.cancel(alice, *place)
        cloud.settle()
    assert cloud.see(instance).repairs == 1
    off = {"power": "stopped", "reason": "crashed"}
    host.put("guest", guest_id, host.get("guest", guest_id) | off)
    cloud.look()
    cloud.clock.forward(seconds=40)
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING


def test_a_reboot_after_one_that_was_cancelled_and_yet_happened_is_not_lost(cloud):
    """Seen: the guest counted a boot that nobody wanted any more, and the next was taken for it."""
    instance = cloud.running()
    host, guest_id = cloud.hosts["kvm-1"], str(instance.id)
    alice, place = cloud.actor("alice"), (instance.project_id, instance.id)
    before = host.get("guest", guest_id)["boots"]
    instances.reboot(alice, *place)
    cloud.beat()
    tick.tick(cloud.wire)
    cloud.work()  # and is cancelled before that is heard
    instances.cancel(alice, *place)
    cloud.settle()
    assert host.get("guest", guest_id)["boots"] == before + 1
    instances.reboot(alice, *place)
    cloud.settle()
    assert host.get("guest", guest_id)["boots"] == before + 2


def test_a_destroyed_guest_is_started_again_with_growing_pauses(cloud):
    instance = cloud.running()
    host, guest_id = cloud.hosts["kvm-1"], str(instance.id)
    for _ in range(2):
        off = {"power": "stopped", "reason": "destroyed"}
        host.put("guest", guest_id, host.get("guest", guest_id) | off)
        cloud.look()
        cloud.settle()
    repairs = [each for each in cloud.operations(instance) if each.action == "repair"]
    assert len(repairs) == 1
    cloud.clock.forward(seconds=40)
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING
    assert cloud.see(instance).repairs == 2
    assert cloud.see(instance).repair_at > cloud.clock() + timedelta(seconds=60)


def test_an_undefined_guest_is_made_anew(cloud):
    instance = cloud.running()
    cloud.hosts["kvm-1"].drop("guest", str(instance.id))
    cloud.look()
    assert cloud.see(instance).status in (Status.MISSING, Status.REPAIRING)
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING


def seen(host, instance, *, boot_id: str, sequence: int, **changes) -> None:
    """The host reports one guest, running unless it is said otherwise."""
    guest = Guest(
        **{
            "id": str(instance.id),
            "power": "running",
            "generation": instance.generation,
            "boots": instance.boots,
            **changes,
        }
    )
    with transaction():
        outcomes.take(host, Observation(boot_id=boot_id, sequence=sequence, guests=(guest,)))


def test_old_news_never_replaces_newer(cloud):
    instance = cloud.running()
    boot_id = host_row().boot_id
    seen(host_row(), instance, boot_id=boot_id, sequence=1, power="stopped")
    assert cloud.see(instance).status is Status.RUNNING


def test_what_was_seen_in_a_boot_that_has_passed_is_not_news(cloud):
    instance = cloud.running()
    before = host_row().boot_id
    seen(host_row(), instance, boot_id="the next", sequence=1)
    seen(host_row(), instance, boot_id=before, sequence=10**6, power="stopped")
    assert cloud.see(instance).status is Status.RUNNING


def test_a_host_that_counts_anew_is_heard_at_once(cloud):
    """Seen: with a lost state directory, a host was not believed until it had counted so far."""
    instance = cloud.running()
    for _ in range(20):
        cloud.look()
    seen(host_row(), instance, boot_id="another", sequence=1, power="stopped", reason="crashed")
    assert cloud.see(instance).observed is Power.STOPPED


def test_no_host_says_anything_of_a_guest_that_lives_on_another(bare_cloud):
    for name in ("kvm-1", "kvm-2"):
        bare_cloud.add_host(name)
    instance = bare_cloud.running()
    [other] = session.scalars(select(Host).where(Host.id != instance.host_id))
    seen(other, instance, boot_id=other.boot_id, sequence=10**6, power="stopped")
    assert bare_cloud.see(instance).status is Status.RUNNING
    instances.delete(bare_cloud.actor("alice"), instance.project_id, instance.id)
    gone = Observation(boot_id=other.boot_id, sequence=10**6 + 1, absent=(str(instance.id),))
    with transaction():
        outcomes.take(session.get(Host, other.id), gone)
    assert bare_cloud.see(instance).deleted_at is None


@pytest.mark.parametrize("again", ["create", "start"])
def test_an_image_that_its_host_gave_up_is_copied_again_and_the_change_goes_on(cloud, again):
    """Seen: it was copied by the job that makes the guest, on the queue of short ones."""
    host = cloud.hosts["kvm-1"]
    if again == "create":
        instance = cloud.create("web")
        cloud.turn()
        assert stage_two(cloud, [instance])[0].sent_at
    else:
        instance = cloud.running()
        place = (instance.project_id, instance.id)
        instances.stop(cloud.actor("alice"), *place)
        cloud.settle()
        instances.start(cloud.actor("alice"), *place)
    host.drop("image", "d" * 64)
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING
    assert host.get("image", "d" * 64)
    [operation] = [each for each in cloud.operations(instance) if each.action == again]
    copies = session.scalars(
        select(Task).where(Task.operation_id == operation.id, Task.job == "images.apply")
    ).all()
    assert [task.outcome for task in copies] == [Outcome.DONE] * len(copies)
    assert len(copies) == (2 if again == "create" else 1)


def test_what_hosts_say_is_on_the_operation(cloud):
    instance = cloud.running()
    lines = session.scalars(select(TaskLine.text)).all()
    assert "The guest is running." in lines
    assert instance.status is Status.RUNNING
