"""The devices of an instance reach its guest: a root disk without an image, and ports that come and
go while it runs."""

import uuid

import pytest
from sqlalchemy import select

from portal.conductor import drift
from portal.db import session, transaction
from portal.models import Instance, Port, Status, Task
from portal.services import instances


@pytest.fixture
def without_image(cloud):
    """A running instance whose root disk was made empty, on a host without any image."""
    host = cloud.hosts["kvm-1"]
    host.fail("ensure_disk", "the disk of kvm-1 is full", permanent=True)
    instance = cloud.running()
    with transaction():
        session.get_one(Instance, instance.id).image_id = None
    for sha256 in host.every("image"):
        host.drop("image", sha256)
    cloud.look()
    instances.retry(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.settle()
    return cloud.see(instance)


def want(instance, *, more: int = 0, without: str = "") -> list[str]:
    """The instance is wanted with so many ports more, and without one. Returns the ids of all."""
    with transaction():
        row = session.get_one(Instance, instance.id, with_for_update=True)
        kept = session.scalars(select(Port).where(Port.owner_id == row.id)).all()
        for number in range(more):
            session.add(
                Port(
                    network_id=kept[0].network_id,
                    owner_type="instances",
                    owner_id=row.id,
                    mac=f"fa:16:3e:77:00:{number:02x}",
                )
            )
        if without:
            session.get_one(Port, uuid.UUID(without)).owner_id = None
        row.generation += 1
        session.flush()
        return [str(each) for each in session.scalars(select(Port.id).filter_by(owner_id=row.id))]


def guest(cloud, instance) -> dict:
    return cloud.hosts["kvm-1"].get("guest", str(instance.id))


def test_an_instance_without_an_image_runs_is_mended_and_goes(cloud, without_image):
    host, guest_id = cloud.hosts["kvm-1"], str(without_image.id)
    assert without_image.status is Status.RUNNING
    for lost in ("guest", "disk"):
        host.drop(lost, guest_id)
    cloud.look()
    cloud.settle()
    assert cloud.see(without_image).status is Status.RUNNING
    assert host.get("disk", guest_id) == {"image": None, "gib": without_image.disk_gib}
    since = [each.id for each in cloud.operations(without_image)[1:]]
    jobs = session.scalars(select(Task.job).where(Task.operation_id.in_(since))).all()
    assert "instances.apply" in jobs
    assert "images.apply" not in jobs
    assert not host.every("image")
    instances.delete(cloud.actor("alice"), without_image.project_id, without_image.id)
    cloud.settle()
    assert cloud.see(without_image).deleted_at


def test_ports_come_to_a_running_guest_and_leave_it_without_a_boot(cloud):
    instance = cloud.running()
    [first] = guest(cloud, instance)["devices"]
    wanted = want(instance, more=2)
    cloud.settle()
    assert guest(cloud, instance)["devices"] == sorted(wanted)
    wanted = want(instance, without=first)
    cloud.clock.forward(minutes=1)  # one mended lately is left alone for a while
    cloud.settle()
    assert guest(cloud, instance)["devices"] == sorted(wanted)
    assert guest(cloud, instance)["boots"] == 1
    assert cloud.see(instance).settled


def test_a_port_that_a_guest_does_not_let_go_of_is_named_and_tried_again(cloud):
    instance = cloud.running()
    host = cloud.hosts["kvm-1"]
    [first] = guest(cloud, instance)["devices"]
    host.put("guest", str(instance.id), guest(cloud, instance) | {"clings": [first]})
    wanted = want(instance, more=1, without=first)
    for _ in range(20):
        cloud.clock.forward(seconds=2)
        cloud.turn()
        cloud.observe()
        drift.mend()
    assert not cloud.see(instance).settled
    assert f"web does not let go of {first}" in reasons(cloud, instance)
    host.put("guest", str(instance.id), guest(cloud, instance) | {"clings": []})
    cloud.settle()
    assert cloud.see(instance).settled
    assert guest(cloud, instance)["devices"] == sorted(wanted)


def reasons(cloud, instance) -> set[str]:
    """What hosts said when their part of a change of this instance was put off."""
    session.rollback()
    return set(session.scalars(select(Task.reason).where(Task.target_id == instance.id)))
