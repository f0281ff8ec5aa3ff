import dataclasses
import re
import socket
import subprocess
import time

import pytest

from tests.workers.filtered_host import FilteredHost, default
from tests.workers.network_host import (
    OUT,
    WORLD_ADDRESS,
    firewall,
    group,
    network,
    opening,
    run,
)
from workers.drivers import nft
from workers.drivers.filter import firewall_rules
from workers.drivers.filter.nftables import NftFirewall
from workers.specs import MemberSpec

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def machine():
    with FilteredHost() as host:
        yield host


@pytest.fixture
def host(machine):
    yield machine
    machine.forget_guests()


@pytest.fixture
def pair(host):
    return host.pair()


def test_members_of_a_group_reach_each_other_and_others_do_not_reach_them(host, pair):
    web, db = pair
    other = host.stranger()
    host.apply(
        [web.port(1, "default"), db.port(2, "default"), other.port(3, "out")],
        default(web, db),
        group("out", OUT),
    )
    with db.listen(80), other.listen(80):
        assert web.reaches(db.address, 80)
        assert web.pings(db.address)
        assert not other.connects(db.address, 80)
        assert not other.pings(db.address)
        assert not web.connects(other.address, 80), "nothing comes in that no rule names"
        with host.without_filter():
            assert other.reaches(db.address, 80)
            assert web.reaches(other.address, 80)


def test_a_group_opens_one_port_and_answers_find_their_way(host, pair):
    web, _ = pair
    other = host.stranger()
    host.apply(
        [web.port(1, "ssh"), other.port(3, "out")],
        group("ssh", opening("tcp", 22)),
        group("out", OUT),
    )
    with web.listen(22), web.listen(80):
        assert other.reaches(web.address, 22)
        assert not other.connects(web.address, 80)
        assert not web.connects("10.0.0.1", 80, seconds=0.3)
        assert not web.pings("10.0.0.1"), "it may answer, not begin"


def test_what_goes_out_is_what_the_rules_name(host, pair):
    web, db = pair
    only = dataclasses.replace(
        OUT, protocol="tcp", port_min=80, port_max=81, remote_cidr="10.0.0.12/32"
    )
    host.apply(
        [web.port(1, "narrow"), db.port(2, "open")],
        group("narrow", only),
        group("open", OUT, opening("")),
    )
    with db.listen(81), db.listen(82):
        assert web.reaches(db.address, 81)
        assert not web.connects(db.address, 82)
        assert not web.pings(db.address)


def test_a_guest_has_its_address_and_its_way_out_whatever_its_groups(host):
    guest = host.guest(host.spec, "10.0.0.21", configured=False)
    known = dataclasses.replace(
        host.spec, generation=next(host.generations), leases=(guest.lease("quiet"),)
    )
    host.network.ensure_network(known)
    host.apply([guest.port(4)])
    assert guest.ask_dhcp()["ip"] == "10.0.0.21"
    assert not guest.pings("10.0.0.1"), "a port in no group lets nothing through"
    host.apply([guest.port(4, "default")], default(guest))
    assert guest.pings(WORLD_ADDRESS)


def test_ending_a_rule_ends_its_connections_and_no_other(host, pair):
    web, db = pair
    other = host.stranger()

    def table(*rules):
        host.apply(
            [web.port(1, "service"), other.port(3, "out"), db.port(2, "out")],
            group("service", *rules),
            group("out", OUT),
        )

    table(opening("tcp", 22), opening("tcp", 80))
    kept, cut = (Conversation(other, web, port) for port in (22, 80))
    assert kept.goes_on()
    assert cut.goes_on()
    table(opening("tcp", 22))
    assert kept.goes_on()
    assert not cut.goes_on()
    table(opening("tcp", 22), opening("tcp", 443))
    assert kept.goes_on()


def test_a_connection_ends_with_the_membership_that_allowed_it(host, pair):
    web, db = pair
    talk = Conversation(web, db, 80)
    assert talk.goes_on()
    host.apply([web.port(1, "default"), db.port(2, "default")], default(db))
    assert not talk.goes_on()


def test_a_kill_between_table_and_connections_is_made_good(host, pair, monkeypatch):
    web, db = pair
    talk = Conversation(web, db, 80)
    assert talk.goes_on()
    narrow = firewall(
        next(host.generations), [web.port(1, "default"), db.port(2, "default")], default(db)
    )
    monkeypatch.setattr(
        NftFirewall, "_forget_refused", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        host.firewall.ensure_firewall(narrow)
    assert host.firewall.observe_firewall() == ()
    monkeypatch.undo()
    host.firewall.ensure_firewall(narrow)
    assert not talk.goes_on()


class Conversation:
    """A TCP connection from one guest to another."""

    def __init__(self, client, server, port):
        with server.listen(port) as waiting:
            self._near = client.open(
                lambda: socket.create_connection((server.address, port), timeout=1)
            )
            self._far, _ = waiting.accept()
        self._near.settimeout(0.7)
        self._far.settimeout(0.7)

    def goes_on(self) -> bool:
        try:
            self._near.sendall(b"?")
            heard = self._far.recv(1) == b"?"
            self._far.sendall(b"!")
            return heard and self._near.recv(1) == b"!"
        except OSError:
            return False


def test_no_packet_is_lost_while_tables_are_replaced(host, pair):
    web, db = pair
    words = ["busybox", "ping", "-i", "0.005", "-c", "400", "-W", "1", "-q", db.address]
    started = ["ip", "netns", "exec", web.namespace, *words]
    stream = subprocess.Popen(started, stdout=subprocess.PIPE, text=True)
    replaced = 0
    while stream.poll() is None:
        replaced += 1
        extra = [opening("tcp", port) for port in range(replaced % 7)]
        host.apply(
            [web.port(1, "default"), db.port(2, "default")],
            dataclasses.replace(default(web, db), rules=(*default(web, db).rules, *extra)),
        )
        time.sleep(0.05)
    said = stream.communicate()[0]
    assert replaced > 10
    assert "400 packets transmitted, 400 packets received" in said, said


def test_a_new_table_keeps_the_hooks_of_the_old_one_and_nothing_else(host, pair):
    web, db = pair
    host.apply([web.port(1, "old")], group("old", OUT))

    def hooks():
        listed = run("nft", "-a", "list", "ruleset").stdout
        return re.findall(r"chain (\w+_guests) \{ (# handle \d+)", listed)

    before = hooks()
    assert len(before) == 9
    host.apply([db.port(2, "new")], group("new", OUT, opening("tcp", 80)))
    assert hooks() == before
    kept = nft.settled(nft.run("list ruleset"))
    nft.run("delete table bridge portico; delete table inet portico")
    host.apply([db.port(2, "new")], group("new", OUT, opening("tcp", 80)))
    fresh = nft.settled(nft.run("list ruleset"))
    assert sorted(kept.splitlines()) == sorted(fresh.splitlines())


def test_a_table_of_another_shape_is_replaced_too(host, pair):
    web, db = pair
    nft.run(
        "delete table inet portico; table inet portico { set zones { type ipv4_addr; }; "
        "chain to_guests { type filter hook forward priority 7; }; }"
    )
    host.apply([web.port(1, "default"), db.port(2, "default")], default(web, db))
    assert web.pings(db.address)


def test_fragments_pass_where_their_whole_does(host, pair):
    web, db = pair
    assert (
        web.run(
            "busybox", "ping", "-c", "2", "-s", "4000", "-W", "1", db.address, check=False
        ).returncode
        == 0
    )
    host.apply([web.port(1, "out"), db.port(2, "out")], group("out", OUT))
    assert web.run(
        "busybox", "ping", "-c", "1", "-s", "4000", "-W", "1", db.address, check=False
    ).returncode


def test_the_same_table_again_changes_nothing(host, pair):
    web, db = pair
    spec = host.apply([web.port(1, "default"), db.port(2, "default")], default(web, db))
    before = run("nft", "-a", "list", "ruleset").stdout  # with handles: a new rule has a new one
    host.firewall.ensure_firewall(spec)
    assert run("nft", "-a", "list", "ruleset").stdout == before
    newer = dataclasses.replace(spec, generation=next(host.generations))
    host.firewall.ensure_firewall(newer)
    assert run("nft", "-a", "list", "ruleset").stdout == before
    assert host.firewall.observe_firewall()[0].generation == newer.generation


TAMPERING = {
    "a rule was deleted": "flush chain bridge portico ipv4_from_guests",
    "a rule was added": "insert rule inet portico to_guests accept",
    "an element was deleted": "flush set inet portico members_default",
    "an element was added": 'add element inet portico members_default { "pbr5" . 10.0.0.99 }',
    "half of it is gone": "delete table inet portico",
    "the guard is gone": "delete table bridge portico_guard",
}


@pytest.mark.parametrize("how", TAMPERING)
def test_a_table_that_somebody_changed_is_not_held_until_it_is_repaired(host, pair, how):
    web, db = pair
    spec = host.apply([web.port(1, "default"), db.port(2, "default")], default(web, db))
    before = nft.settled(nft.run("list ruleset"))
    nft.run(TAMPERING[how])
    assert host.firewall.observe_firewall() == ()
    host.firewall.ensure_firewall(spec)
    assert len(host.firewall.observe_firewall()) == 1
    assert sorted(nft.settled(nft.run("list ruleset"))) == sorted(before)


def test_one_bad_row_lets_nothing_pass_and_keeps_no_other_from_passing(host, pair):
    """Seen: it kept the table of a whole host from being applied, deletions and all."""
    web, db = pair
    other = host.stranger()
    bad = dataclasses.replace(other.port(3, "default"), addresses=(other.address, "fd00::1"))
    upside_down = dataclasses.replace(opening("tcp", 90), port_max=1)
    spec = firewall(
        next(host.generations),
        [web.port(1, "default", "odd"), db.port(2, "default"), bad],
        default(web, db, other),
        group("odd", upside_down, opening("tcp", 80)),
    )
    host.firewall.ensure_firewall(spec)
    [held] = host.firewall.observe_firewall()
    assert held.generation == spec.generation
    assert held.unreadable == (
        f"port {bad.id!r}: 'fd00::1' is no IPv4 address",
        "a rule of group 'odd': its first port 90 is above its last, 1",
    )
    with web.listen(80), db.listen(80), other.listen(80):
        assert web.reaches(db.address, 80)
        assert db.reaches(web.address, 80)
        assert not other.connects(web.address, 80)
        assert not other.pings(db.address)
        assert not web.connects(other.address, 80)
    host.apply(
        [web.port(1, "default"), db.port(2, "default"), other.port(3, "default")],
        default(web, db, other),
    )
    other.run("ip", "neigh", "flush", "all")  # whom it has asked for in vain
    with web.listen(80):
        assert other.reaches(web.address, 80), "it passes once its row makes sense"
    assert host.firewall.observe_firewall()[0].unreadable == ()


def test_a_restarted_worker_sees_what_is_held(host, pair):
    assert NftFirewall(host.config).observe_firewall() == host.firewall.observe_firewall() != ()


def test_connections_on_two_networks_are_kept_apart(host, pair):
    web, db = pair
    twin = network(6)
    host.network.ensure_network(twin)
    web2, db2 = host.guest(twin, web.address), host.guest(twin, db.address)
    ports = [
        web.port(1, "default"),
        db.port(2, "default"),
        web2.port(3, "default"),
        db2.port(4, "default"),
    ]
    host.apply(ports, default(web, db, web2, db2))
    for client, server in ((web, db), (web2, db2)):
        with server.listen(80) as waiting:
            near = client.open(lambda: socket.socket())
            near.bind(("", 5555))  # both conversations have the same four numbers
            near.settimeout(1)
            near.connect((server.address, 80))
            waiting.accept()
    listed = run("conntrack", "-L", "-p", "tcp", "--sport", "5555").stdout
    assert {f"zone={zone}" for zone in firewall_rules.zones_of([5, 6]).values()} == {
        word for word in listed.split() if word.startswith("zone=")
    }
    host.network.remove_network(twin.id)


def test_an_address_is_a_members_on_its_own_network_alone(host, pair):
    web, db = pair
    twin = network(6)
    host.network.ensure_network(twin)
    web2, imposter = host.guest(twin, web.address), host.guest(twin, db.address)
    ports = [
        web.port(1, "default"),
        db.port(2, "default"),
        web2.port(3, "default"),
        imposter.port(4, "out"),
    ]
    groups = default(web, db, web2), group("out", OUT)
    with web.listen(80), web2.listen(80):
        host.apply(ports, *groups)
        assert db.reaches(web.address, 80)
        assert not imposter.connects(web2.address, 80), "its address is a member's of the other"
        assert not imposter.pings(web2.address)
        host.apply(ports, default(web, db, web2, imposter), group("out", OUT))
        assert imposter.reaches(web2.address, 80), "which it is once it belongs to the group"
    host.network.remove_network(twin.id)


def test_a_large_table_is_applied_and_compared(host):
    template = host.guest(host.spec, "10.0.0.11").port(1)
    ports = [
        dataclasses.replace(
            template,
            id=f"{number:08x}-{number:04x}-4000-8000-000000000000",
            number=number,
            mac=f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}",
            addresses=(f"10.1.{number >> 8}.{number & 255}",),
            groups=("default",),
        )
        for number in range(1, 1001)
    ]
    members = tuple(
        MemberSpec(segment_id=port.segment_id, address=port.addresses[0]) for port in ports
    )
    host.apply(ports, dataclasses.replace(default(), members=members))
