"""Which host takes an instance, and what people are told when none can."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from portal.db import now, session, transaction, write
from portal.errors import Conflict, NoRoom
from portal.models import Claim, Host, Instance, Network, Resource
from portal.services import instances, placement
from tests import golden
from tests.cloud import host_row

SMALL = {Resource.VCPU: 1, Resource.MEMORY: 512, Resource.DISK: 2}
LARGE = {Resource.VCPU: 16, Resource.MEMORY: 8192, Resource.DISK: 100}
READY = {"vcpus": 2, "memory_mib": 1024 + 2048, "disk_gib": 5 + 20, "disk_free_gib": 20}
UNHEARD = timedelta(seconds=50)


def ready(**changes) -> dict:
    """A host that answers, with 8 vCPUs, 2048 MiB and 40 GiB to promise."""
    return READY | {"heard_at": now(), "observed_at": now()} | changes


CASES = {
    "there is no host": lambda: ([], SMALL),
    "it was never heard": lambda: ([ready(heard_at=None)], SMALL),
    "it has not said what it has": lambda: ([ready(observed_at=None, vcpus=0)], SMALL),
    "it does not answer": lambda: ([ready(heard_at=now() - UNHEARD)], SMALL),
    "it is in maintenance": lambda: ([ready(enabled=False)], SMALL),
    "it is in maintenance for a reason": lambda: (
        [ready(enabled=False, disabled_reason="new disks")],
        SMALL,
    ),
    "it has too few vCPUs": lambda: ([ready()], SMALL | {Resource.VCPU: 9}),
    "it has too little memory": lambda: ([ready()], SMALL | {Resource.MEMORY: 4096}),
    "it has too little disk": lambda: ([ready()], SMALL | {Resource.DISK: 41}),
    "its disk is nearly full": lambda: ([ready(disk_free_gib=1)], SMALL),
    "it is smaller than what it keeps for itself": lambda: (
        [ready(memory_mib=512, disk_gib=2)],
        SMALL,
    ),
    "all are in maintenance": lambda: ([ready(enabled=False)] * 3, SMALL),
    "each has its own reason": lambda: (
        [
            ready(enabled=False, disabled_reason="new disks"),
            ready(heard_at=None),
            ready(heard_at=now() - UNHEARD),
            ready(vcpus=64),
            ready(vcpus=64),
            ready(vcpus=64, memory_mib=65_536),
        ],
        LARGE,
    ),
}


def add_hosts(hosts: list[dict]) -> None:
    with transaction():
        session.execute(delete(Host))
        for number, host in enumerate(hosts, start=1):
            session.add(Host(name=f"kvm-{number}", sealed_key="", **host))


def refused(wanted: dict, *, see_hosts: bool) -> str:
    with pytest.raises(NoRoom) as caught, transaction():
        placement.claim(wanted, see_hosts=see_hosts)
    return str(caught.value)


def test_why_no_host_takes_it_is_said_as_it_is_printed(bare_cloud):
    paragraphs = []
    for title, case in CASES.items():
        hosts, wanted = case()
        add_hosts(hosts)
        paragraphs.append(
            f"{title}\n"
            f"  administrator: {refused(wanted, see_hosts=True)}\n"
            f"  member: {refused(wanted, see_hosts=False)}\n"
        )
    golden.assert_same("placement.txt", "\n".join(paragraphs))


def test_a_member_learns_no_host_by_name(bare_cloud):
    for case in CASES.values():
        hosts, wanted = case()
        add_hosts(hosts)
        assert "kvm-" not in refused(wanted, see_hosts=False)


def test_the_host_with_most_free_memory_takes_it(bare_cloud):
    add_hosts([ready(), ready(memory_mib=8192), ready(memory_mib=16_384, enabled=False)])
    with transaction():
        assert [each.name for each in placement.claim(SMALL, see_hosts=False)] == ["kvm-2"]


def test_what_fits_exactly_is_taken(bare_cloud):
    add_hosts([ready()])
    exactly = {Resource.VCPU: 8, Resource.MEMORY: 2048, Resource.DISK: 40}
    with transaction():
        assert [each.name for each in placement.claim(exactly, see_hosts=False)] == ["kvm-1"]
    for resource in Resource:
        refused(exactly | {resource: exactly[resource] + 1}, see_hosts=False)


def test_a_refused_instance_leaves_nothing_behind(cloud):
    cloud.hosts["kvm-1"].put("host", "size", {"vcpus": 64, "memory_mib": 1024 + 3 * 512})
    cloud.look()
    with pytest.raises(NoRoom):
        instances.create(cloud.actor("alice"), cloud.new_instance("web", count=4))
    assert not instances.counts(cloud.actor("alice"), cloud.project().id)["all"]
    assert all(not room.claimed for room in placement.room_of([host_row()]).popitem()[1].values())


def test_what_a_deleted_instance_held_is_free_once_its_host_has_said_so(cloud):
    instance = cloud.running()
    [room] = placement.room_of([host_row()]).values()
    assert room[Resource.MEMORY].claimed == instance.memory_mib
    instances.delete(cloud.actor("alice"), instance.project_id, instance.id)
    [room] = placement.room_of([host_row()]).values()
    assert room[Resource.MEMORY].claimed == instance.memory_mib
    cloud.settle()
    [room] = placement.room_of([host_row()]).values()
    assert not room[Resource.MEMORY].claimed


def test_what_a_host_gives_is_held_by_whatever_takes_it(cloud):
    """A volume holds gibibytes of a host and is no instance."""
    with transaction():
        network, host = session.scalars(select(Network)).first(), host_row()
        write(Claim, placement.claims(network, {Resource.DISK: 7}, host_id=host.id))
    instance = cloud.create()
    session.rollback()
    claimed = placement.room_of([host_row()])[host_row().id][Resource.DISK].claimed
    assert claimed == 7 + instance.disk_gib
    instances.delete(cloud.actor("alice"), instance.project_id, instance.id)
    cloud.settle()
    left = session.execute(select(Claim.holder_type, Claim.amount)).all()
    assert [tuple(each) for each in left] == [("networks", 7)]


def test_an_instance_without_a_host_says_so_and_can_be_deleted(cloud):
    alice, instance = cloud.actor("alice"), cloud.running()
    with transaction():
        lonely = Instance(
            name="lonely", hostname="lonely", project_id=instance.project_id, user_id=alice.user_id,
            flavor_name="small", vcpus=1, memory_mib=512, disk_gib=2,
        )  # fmt: skip
        session.add(lonely)
    place = lonely.project_id, lonely.id
    with pytest.raises(Conflict, match=r"lonely is missing: it cannot stop now"):
        instances.stop(alice, *place)
    with pytest.raises(Conflict, match=r"lonely is on no host yet: it cannot retry now\."):
        instances.retry(alice, *place)
    cloud.settle()
    assert instances.delete(alice, *place) is None
    cloud.settle()
    assert cloud.see(lonely).deleted_at
