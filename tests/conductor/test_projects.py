"""Projects that go with all that they have, whatever happens on the way."""

import contextlib
import uuid

import pytest
from sqlalchemy import func, select

from portal.conductor.wire import Wire
from portal.db import Base, session, transaction
from portal.errors import Conflict, NotFound
from portal.models import (
    Activity,
    BootLog,
    Claim,
    Image,
    Instance,
    Network,
    Operation,
    Outcome,
    Port,
    Project,
    ProjectStatus,
    Role,
    Scope,
    Visibility,
)
from portal.services import (
    deletions,
    images,
    instances,
    networks,
    placement_groups,
    projects,
    quotas,
    strangers,
)
from portal.services.images import store
from portal.services.instances import boot_logs
from portal.services.placement_groups import NewPlacementGroup
from tests.cloud import host_row
from tests.conductor.test_two import Killed, Watched, kill
from tests.crowd import at_once
from tests.services.test_images import files, upload

RECORD = {"activities", "events", "operations"}  # what goes on naming a project that is gone
HELD = ("guest", "disk", "network")  # what hosts hold for a project


def names_of_project(table) -> bool:
    return "project_id" in table.columns and table.name not in RECORD


def rows_of(project_id: uuid.UUID) -> dict[str, int]:
    """How many rows of each table name a project, of those that name it at all."""
    session.rollback()
    counted = {
        table.name: session.scalar(
            select(func.count()).select_from(table).where(table.c.project_id == project_id)
        )
        for table in Base.metadata.sorted_tables
        if names_of_project(table)
    }
    return {name: count for name, count in counted.items() if count}


def held(cloud) -> dict[str, list[str]]:
    """What all hosts hold for projects."""
    kept = {kind: [] for kind in HELD}
    for host in cloud.hosts.values():
        for kind in HELD:
            kept[kind] += host.every(kind)
    return {kind: sorted(things) for kind, things in kept.items() if things}


def found_strangers(cloud) -> list:
    cloud.look()
    cloud.settle()
    session.rollback()
    return [each for name in cloud.hosts for each in strangers.on(host_row(name))]


def furnished(cloud) -> Project:
    """The project red has guests on two hosts, some that are off and one that failed, a second
    network, and images of its own, with bytes in the store."""
    red, alice = cloud.project(), cloud.actor("alice")
    back = networks.create(alice, red.id, "back", "10.9.0.0/24", nat=False)
    group = (cloud.default_group(),)
    new = NewPlacementGroup(name="web", policy="soft-anti-affinity")
    apart = placement_groups.create(alice, red.id, new).id
    made = [
        cloud.running(f"web-{number}", group_ids=group, placement_group_id=apart)
        for number in range(3)
    ]
    cloud.running("db", network_id=back.id)
    instances.stop(alice, red.id, made[0].id)
    upload(cloud, "golden")
    quotas.change(cloud.actor("ada"), red.id, {"instances": 50})
    cloud.settle()
    return red


def delete(cloud, project: Project | None = None) -> Operation:
    return deletions.delete(cloud.actor("ada"), (project or cloud.project()).id)


def gone(cloud, project: Project) -> bool:
    return cloud.see(project).status is ProjectStatus.DELETED


@pytest.fixture
def two(bare_cloud):
    """A cloud with two hosts."""
    for name in ("kvm-1", "kvm-2"):
        bare_cloud.add_host(name)
    return bare_cloud


def test_whatever_belongs_to_a_project_is_known_to_go_with_it():
    known = {each.__tablename__ for each in (*deletions.AWAITED, *deletions.ROWS, Image)}
    tables = [table for table in Base.metadata.sorted_tables if names_of_project(table)]
    assert {table.name for table in tables} == known


def test_whatever_names_something_that_goes_with_a_project_is_known_to_go_before_it():
    """Seen: a boot log was left, and the row of its instance could not go, nor anything else."""
    going = {each.__tablename__ for each in (*deletions.AWAITED, *deletions.ROWS, Image)}
    before = {  # it -> who sees to that
        "boot_logs": "_bury",
        "fixed_ips": "instances.bury",
        "image_members": "ROWS and _bury",
        "instances": "ROWS",
        "port_groups": "instances.bury",
        "ports": "instances.bury",
        "security_group_rules": "_bury",
        "subnets": "networks.bury",
        "tokens": "ROWS",
        "usage_intervals": "ROWS",
    }
    found = set()
    for table in Base.metadata.sorted_tables:  # what is named by others comes first
        if going & {key.column.table.name for key in table.foreign_keys}:
            going.add(table.name)
            found.add(table.name)
    assert found == before.keys()


def test_a_log_that_was_asked_for_too_late_does_not_keep_a_project(any_cloud):
    any_cloud.add_host("kvm-1")
    red, web = any_cloud.project(), any_cloud.running("web")
    instances.delete(any_cloud.actor("alice"), red.id, web.id)
    any_cloud.settle()
    with transaction():
        boot_logs.want([web.id])
    delete(any_cloud)
    any_cloud.settle()
    assert gone(any_cloud, red)
    assert session.scalars(select(BootLog)).all() == []


def test_a_project_goes_with_all_that_it_has_as_one_operation(two):
    blue = instances.create(two.actor("charlie"), two.new_instance("of-blue", "blue"))[0]
    two.settle()
    others = held(two)
    red = furnished(two)
    assert len({each.host_id for each in session.scalars(select(Instance))}) == 2
    operation = delete(two)
    assert two.see(red).status is ProjectStatus.DELETING
    assert files(two) == set()
    two.settle()
    assert gone(two, red)
    assert rows_of(red.id) == {}
    assert held(two) == others
    assert found_strangers(two) == []
    [only] = two.operations(red)
    assert (only.id, only.outcome) == (operation.id, Outcome.DONE)
    begun = select(Operation).where(Operation.created_at > only.created_at)
    assert session.scalars(begun).all() == []
    assert two.see(blue).status.word == "Running"
    assert set(session.scalars(select(Claim.holder_id))) == {blue.id}
    assert set(session.scalars(select(Port.owner_id))) == {blue.id}
    assert set(session.scalars(select(Network.project_id))) == {two.project("blue").id}


def test_the_record_keeps_the_names_and_tells_a_second_project_of_the_name_apart(cloud):
    red = furnished(cloud)
    delete(cloud)
    cloud.settle()
    entry = session.scalar(select(Activity).where(Activity.action == "projects:delete"))
    assert (entry.target_name, entry.user_name) == ("red", "ada")
    assert entry.before["members"] == ["alice", "bob", "rita"]
    assert sorted(entry.before["instances"]) == ["db", "web-0", "web-1", "web-2"]
    assert entry.before["images"] == ["golden"]
    second = projects.create(cloud.actor("ada"), "red")
    ada = cloud.actor("ada")
    assert projects.find(ada, "red").id == second.id != red.id
    labels = projects.names_of(ada, {red.id, second.id})
    assert labels == {red.id: "red (deleted)", second.id: "red"}


def test_nothing_new_comes_into_a_project_that_goes(cloud):
    red, ada = cloud.project(), cloud.actor("ada")
    cloud.running("web")
    new = cloud.new_instance("late")
    delete(cloud)
    for create in (
        lambda: instances.create(ada, new),
        lambda: networks.create(ada, red.id, "late", "10.9.0.0/24", nat=True),
        lambda: upload(cloud, "late", by="ada"),
        lambda: projects.set_member(ada, red.id, "bob", Role.MEMBER),
        lambda: projects.enable(ada, red.id, enabled=False),
        lambda: delete(cloud),
    ):
        with pytest.raises(Conflict, match="red is being deleted"):
            create()
    assert cloud.actor("alice").projects == {}
    with pytest.raises(NotFound):
        projects.find(cloud.actor("alice"), red.id)
    cloud.settle()
    assert gone(cloud, red)
    with pytest.raises(NotFound):
        projects.find(ada, red.id)


def test_whatever_is_under_way_in_it_ends(cloud):
    red, alice = cloud.project(), cloud.actor("alice")
    stopping = cloud.running("stopping")
    going = cloud.running("going")
    instances.stop(alice, red.id, stopping.id)
    instances.delete(alice, red.id, going.id)
    idle = networks.create(alice, red.id, "idle", "10.9.0.0/24", nat=True)
    networks.delete(alice, red.id, idle.id)
    building = cloud.create("building").id
    cloud.turn()
    delete(cloud)
    cloud.settle()
    assert gone(cloud, red)
    assert held(cloud) == {}
    ended = session.scalars(select(Operation.outcome).where(Operation.target_id == building))
    assert ended.all() in ([Outcome.SUPERSEDED], [Outcome.DONE])


def test_an_instance_that_failed_and_one_that_is_nowhere_go_too(cloud):
    red = cloud.project()
    cloud.hosts["kvm-1"].fail("ensure_disk", "The disk of kvm-1 is full.", permanent=True)
    failed, nowhere = cloud.running("failed"), cloud.running("nowhere")
    assert failed.fault
    with transaction():
        session.get(Instance, nowhere.id).host_id = None
    delete(cloud)
    cloud.settle()
    assert gone(cloud, red)


@pytest.mark.parametrize("again", [False, True], ids=["by itself", "by a person"])
def test_what_a_host_that_is_away_holds_goes_when_it_returns(two, again):
    red = furnished(two)
    two.silent.add("kvm-2")
    delete(two)
    two.turn()
    two.clock.forward(minutes=21)
    while two.turn():
        continue
    [operation] = two.operations(red)
    assert operation.outcome is Outcome.FAILED
    assert operation.reason == "host kvm-2 did not answer"
    assert two.see(red).status is ProjectStatus.DELETE_WAITING
    assert two.hosts["kvm-1"].every("guest") == {}
    if again:
        deletions.retry(two.actor("ada"), red.id)
        with pytest.raises(Conflict, match="red is busy: delete has not finished"):
            deletions.retry(two.actor("ada"), red.id)
        assert two.see(red).status is ProjectStatus.DELETING
    two.silent.clear()
    two.settle()
    for _ in range(3):
        two.clock.forward(minutes=1)
        two.settle()
    assert gone(two, red)
    assert rows_of(red.id) == {}
    assert held(two) == {}
    assert found_strangers(two) == []


@pytest.mark.parametrize("call", ["look", "send", "forget"])
@pytest.mark.parametrize("number", range(2))
def test_a_conductor_killed_at_any_call_is_followed_by_one_that_ends_it(cloud, call, number):
    red = cloud.project()
    for each in range(3):
        cloud.running(f"web-{each}")
    delete(cloud)
    cloud.wire = Watched(cloud.redis, before=call, number=number, happens=kill)
    with contextlib.suppress(Killed):
        cloud.settle()
    assert cloud.wire.happened
    cloud.wire = Wire(cloud.redis)
    cloud.settle()
    assert gone(cloud, red)
    assert [each.outcome for each in cloud.operations(red)] == [Outcome.DONE]
    assert held(cloud) == {}


def test_it_ends_within_its_bound_when_no_host_and_no_queue_is_there(cloud):
    red = cloud.project()
    cloud.running("web")
    operation = delete(cloud)
    cloud.silent.add("kvm-1")
    cloud.redis.flushall()
    while cloud.clock() < operation.deadline:
        cloud.clock.forward(minutes=1)
        cloud.turn()
    [operation] = cloud.operations(red)
    assert operation.outcome is Outcome.FAILED


def test_what_is_locked_or_protected_stands_against_it_by_name(cloud):
    red, alice, ada = cloud.project(), cloud.actor("alice"), cloud.actor("ada")
    web, golden = cloud.running("web"), upload(cloud, "golden")
    instances.lock(alice, red.id, web.id)
    images.protect(alice, red.id, golden.id)
    assert [each.thing.name for each in deletions.obstacles(ada, red.id)] == ["web", "golden"]
    with pytest.raises(Conflict, match=r"web is locked\. Unlock it .* So does 1 more\."):
        delete(cloud)
    instances.lock(alice, red.id, web.id, locked=False)
    with pytest.raises(Conflict, match="golden is protected from deletion"):
        delete(cloud)
    images.protect(alice, red.id, golden.id, protected=False)
    delete(cloud)
    cloud.settle()
    assert gone(cloud, red)


def test_what_was_not_counted_is_not_said_to_have_been(cloud, monkeypatch):
    """Seen: "So do 19 more", of fifty locked instances."""
    monkeypatch.setattr(deletions, "SHOWN", 2)
    red, alice = cloud.project(), cloud.actor("alice")
    for name in ("one", "two", "three"):
        instances.lock(alice, red.id, cloud.running(name).id)
    with pytest.raises(Conflict, match=r"one is locked\. .* So do at least 1 more\."):
        delete(cloud)


def test_an_image_that_others_were_made_from_stands_against_it_until_it_is_deleted_by_itself(cloud):
    red, ada = cloud.project(), cloud.actor("ada")
    golden = upload(cloud, "golden", by="ada", visibility=Visibility.PUBLIC)
    new = cloud.new_instance("theirs", "blue", image_id=golden.id)
    [theirs] = instances.create(cloud.actor("charlie"), new)
    cloud.settle()
    with pytest.raises(Conflict, match="Instances of other projects were made from golden"):
        delete(cloud)
    images.delete(ada, red.id, golden.id)
    delete(cloud)
    cloud.settle()
    assert gone(cloud, red)
    assert cloud.see(theirs).status.word == "Running"
    assert session.get(Image, golden.id).deleted_at
    assert not store.place(golden.sha256).exists()


def test_of_many_who_create_while_it_goes_none_is_left_over(any_cloud):
    any_cloud.add_host("kvm-1")
    red, ada = any_cloud.project(), any_cloud.actor("ada")
    any_cloud.running("first")
    new = [any_cloud.new_instance(f"web-{number}") for number in range(8)]

    def act(number: int) -> None:
        if number == 4:
            deletions.delete(ada, red.id)
        elif number % 2:
            networks.create(ada, red.id, f"net-{number}", f"10.7.{number}.0/24", nat=True)
        else:
            instances.create(ada, new[number])

    said = at_once(8, act)
    assert said["broke"] == 0
    assert said["done"] >= 1
    any_cloud.settle()
    assert gone(any_cloud, red)
    assert rows_of(red.id) == {}
    assert held(any_cloud) == {}
    assert session.scalars(select(Scope).where(Scope.kind == "networks")).all() == []
