import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.firewall_tables import BRIDGE_ELEMENTS, GROUPS, PROJECTS_AND_COUNTS, ZONES_OF_ONE
from workers.drivers.filter import conntrack, firewall_rules
from workers.drivers.filter.conntrack import Flow, Judge
from workers.drivers.filter.readable import readable
from workers.specs import FilteredPortSpec, FirewallSpec, GroupSpec, MemberSpec, RuleSpec

WEB = FilteredPortSpec(
    id="11111111-aaaa-4000-8000-000000000001",
    number=7,
    segment_id=70_000,
    mac="fa:16:3e:00:00:01",
    addresses=("10.0.0.11",),
    groups=("default", "ssh"),
    project="shop",
)
DEFAULT = GroupSpec(
    id="default",
    rules=(RuleSpec(direction="egress"), RuleSpec(direction="ingress", remote_group="default")),
    members=(
        MemberSpec(segment_id=70_000, address="10.0.0.12"),
        MemberSpec(segment_id=70_000, address="10.0.0.11"),
        MemberSpec(segment_id=8, address="10.0.0.11"),
    ),
)
SSH = GroupSpec(
    id="ssh", rules=(RuleSpec(direction="ingress", protocol="tcp", port_min=22, port_max=22),)
)
TABLE = FirewallSpec(id="kvm-1", generation=3, ports=(WEB,), groups=(DEFAULT, SSH))


def test_a_table_reads_like_this():
    assert firewall_rules.ruleset(TABLE) == "".join(
        (
            BRIDGE_ELEMENTS,
            firewall_rules.BRIDGE_CHAINS,
            "}\ntable inet portico {\n",
            ZONES_OF_ONE,
            PROJECTS_AND_COUNTS,
            firewall_rules.INET_CHAINS,
            GROUPS,
            firewall_rules.INET_HOOKS,
            "}\n",
        )
    )


def test_an_empty_table_lets_nothing_pass():
    text = firewall_rules.ruleset(FirewallSpec(id="kvm-1", generation=0))
    assert "elements" not in text


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (RuleSpec(direction="egress"), ""),
        (RuleSpec(direction="egress", remote_cidr="0.0.0.0/0"), ""),
        (RuleSpec(direction="egress", remote_cidr="10.0.0.0/8"), "ip daddr 10.0.0.0/8"),
        (RuleSpec(direction="ingress", remote_cidr="10.0.0.0/8"), "ip saddr 10.0.0.0/8"),
        (RuleSpec(direction="ingress", protocol="tcp"), "ip protocol tcp"),
        (RuleSpec(direction="ingress", protocol="udp", port_min=53), "udp dport 53-65535"),
        (RuleSpec(direction="ingress", protocol="tcp", port_min=0, port_max=9), "tcp dport 0-9"),
        (RuleSpec(direction="ingress", protocol="icmp"), "ip protocol icmp"),
        (
            RuleSpec(direction="ingress", protocol="icmp", port_min=8, port_max=0),
            "icmp type 8 icmp code 0",
        ),
        (
            RuleSpec(
                direction="ingress", protocol="tcp", port_min=1, port_max=1, remote_group="a-b"
            ),
            "iifname . ip saddr @members_a_b tcp dport 1",
        ),
    ],
)
def test_a_rule_becomes_a_match(rule, words):
    assert firewall_rules.match(rule) == words


GOOD = dataclasses.replace(WEB, id="2" * 32, number=9, groups=("default",))


def with_port(**changes):
    """A table with a port like WEB, but changed, beside a good one."""
    return dataclasses.replace(TABLE, ports=(dataclasses.replace(WEB, **changes), GOOD))


def with_group(group, ports=(WEB, GOOD)):
    return dataclasses.replace(TABLE, ports=ports, groups=(DEFAULT, SSH, group))


def with_rule(**changes):
    """A table with a group that has a rule like this beside a good one."""
    rule = RuleSpec(**{"direction": "ingress", "protocol": "tcp", **changes})
    return with_group(GroupSpec(id="odd", rules=(rule, *SSH.rules)))


def with_member(**changes):
    good = MemberSpec(segment_id=8, address="10.0.0.1")
    return with_group(GroupSpec(id="odd", members=(dataclasses.replace(good, **changes), good)))


ALONE = dataclasses.replace(TABLE, ports=(GOOD,))  # without the port that is wrong
WITHOUT_RULE = with_group(GroupSpec(id="odd", rules=SSH.rules))
WITHOUT_MEMBER = with_group(
    GroupSpec(id="odd", members=(MemberSpec(segment_id=8, address="10.0.0.1"),))
)
BAD = {  # what is wrong, and what is applied nevertheless
    "a number that is no mark": (with_port(number=0), ALONE),
    "the number of the seal": (with_port(number=firewall_rules.SEAL), ALONE),
    "a MAC with rules in it": (with_port(mac="fa:16:3e:00:00:01 } accept"), ALONE),
    "no MAC": (with_port(mac=""), ALONE),
    "an IPv6 address": (with_port(addresses=("10.0.0.11", "fd00::1")), ALONE),
    "an address that is none": (with_port(addresses=("10.0.0.256",)), ALONE),
    "an id with a quote": (with_port(id='1"; accept'), ALONE),
    "a segment that no device can be named for": (with_port(segment_id=10**9), ALONE),
    "a group that is not there": (
        with_port(groups=("nobody", "ssh")),
        dataclasses.replace(TABLE, ports=(dataclasses.replace(WEB, groups=("ssh",)), GOOD)),
    ),
    "two ports with one number": (
        dataclasses.replace(TABLE, ports=(WEB, dataclasses.replace(WEB, id="3" * 32), GOOD)),
        ALONE,
    ),
    "two ports with one tap": (
        dataclasses.replace(TABLE, ports=(WEB, dataclasses.replace(WEB, number=8), GOOD)),
        ALONE,
    ),
    "two groups with one id": (
        with_group(SSH),
        dataclasses.replace(
            TABLE,
            ports=(dataclasses.replace(WEB, groups=("default",)), GOOD),
            groups=(DEFAULT,),
        ),
    ),
    "a group with a space": (
        with_group(GroupSpec(id="a b")),
        dataclasses.replace(TABLE, ports=(WEB, GOOD)),
    ),
    "a member that is no address": (with_member(address="10.0.0.1, 10.0.0.2"), WITHOUT_MEMBER),
    "a member of IPv6": (with_member(address="fd00::1"), WITHOUT_MEMBER),
    "a member on no segment": (with_member(segment_id=-1), WITHOUT_MEMBER),
    "a rule to nowhere": (with_rule(direction="sideways"), WITHOUT_RULE),
    "a protocol with rules in it": (with_rule(protocol="tcp accept"), WITHOUT_RULE),
    "a remote network that is none": (with_rule(remote_cidr="10.0.0.0/33"), WITHOUT_RULE),
    "a remote group that is not there": (with_rule(remote_group="nobody"), WITHOUT_RULE),
    "two remotes": (with_rule(remote_cidr="10.0.0.0/8", remote_group="ssh"), WITHOUT_RULE),
    "ports from high to low": (with_rule(port_min=2, port_max=1), WITHOUT_RULE),
    "a port beyond the last": (with_rule(port_min=1, port_max=65_536), WITHOUT_RULE),
    "ports of every protocol": (with_rule(protocol="", port_min=1), WITHOUT_RULE),
    "an ICMP type beyond the last": (with_rule(protocol="icmp", port_min=256), WITHOUT_RULE),
    "an ICMP code of any type": (with_rule(protocol="icmp", port_max=1), WITHOUT_RULE),
}


@pytest.mark.parametrize("why", BAD)
def test_a_row_that_makes_no_sense_is_left_out_and_named_and_all_others_are_applied(why):
    """Seen: one of them kept the table of a whole host from being applied."""
    table, expected = BAD[why]
    applied, left_out = readable(table)
    assert applied == expected
    assert left_out
    assert firewall_rules.ruleset(applied) == firewall_rules.ruleset(expected)


def test_a_table_without_a_bad_row_is_applied_as_it_is():
    assert readable(TABLE) == (TABLE, ())


def test_of_many_bad_rows_some_are_named_and_the_others_counted():
    ports = tuple(dataclasses.replace(WEB, number=0) for _ in range(1000))
    applied, left_out = readable(dataclasses.replace(TABLE, ports=(*ports, GOOD)))
    assert applied == ALONE
    assert left_out[-1] == "and 980 more"


def test_a_rule_about_ipv6_opens_nothing():
    text = firewall_rules.ruleset(with_rule(remote_cidr="::/0", port_min=80, port_max=80))
    assert "80" not in text.replace("0x0800", "")


@settings(deadline=None)  # machines are slow at times
@given(st.sets(st.integers(1, 2**21), max_size=60))
def test_no_two_segments_share_a_zone(segments):
    zones = firewall_rules.zones_of(segments)
    assert zones.keys() == segments
    assert len(set(zones.values())) == len(segments)
    assert all(1 <= zone <= 65_535 for zone in zones.values())


@settings(deadline=None)  # machines are slow at times
@given(st.sets(st.integers(1, 65_535), max_size=60))
def test_a_small_segment_keeps_its_zone_whatever_else_there_is(segments):
    assert firewall_rules.zones_of(segments | {65_535 + 1}) | {
        segment: segment for segment in segments
    } == firewall_rules.zones_of(segments | {65_535 + 1})


ADDRESSES = [f"10.0.0.{n}" for n in range(1, 6)]
rules = st.builds(
    RuleSpec,
    direction=st.sampled_from(["ingress", "egress"]),
    protocol=st.sampled_from(["tcp", "udp"]),
    port_min=st.sampled_from([None, 1, 2]),
    port_max=st.sampled_from([None, 2, 3]),
    remote_cidr=st.sampled_from(["", "10.0.0.0/30", "10.0.0.4/32"]),
) | st.builds(
    RuleSpec,
    direction=st.sampled_from(["ingress", "egress"]),
    remote_group=st.sampled_from(["a", "b"]),
)
members = st.builds(
    MemberSpec, segment_id=st.sampled_from([1, 65_536]), address=st.sampled_from(ADDRESSES)
)
groups = st.tuples(
    *(
        st.builds(
            GroupSpec,
            id=st.just(name),
            rules=st.lists(rules, max_size=3, unique=True).map(tuple),
            members=st.lists(members, max_size=4, unique=True).map(tuple),
        )
        for name in ("a", "b")
    )
)


@st.composite
def tables(draw):
    ports = tuple(
        FilteredPortSpec(
            id=f"{number:08x}-0000",
            number=number,
            segment_id=draw(st.sampled_from([1, 65_536])),
            mac="fa:16:3e:00:00:01",
            addresses=(ADDRESSES[number - 1],),
            groups=tuple(draw(st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True))),
        )
        for number in draw(st.sets(st.integers(1, 3)))
    )
    return FirewallSpec(id="kvm-1", generation=1, ports=ports, groups=draw(groups))


flows = st.builds(
    Flow,
    zone=st.sampled_from([1, 2]),
    protocol=st.sampled_from([1, 6, 17]),
    source=st.sampled_from(ADDRESSES),
    destination=st.sampled_from(ADDRESSES),
    source_port=st.just(9),
    port=st.integers(1, 4),
)


@settings(deadline=None)  # machines are slow at times
@given(tables(), tables(), flows)
def test_a_table_that_is_not_narrower_ends_no_connection(old, new, flow):
    if not conntrack.narrows(old, new) and Judge(old).allows(flow):
        assert Judge(new).allows(flow)


@settings(deadline=None)  # machines are slow at times
@given(tables())
def test_no_table_is_narrower_than_itself(table):
    assert not conntrack.narrows(table, table)


@settings(deadline=None)  # machines are slow at times
@given(tables())
def test_every_table_that_can_be_applied_is_ascii_without_surprises(table):
    text = firewall_rules.ruleset(table)
    assert text.isascii()
    assert text.count("{") == text.count("}")


def test_a_connection_from_a_members_address_on_another_network_is_none_of_a_members():
    elsewhere = dataclasses.replace(WEB, id="2" * 32, number=8, segment_id=8)
    table = dataclasses.replace(TABLE, ports=(WEB, elsewhere), groups=(DEFAULT, SSH))
    zones = firewall_rules.zones_of([70_000, 8])
    flow = Flow(zone=zones[8], protocol=6, source="10.0.0.12", destination="10.0.0.11", port=80)
    assert not Judge(table).allows(flow)
    assert Judge(table).allows(dataclasses.replace(flow, zone=zones[70_000]))


def test_a_connection_is_read_from_both_its_halves():
    line = (
        "tcp      6 99 ESTABLISHED src=10.0.0.2 dst=10.0.0.9 sport=100 dport=22 src=10.0.0.9 "
        "dst=10.0.0.2 sport=22 dport=100 [ASSURED] mark=0 zone=5 use=1"
    )
    flow = conntrack.parse(line)
    assert flow == Flow(
        zone=5, protocol=6, source="10.0.0.2", destination="10.0.0.9", source_port=100, port=22
    )
    assert conntrack.deletion(flow) == "-D -w 5 -p 6 -s 10.0.0.2 -d 10.0.0.9 --sport 100 --dport 22"


def test_a_connection_of_the_host_itself_is_none_of_ours():
    assert conntrack.parse("udp 17 9 src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 mark=0 use=1") is None
