"""Instances that are kept apart, or together, on either kind of database."""

import dataclasses
from collections import Counter

import pytest
from sqlalchemy import select

from portal import config
from portal.db import session
from portal.errors import Forbidden, NoRoom, NotFound, OverQuota, Refused
from portal.models import Instance, PlacementGroup
from portal.services import hosts, instances, placement_groups
from portal.services.placement_groups import NewPlacementGroup
from tests.crowd import at_once

CROWD = 12


@pytest.fixture
def three_hosts(cloud):
    for name in ("kvm-2", "kvm-3"):
        cloud.add_host(name)
    cloud.settle()
    return cloud


def group(cloud, policy: str, **changes) -> PlacementGroup:
    new = NewPlacementGroup(name="db", policy=policy, **changes)
    return placement_groups.create(cloud.actor("alice"), cloud.project().id, new)


def hosts_of(found: list[Instance]) -> Counter:
    """How many of these instances are on each host."""
    return Counter(each.host_id for each in found)


def create(cloud, name: str = "db", **changes) -> list[Instance]:
    return instances.create(cloud.actor("alice"), cloud.new_instance(name, **changes))


def test_those_that_are_kept_apart_are_on_hosts_of_their_own(three_hosts):
    apart = group(three_hosts, "anti-affinity")
    made = create(three_hosts, placement_group_id=apart.id, count=2)
    made += create(three_hosts, placement_group_id=apart.id)
    assert list(hosts_of(made).values()) == [1, 1, 1]
    with pytest.raises(NoRoom) as refused:
        create(three_hosts, placement_group_id=apart.id)
    assert str(refused.value) == (
        "No host without another of the group db has room: 3 of 3 hosts are taken by others of the "
        "group db. Choose another placement group or none, delete something, or try again later."
    )
    assert create(three_hosts)


def test_administrators_read_which_hosts_have_others_of_the_group(three_hosts):
    apart = group(three_hosts, "anti-affinity")
    ada = three_hosts.actor("ada")
    wish = three_hosts.new_instance("db", placement_group_id=apart.id, count=4)
    with pytest.raises(NoRoom, match=r"^3 of 4 fit now, .* kvm-2 has 1 of the group db"):
        instances.create(ada, wish)


def test_a_group_may_have_several_on_a_host(three_hosts):
    apart = group(three_hosts, "anti-affinity", most_per_host=2)
    made = create(three_hosts, placement_group_id=apart.id, count=6)
    assert list(hosts_of(made).values()) == [2, 2, 2]
    with pytest.raises(NoRoom):
        create(three_hosts, placement_group_id=apart.id)


def test_those_that_are_kept_together_share_a_host(three_hosts):
    together = group(three_hosts, "affinity")
    made = create(three_hosts, placement_group_id=together.id, count=3)
    create(three_hosts, "another")
    made += create(three_hosts, placement_group_id=together.id)
    assert list(hosts_of(made).values()) == [4]


def test_a_host_that_is_full_takes_no_more_of_those_that_are_kept_together(three_hosts):
    together = group(three_hosts, "affinity")
    [first] = create(three_hosts, placement_group_id=together.id)
    three_hosts.settle()
    host = first.host_id
    hosts.enable(three_hosts.actor("ada"), host, enabled=False)
    with pytest.raises(NoRoom, match=r"^The host of the group db has no room: "):
        create(three_hosts, placement_group_id=together.id)


def test_those_that_would_rather_be_apart_share_hosts_evenly_when_they_must(three_hosts):
    rather = group(three_hosts, "soft-anti-affinity")
    made = create(three_hosts, placement_group_id=rather.id, count=3)
    assert list(hosts_of(made).values()) == [1, 1, 1]
    made += create(three_hosts, placement_group_id=rather.id, count=3)
    assert list(hosts_of(made).values()) == [2, 2, 2]


def test_those_that_would_rather_be_together_are_while_there_is_room(three_hosts):
    rather = group(three_hosts, "soft-affinity")
    made = create(three_hosts, placement_group_id=rather.id, count=2)
    create(three_hosts, "another", count=2)
    made += create(three_hosts, placement_group_id=rather.id)
    assert list(hosts_of(made).values()) == [3]
    [full] = hosts_of(made)
    hosts.enable(three_hosts.actor("ada"), full, enabled=False)
    assert create(three_hosts, placement_group_id=rather.id)[0].host_id != full


def test_one_that_is_on_its_way_out_still_keeps_others_off_its_host(three_hosts):
    apart, alice = group(three_hosts, "anti-affinity"), three_hosts.actor("alice")
    made = create(three_hosts, placement_group_id=apart.id, count=3)
    three_hosts.settle()
    instances.delete(alice, made[0].project_id, made[0].id)
    with pytest.raises(NoRoom):
        create(three_hosts, placement_group_id=apart.id)
    three_hosts.settle()
    [again] = create(three_hosts, placement_group_id=apart.id)
    assert again.host_id == made[0].host_id


def test_of_many_at_once_no_two_are_on_one_host(any_cloud):
    for number in range(3):
        any_cloud.add_host(f"kvm-{number + 1}")
    any_cloud.settle()
    apart = group(any_cloud, "anti-affinity").id
    said = at_once(CROWD, lambda number: create(any_cloud, placement_group_id=apart))
    assert said == {"done": 3, "NoRoom": CROWD - 3}
    made = session.scalars(select(Instance).where(Instance.placement_group_id == apart)).all()
    assert list(hosts_of(made).values()) == [1, 1, 1]


def test_of_many_at_once_all_are_on_the_host_of_the_first(any_cloud):
    for number in range(3):
        any_cloud.add_host(f"kvm-{number + 1}")
    any_cloud.settle()
    together = group(any_cloud, "affinity").id
    at_once(5, lambda number: create(any_cloud, placement_group_id=together))
    made = session.scalars(select(Instance).where(Instance.placement_group_id == together)).all()
    assert list(hosts_of(made).values()) == [5]


def test_the_quota_counts_groups_and_what_is_in_each(three_hosts):
    limits = {"quota_placement_groups": 1, "quota_placement_group_members": 2}
    config.use(dataclasses.replace(config.current(), **limits))
    first = group(three_hosts, "soft-affinity")
    with pytest.raises(OverQuota, match="The quota for placement groups does not allow it"):
        group(three_hosts, "affinity")
    create(three_hosts, placement_group_id=first.id)
    with pytest.raises(OverQuota, match="at most 2 instances; db has 1, and 2 more were asked"):
        create(three_hosts, placement_group_id=first.id, count=2)


def test_a_group_of_another_project_is_not_there(three_hosts):
    apart = group(three_hosts, "anti-affinity")
    charlie = three_hosts.actor("charlie")
    wish = three_hosts.new_instance("db", "blue", placement_group_id=apart.id)
    with pytest.raises(Refused, match="This placement group was not found in the project"):
        instances.create(charlie, wish)
    with pytest.raises(NotFound):
        placement_groups.delete(charlie, three_hosts.project("blue").id, apart.id)


def test_a_group_that_is_deleted_leaves_its_instances_where_they_are(three_hosts):
    apart, project = group(three_hosts, "anti-affinity"), three_hosts.project()
    [made] = create(three_hosts, placement_group_id=apart.id)
    assert [each.id for each in placement_groups.members_of([apart.id])[apart.id]] == [made.id]
    with pytest.raises(Forbidden):
        placement_groups.delete(three_hosts.actor("rita"), project.id, apart.id)
    placement_groups.delete(three_hosts.actor("bob"), project.id, apart.id)
    session.rollback()
    assert three_hosts.see(made).placement_group_id is None
    assert placement_groups.of_project(three_hosts.actor("rita"), project.id) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"policy": "alone"}, "policy"),
        ({"policy": "anti-affinity", "most_per_host": 0}, "most_per_host"),
        ({"policy": "affinity", "most_per_host": 2}, "most_per_host"),
    ],
)
def test_a_group_that_cannot_be_is_refused(cloud, changes, field):
    with pytest.raises(Refused) as refused:
        group(cloud, **changes)
    assert refused.value.field == field
