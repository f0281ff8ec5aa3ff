"""A guest that stands still is shown so, with the reason and whose move it is, and goes on."""

import pytest

from portal.errors import Conflict, NoRoom
from portal.models import Instance, Outcome, Status
from portal.services import instances
from workers.specs import NO_SPACE, PAUSED, STANDS_STILL, STOPPED


def stand_still(cloud, instance: Instance, reason: str = NO_SPACE) -> Instance:
    """The guest stands still on its host, which the portal has been told."""
    host, guest_id = cloud.hosts["kvm-1"], str(instance.id)
    host.put("guest", guest_id, host.get("guest", guest_id) | {"reason": reason})
    cloud.look()
    return cloud.see(instance)


def fill(cloud, *, free_gib: int = 0) -> None:
    cloud.hosts["kvm-1"].put("host", "full", {"free_gib": free_gib})
    cloud.look()


@pytest.mark.parametrize("reason", STANDS_STILL)
def test_a_guest_that_stands_still_is_paused_and_says_why(cloud, reason):
    """Seen: the host's disk was full, and the page went on saying Running."""
    instance = stand_still(cloud, cloud.running(), reason)
    assert instance.status is Status.PAUSED
    why, whose_move = instance.standstill
    assert why
    assert whose_move.endswith(".")
    assert instance.settled, "it is no drift that the conductor would repair"


def test_every_reason_has_room_in_its_column():
    """Seen: one was longer than its column, which only PostgreSQL minds."""
    longest = Instance.__table__.c.observed_reason.type.length
    assert all(len(reason) <= longest for reason in STANDS_STILL)


def test_it_goes_on_by_itself_when_its_host_has_let_it(cloud):
    instance = stand_still(cloud, cloud.running())
    instance = stand_still(cloud, instance, "")
    assert instance.status is Status.RUNNING
    assert instance.standstill is None


def test_the_button_lets_it_go_on(cloud):
    instance = stand_still(cloud, cloud.running(), PAUSED)
    instances.resume(cloud.actor("bob"), instance.project_id, instance.id)
    assert cloud.see(instance).status is Status.RESUMING
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING
    assert cloud.operations(instance)[-1].outcome is Outcome.DONE


def test_on_a_host_that_is_still_full_the_button_says_so_and_works_later(cloud):
    instance = cloud.running()
    fill(cloud)
    instance = stand_still(cloud, instance)
    place = (cloud.actor("bob"), instance.project_id, instance.id)
    instances.resume(*place)
    cloud.settle()
    instance = cloud.see(instance)
    assert instance.status is Status.PAUSED
    assert not instance.fault
    operation = cloud.operations(instance)[-1]
    assert operation.outcome is Outcome.FAILED
    assert operation.reason.endswith("it stands still again: its host has no space left")
    cloud.hosts["kvm-1"].drop("host", "full")
    instances.resume(*place)
    cloud.settle()
    assert cloud.see(instance).status is Status.RUNNING


def test_who_runs_is_not_resumed(cloud):
    instance = cloud.running()
    with pytest.raises(Conflict, match="cannot resume now"):
        instances.resume(cloud.actor("bob"), instance.project_id, instance.id)


@pytest.mark.parametrize("end", ["stop", "force_stop", "delete"])
def test_it_can_be_stopped_and_deleted_meanwhile(cloud, end):
    instance = cloud.running()
    fill(cloud)
    instance = stand_still(cloud, instance)
    getattr(instances, end)(cloud.actor("bob"), instance.project_id, instance.id)
    cloud.settle()
    if end == "delete":
        assert cloud.see(instance).deleted_at
    else:
        assert cloud.hosts["kvm-1"].get("guest", str(instance.id))["power"] == STOPPED
        assert cloud.see(instance).status is Status.STOPPED


def test_a_host_that_is_nearly_full_gets_nothing_new_and_says_so(cloud):
    fill(cloud, free_gib=1)
    with pytest.raises(NoRoom, match="kvm-1 has 1 GiB free on its disk, and gets nothing new"):
        cloud.create(by="ada")
    with pytest.raises(NoRoom, match="the only host is nearly full"):
        cloud.create()
    cloud.add_host("kvm-2")
    instance = cloud.running()
    assert str(instance.id) in cloud.hosts["kvm-2"].every("guest")
    fill(cloud, free_gib=2)
    assert cloud.create("again")
