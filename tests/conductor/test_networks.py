"""What hosts are told of a network, and of who may speak to whom."""

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal.changes.instances import MAKE
from portal.changes.networks import NETWORK_TABLE
from portal.conductor import drift
from portal.conductor.nouns import NOUNS
from portal.db import session, transaction
from portal.models import FixedIp, Network, Outcome, Port, Scope, Status, Subnet, Task
from portal.services import instances, networks, operations, scopes
from tests.cloud import host_row
from workers.specs import AddressSpec


def leases(host) -> set[str]:
    """The addresses that DHCP on a fake host gives away."""
    return {
        lease["address"] for table in host.every("network").values() for lease in table["leases"]
    }


def addresses(*rows) -> set[str]:
    ids = [row.id for row in rows]
    return set(session.scalars(select(FixedIp.address).join(Port).where(Port.owner_id.in_(ids))))


def test_a_host_forgets_no_lease_because_its_guest_lived_elsewhere(bare_cloud):
    """Seen: each host had the leases of all, and kept those of guests that ended elsewhere."""
    bare_cloud.add_host("kvm-1")
    bare_cloud.add_host("kvm-2")
    rows = [bare_cloud.running(f"web-{n}") for n in range(4)]
    by_host = {
        name: [row for row in rows if row.host_id == host_row(name).id] for name in bare_cloud.hosts
    }
    assert all(by_host.values())
    for name, there in by_host.items():
        assert leases(bare_cloud.hosts[name]) == addresses(*there)
    alice = bare_cloud.actor("alice")
    for row in by_host["kvm-2"]:
        instances.delete(alice, row.project_id, row.id)
    bare_cloud.settle()
    assert leases(bare_cloud.hosts["kvm-2"]) == set()
    assert leases(bare_cloud.hosts["kvm-1"]) == addresses(*by_host["kvm-1"])


def second_subnet(network_id, cidr: str, **odd) -> None:
    """The network has another subnet, and its hosts shall hear of it."""
    start = cidr.split("/")[0].rpartition(".")[0]
    row = {"cidr": cidr, "gateway": f"{start}.1", "dhcp_address": f"{start}.6"}
    carry = (Scope.kind == NETWORK_TABLE) & (Scope.target_id == network_id)
    with transaction():
        session.add(Subnet(network_id=network_id, **(row | odd)))
        scopes.want(scopes.at([], carry))


def narrow_network(cloud) -> Network:
    """A network with room for five instances, that has a subnet with room for five more."""
    red = cloud.project().id
    network = networks.create(cloud.actor("alice"), red, "narrow", "10.65.0.0/29", nat=True)
    second_subnet(network.id, "10.66.0.0/29")
    return network


def test_hosts_are_told_of_all_subnets_and_of_who_is_on_each(two_hosts):
    kvm_1, kvm_2 = two_hosts.hosts.values()
    network = narrow_network(two_hosts)
    with transaction():
        host_row("kvm-1").enabled = True
        host_row("kvm-2").enabled = False
    near = [two_hosts.running(f"near-{n}", network_id=network.id) for n in range(3)]
    with transaction():
        host_row("kvm-1").enabled = False
        host_row("kvm-2").enabled = True
    far = [two_hosts.running(f"far-{n}", network_id=network.id) for n in range(3)]
    assert addresses(*near) == {f"10.65.0.{n}" for n in (2, 3, 4)}
    assert addresses(*far) == {"10.65.0.5", "10.66.0.2", "10.66.0.3"}
    here, there = (host.get("network", str(network.id)) for host in (kvm_1, kvm_2))
    for table in (here, there):
        assert [(each["cidr"], each["gateway"]) for each in table["subnets"]] == [
            ("10.65.0.0/29", "10.65.0.1"),
            ("10.66.0.0/29", "10.66.0.1"),
        ]
        assert table["gateway_mac"] == network.gateway_mac
    assert {each["address"] for each in there["leases"]} == addresses(*far)
    assert {each["address"] for each in there["names"]} == addresses(*near)
    assert {each["address"] for each in here["leases"]} == addresses(*near)
    assert {(each["hostname"], each["address"]) for each in here["names"]} == {
        ("far-0", "10.65.0.5"),
        ("far-1", "10.66.0.2"),
        ("far-2", "10.66.0.3"),
    }


def test_a_subnet_that_comes_while_guests_run_is_served_and_takes_no_lease_away(bare_cloud):
    bare_cloud.add_host("kvm-1")
    first = bare_cloud.running("first")
    network_id = session.scalar(select(Port.network_id).where(Port.owner_id == first.id))
    second_subnet(network_id, "10.66.0.0/24")
    bare_cloud.settle()
    [table] = bare_cloud.hosts["kvm-1"].every("network").values()
    assert [each["cidr"] for each in table["subnets"]] == ["10.0.0.0/24", "10.66.0.0/24"]
    assert leases(bare_cloud.hosts["kvm-1"]) == addresses(first)


def test_a_subnet_that_no_host_can_serve_is_named_and_the_others_are_served(bare_cloud):
    bare_cloud.add_host("kvm-1")
    first = bare_cloud.running("first")
    network_id = session.scalar(select(Port.network_id).where(Port.owner_id == first.id))
    second_subnet(network_id, "10.66.0.0/24", gateway="10.67.0.1")
    bare_cloud.settle()
    [table] = bare_cloud.hosts["kvm-1"].every("network").values()
    assert [each["cidr"] for each in table["subnets"]] == ["10.0.0.0/24"]
    assert leases(bare_cloud.hosts["kvm-1"]) == addresses(first)
    bare_cloud.look()
    bare_cloud.settle()
    problem = "the subnet '10.66.0.0/24': '10.67.0.1' is no address of a host in 10.66.0.0/24"
    assert host_row().obstacles == [[f"the table of networks leaves out a row: {problem}", ""]]


def test_a_guest_is_told_of_the_subnet_that_its_address_is_of(bare_cloud):
    bare_cloud.add_host("kvm-1")
    network = narrow_network(bare_cloud)
    row = [bare_cloud.running(f"web-{n}", network_id=network.id) for n in range(5)][-1]
    tasks = session.scalars(select(Task).where(Task.target_id == row.id, Task.job == MAKE.job))
    [spec] = NOUNS["instances"].specs[MAKE.job](tasks.all()).values()
    [port] = spec.ports
    assert port.addresses == (
        AddressSpec(address="10.66.0.2", prefix_length=29, gateway="10.66.0.1"),
    )


def sent_by_themselves(host: str) -> list[Task]:
    """Tables that were sent to a host for nobody's change, oldest first."""
    session.rollback()
    return list(
        session.scalars(
            select(Task)
            .where(Task.operation_id.is_(None), Task.host_id == host_row(host).id)
            .order_by(Task.created_at)
        )
    )


def names(host) -> set[tuple[str, str]]:
    """What DNS on a fake host knows of guests elsewhere."""
    return {
        (name["hostname"], name["address"])
        for table in host.every("network").values()
        for name in table["names"]
    }


def test_a_host_knows_the_names_of_the_networks_guests_on_other_hosts(two_hosts):
    kvm_1, kvm_2 = two_hosts.hosts.values()
    second = two_hosts.running("second")
    assert names(kvm_1) == {("second", *addresses(second))}
    assert names(kvm_2) == {("first", *addresses(two_hosts.first))}
    instances.delete(two_hosts.actor("alice"), second.project_id, second.id)
    two_hosts.settle()
    assert names(kvm_1) == set()
    assert kvm_2.every("network") == {}, "its last guest there is gone"


def test_two_guests_of_a_network_never_bear_one_name(cloud):
    """Seen: the second one's address was that of a name which the first one's owner relied on."""
    first, second = cloud.running("web"), cloud.running("Web!")
    many = instances.create(cloud.actor("alice"), cloud.new_instance("w" * 63, count=18))
    cloud.settle()
    assert (first.hostname, second.hostname) == ("web", "web-2")
    [table] = cloud.hosts["kvm-1"].every("network").values()
    known = {lease["hostname"]: lease["address"] for lease in table["leases"]}
    assert len(known) == len(table["leases"]) == 20
    assert {known["web"], known["web-2"]} == addresses(first, second)
    assert {each.hostname for each in many} < known.keys()
    seeds = cloud.hosts["kvm-1"].every("seed")
    for each in (first, second, *many):
        assert seeds[str(each.id)]["hostname"] == each.hostname


def test_the_database_has_the_last_word_on_names(cloud):
    first, second = cloud.create("web"), cloud.create("db")
    ports = {row.owner_id: row for row in session.scalars(select(Port))}
    with pytest.raises(IntegrityError), transaction():
        session.get_one(Port, ports[second.id].id).dns_name = ports[first.id].dns_name


def test_a_name_is_free_again_with_its_guest(cloud):
    first = cloud.running("web")
    instances.delete(cloud.actor("alice"), first.project_id, first.id)
    cloud.settle()
    assert cloud.create("web").hostname == "web"


def test_nobody_waits_for_a_host_that_only_learns_a_name(two_hosts):
    two_hosts.silent.add("kvm-1")
    second = two_hosts.create("second")
    for _ in range(5):
        two_hosts.turn()
    assert [each.outcome for each in two_hosts.operations(second)] == [Outcome.DONE]
    two_hosts.silent.clear()
    two_hosts.settle()
    assert names(two_hosts.hosts["kvm-1"]) == {("second", *addresses(second))}


def test_equal_addresses_on_two_networks_are_members_each_on_its_own(two_hosts):
    """Seen: a guest elsewhere that bore a member's address passed for one."""
    alice, red = two_hosts.actor("alice"), two_hosts.project().id
    group_id = two_hosts.default_group()
    other = networks.create(alice, red, "other", "10.9.0.0/24", nat=True)
    two_hosts.running("second", network_id=other.id, group_ids=(group_id,))
    segments = dict(map(tuple, session.execute(select(Network.id, Network.segment_id))))
    [filter_] = two_hosts.hosts["kvm-1"].every("firewall").values()
    found = {
        (member["segment_id"], member["address"])
        for group in filter_["groups"]
        for member in group["members"]
    }
    held = session.execute(
        select(Port.network_id, FixedIp.address).join(FixedIp, FixedIp.port_id == Port.id)
    )
    assert found == {(segments[network_id], address) for network_id, address in held}


def members(host, group_id) -> set[str]:
    """The addresses that the filter of a fake host takes for members of a group."""
    [table] = host.every("firewall").values()
    return {
        member["address"]
        for group in table["groups"]
        if group["id"] == str(group_id)
        for member in group["members"]
    }


def test_every_host_of_a_group_learns_who_joins_it_and_who_leaves(two_hosts):
    group_id = two_hosts.default_group()
    second = two_hosts.running("second", group_ids=(group_id,))
    both = addresses(two_hosts.first, second)
    assert [members(host, group_id) for host in two_hosts.hosts.values()] == [both, both]
    instances.delete(two_hosts.actor("alice"), second.project_id, second.id)
    two_hosts.settle()
    assert members(two_hosts.hosts["kvm-1"], group_id) == addresses(two_hosts.first)


def test_a_create_waits_for_its_own_host_alone(two_hosts):
    two_hosts.hosts["kvm-1"].fail("ensure_firewall", "nft: no such file", times=99)
    two_hosts.silent.add("kvm-1")
    second = two_hosts.create("second", group_ids=(two_hosts.default_group(),))
    for _ in range(5):
        two_hosts.turn()
    [operation] = two_hosts.operations(second)
    assert operation.outcome is Outcome.DONE
    hosts = session.scalars(select(Task.host_id).where(Task.operation_id == operation.id))
    assert set(hosts) == {host_row("kvm-2").id}


def test_a_host_learns_of_members_while_a_change_hangs_on_it(two_hosts):
    instances.delete(two_hosts.actor("alice"), two_hosts.first.project_id, two_hosts.first.id)
    two_hosts.hosts["kvm-1"].fail("remove_domain", "the guest holds on", times=10**6)
    two_hosts.turn()
    two_hosts.create("second", group_ids=(two_hosts.default_group(),))
    for _ in range(5):
        two_hosts.turn()
        drift.mend()
    assert [each.job for each in sent_by_themselves("kvm-1")] == ["firewall.apply"]


def test_a_network_that_a_host_will_not_give_up_is_asked_for_less_and_less(bare_cloud):
    bare_cloud.add_host("kvm-1")
    alice, instance = bare_cloud.actor("alice"), bare_cloud.running()
    network_id = session.scalar(select(Port.network_id).where(Port.owner_id == instance.id))
    bare_cloud.hosts["kvm-1"].fail("remove_network", "no", times=10**6, permanent=True)
    instances.delete(alice, instance.project_id, instance.id)
    for _ in range(5):
        bare_cloud.turn()
    networks.delete(alice, instance.project_id, network_id)
    for _ in range(60):
        bare_cloud.turn()
        drift.mend()
        bare_cloud.clock.forward(seconds=1)
    [delete] = bare_cloud.operations(session.get(Network, network_id))
    assert delete.outcome is Outcome.FAILED
    again = [
        each.outcome
        for each in sent_by_themselves("kvm-1")
        if each.job == "networks.remove" and each.created_at > delete.created_at
    ]
    assert again == [Outcome.FAILED] * 2  # at once, and after 30 s


def test_a_host_gives_up_a_network_with_its_last_guest_and_serves_it_again(bare_cloud):
    """Seen: a host kept the namespaces and the dnsmasq of every network that it ever carried."""
    bare_cloud.add_host("kvm-1")
    alice, host = bare_cloud.actor("alice"), bare_cloud.hosts["kvm-1"]
    first, second = bare_cloud.running("first"), bare_cloud.running("second")
    instances.delete(alice, first.project_id, first.id)
    bare_cloud.settle()
    assert leases(host) == addresses(second)
    instances.delete(alice, second.project_id, second.id)
    bare_cloud.settle()
    assert host.every("network") == {}
    third = bare_cloud.running("third")
    assert leases(host) == addresses(third)
    bare_cloud.look()
    bare_cloud.settle()
    assert sent_by_themselves("kvm-1") == []


def test_a_guest_that_comes_while_the_last_one_goes_keeps_its_network(bare_cloud):
    bare_cloud.add_host("kvm-1")
    alice, host = bare_cloud.actor("alice"), bare_cloud.hosts["kvm-1"]
    first = bare_cloud.running("first")
    instances.delete(alice, first.project_id, first.id)
    second = bare_cloud.create("second")
    bare_cloud.settle()
    assert bare_cloud.see(second).status is Status.RUNNING
    assert leases(host) == addresses(second)


def test_a_delete_that_comes_later_than_the_last_ones_finds_its_network_given_up(bare_cloud):
    """Seen: it asked five times for a table that the host had been told to forget, and failed."""
    bare_cloud.add_host("kvm-1")
    alice, host = bare_cloud.actor("alice"), bare_cloud.hosts["kvm-1"]
    first, second = bare_cloud.running("first"), bare_cloud.running("second")
    host.fail("remove_domain", "the guest holds on", times=1)
    instances.delete(alice, first.project_id, first.id)
    bare_cloud.turn()
    instances.delete(alice, second.project_id, second.id)
    for _ in range(4):
        bare_cloud.turn()
    assert host.every("network") == {}
    assert bare_cloud.operations(first)[-1].outcome is None
    bare_cloud.settle()
    assert bare_cloud.operations(first)[-1].outcome is Outcome.DONE
    assert host.every("network") == {}


def test_a_dark_host_gives_up_a_deleted_network_when_it_returns(two_hosts):
    alice, first = two_hosts.actor("alice"), two_hosts.first
    second = two_hosts.running("second")
    assert second.host_id != first.host_id
    network_id = session.scalar(select(Port.network_id).where(Port.owner_id == first.id))
    for host in two_hosts.hosts.values():
        host.fail("remove_network", "no", times=1)
    for each in (first, second):
        instances.delete(alice, each.project_id, each.id)
    for _ in range(3):
        two_hosts.turn()
    two_hosts.silent.add("kvm-1")
    two_hosts.observe()
    two_hosts.clock.forward(minutes=6)
    for _ in range(5):
        two_hosts.turn()
        two_hosts.observe()
    networks.delete(alice, first.project_id, network_id)
    for _ in range(5):
        two_hosts.turn()
    [delete] = two_hosts.operations(session.get(Network, network_id))
    assert delete.outcome is Outcome.DONE
    assert operations.spread(delete) == operations.Spread(hosts=2, waiting=[], dark=["kvm-1"])
    two_hosts.silent.clear()
    two_hosts.settle()
    assert two_hosts.hosts["kvm-1"].every("network") == {}
    assert session.get(Network, network_id) is None


def test_what_waits_for_a_table_of_a_network_ends_with_it(bare_cloud):
    """Seen: the conductor fell over the lease of a guest on a network that was gone."""
    bare_cloud.add_host("kvm-1")
    alice, instance = bare_cloud.actor("alice"), bare_cloud.running()
    network_id = session.scalar(select(Port.network_id).where(Port.owner_id == instance.id))
    bare_cloud.hosts["kvm-1"].fail("remove_network", "no", times=1)
    instances.delete(alice, instance.project_id, instance.id)
    bare_cloud.turn()
    bare_cloud.turn()
    pauses = select(Task).where(Task.job == "networks.remove", Task.finished_at.is_(None))
    assert session.scalars(pauses.where(Task.attempt == 1, Task.sent_at.is_(None))).one()
    networks.delete(alice, instance.project_id, network_id)
    bare_cloud.settle()
    assert session.get(Network, network_id) is None
    assert bare_cloud.operations(instance)[-1].outcome is Outcome.DONE


def test_whatever_changes_meanwhile_a_host_is_sent_one_table(two_hosts):
    wish = two_hosts.new_instance("more", group_ids=(two_hosts.default_group(),), count=10)
    more = instances.create(two_hosts.actor("alice"), wish)
    two_hosts.settle()
    updates = [(each.job, each.outcome) for each in sent_by_themselves("kvm-1")]
    assert sorted(updates) == [("firewall.apply", Outcome.DONE), ("networks.apply", Outcome.DONE)]
    expected = addresses(two_hosts.first, *more)
    assert members(two_hosts.hosts["kvm-1"], two_hosts.default_group()) == expected
