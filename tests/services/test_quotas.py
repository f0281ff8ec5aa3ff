"""Of many at once exactly as many pass as fit, whoever asks first, on either kind of database."""

import dataclasses

import pytest
from sqlalchemy import func, select

from portal import config
from portal.db import session
from portal.errors import OverQuota, Refused
from portal.models import Claim, FixedIp, Host, Instance, Resource
from portal.services import instances, placement, quotas
from tests.crowd import at_once

CROWD, ROOM = 50, 10
SMALL_MIB = 512
PLENTY = {f"quota_{name}": 10**6 for name in ("instances", "vcpus", "memory_mib", "disk_gib")}


@pytest.fixture
def open_cloud(any_cloud):
    """A cloud with one host, which has built something before and has it no longer."""
    any_cloud.add_host("kvm-1")
    new = any_cloud.new_instance("first", "blue")
    [first] = instances.create(any_cloud.actor("charlie"), new)
    instances.delete(any_cloud.actor("charlie"), first.project_id, first.id)
    any_cloud.settle()
    return any_cloud


def allow(**limits: int) -> None:
    config.use(dataclasses.replace(config.current(), **limits))


def make_room(cloud, name: str, room: int) -> None:
    """The host has memory for `room` small instances."""
    memory_mib = config.current().reserved_memory_mib + room * SMALL_MIB
    cloud.hosts[name].put("host", "size", {"vcpus": 64, "memory_mib": memory_mib})
    cloud.look()


def promised_mib() -> dict[str, int]:
    """Memory that each host has promised."""
    rows = session.execute(
        select(Host.name, func.sum(Claim.amount))
        .join(Claim.host)
        .where(Claim.resource == Resource.MEMORY)
        .group_by(Host.name)
    )
    return {name: int(amount) for name, amount in rows}


def test_a_quota_of_ten_lets_ten_of_fifty_pass_each_with_an_address_of_its_own(open_cloud):
    allow(quota_instances=ROOM)
    said = at_once(CROWD, lambda number: open_cloud.create(f"web-{number}"))
    assert said == {"done": ROOM, "OverQuota": CROWD - ROOM}
    there = select(func.count()).select_from(Instance).where(Instance.deleted_at.is_(None))
    assert session.scalar(there) == ROOM
    assert len(set(session.scalars(select(FixedIp.address)))) == ROOM


def test_minus_one_is_no_limit_and_another_number_is_one_again(cloud):
    project_id = cloud.project().id
    everything = dict.fromkeys(quotas.RESOURCES, quotas.NO_LIMIT)
    quotas.change(cloud.actor("ada"), project_id, everything)
    standing = quotas.usage(project_id)
    assert {each.limit for each in standing.values()} == {None}
    quotas.check(project_id, **dict.fromkeys(quotas.RESOURCES, 10**12))
    assert quotas.image_bytes_left(project_id) > 10**18
    quotas.change(cloud.actor("ada"), project_id, {"vcpus": 2})
    with pytest.raises(OverQuota, match="0 of 2 are used, 3 more"):
        quotas.check(project_id, vcpus=3)
    for limit in (-2, 10**9 + 1):
        with pytest.raises(Refused, match="or -1 for none") as refused:
            quotas.change(cloud.actor("ada"), project_id, {"vcpus": limit})
        assert refused.value.field == "vcpus"


def test_hosts_with_room_for_ten_take_ten_of_fifty_from_two_projects(open_cloud):
    allow(**PLENTY)
    open_cloud.add_host("kvm-2")
    make_room(open_cloud, "kvm-1", 6)
    make_room(open_cloud, "kvm-2", 4)

    def create(number: int) -> None:
        by, project = ("alice", "red") if number % 2 else ("charlie", "blue")
        new = open_cloud.new_instance(f"web-{number}", project)
        instances.create(open_cloud.actor(by), new)

    assert at_once(CROWD, create) == {"done": ROOM, "NoRoom": CROWD - ROOM}
    assert promised_mib() == {"kvm-1": 6 * SMALL_MIB, "kvm-2": 4 * SMALL_MIB}
    rooms = placement.room_of(session.scalars(select(Host))).values()
    assert all(room[Resource.MEMORY].free == 0 for room in rooms)


def test_several_at_once_by_two_projects_do_not_block_each_other_for_ever(open_cloud):
    allow(**PLENTY)
    for name in ("kvm-2", "kvm-3"):
        open_cloud.add_host(name)

    def create(number: int) -> None:
        by, project = ("alice", "red") if number % 2 else ("charlie", "blue")
        new = open_cloud.new_instance("web", project, count=5)
        instances.create(open_cloud.actor(by), new)

    assert at_once(10, create) == {"done": 10}


def test_limits_that_are_set_at_the_same_time_are_all_set(any_cloud):
    """Two that write the first limit of a project would break each other."""
    ada, project_id = any_cloud.actor("ada"), any_cloud.project().id
    set_limits = at_once(6, lambda person: quotas.change(ada, project_id, {"networks": person}))
    assert set_limits == {"done": 6}
