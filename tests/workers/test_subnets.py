"""Networks with several subnets, as a host serves them on one segment."""

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from tests.workers.filtered_host import FilteredHost, default
from tests.workers.network_host import OUT, WORLD_ADDRESS, group, held, inside, network, run, subnet
from workers.drivers import names
from workers.drivers.network import dnsmasq, plan
from workers.drivers.router import nat_rules
from workers.errors import Permanent
from workers.specs import LeaseSpec, NameSpec

OLD, NEW = "10.0.0.0/24", "10.9.0.0/22"
BOTH = network(5, OLD, NEW)


def lease(address: str, hostname: str = "web", mac: str = "fa:16:3e:00:00:01") -> LeaseSpec:
    return LeaseSpec(mac=mac, address=address, hostname=hostname)


def legs(spec) -> dict[str, tuple[str, ...]]:
    """The addresses of each device inside the namespaces of a network."""
    return {leg.name: leg.addresses for each in plan.namespaces(spec) for leg in each.legs}


def test_the_gateway_and_dhcp_have_an_address_in_each_subnet_on_one_device():
    assert legs(BOTH) == {
        "dhcp": ("10.0.0.2/24", "10.9.0.2/22"),
        "gateway": ("10.0.0.1/24", "10.9.0.1/22"),
        "outside": ("100.64.0.11/31",),
    }
    assert plan.links(BOTH) == plan.links(dataclasses.replace(network(5), id=BOTH.id))


def test_each_subnet_has_a_range_and_is_told_of_its_own_gateway_and_resolver():
    arguments = dnsmasq.arguments(Path("/run/p"), BOTH, ("--no-resolv",))
    assert [each for each in arguments if each.startswith("--dhcp-range=")] == [
        "--dhcp-range=set:subnet0,10.0.0.0,static,255.255.255.0,86400",
        "--dhcp-range=set:subnet1,10.9.0.0,static,255.255.252.0,86400",
    ]
    assert dnsmasq.options(BOTH) == [
        "tag:subnet0,option:router,10.0.0.1",
        "tag:subnet0,option:dns-server,10.0.0.2",
        "tag:subnet0,option:classless-static-route,0.0.0.0/0,10.0.0.1",
        "tag:subnet1,option:router,10.9.0.1",
        "tag:subnet1,option:dns-server,10.9.0.2",
        "tag:subnet1,option:classless-static-route,0.0.0.0/0,10.9.0.1",
        "option:domain-search,shop.internal",
        "option:mtu,1450",
    ]


def test_a_mac_with_an_address_in_each_subnet_is_given_its_first_and_named_at_both():
    leases = (lease("10.9.0.4"), lease("10.0.0.4"))
    spec = dataclasses.replace(BOTH, leases=leases)
    assert dnsmasq.addresses(spec) == "fa:16:3e:00:00:01,10.9.0.4,web.shop.internal\n"
    assert dnsmasq.host_names(spec).splitlines()[:2] == [
        "10.0.0.4 web.shop.internal web",
        "10.9.0.4 web.shop.internal web",
    ]
    fewer = dataclasses.replace(spec, leases=leases[:1])
    assert dnsmasq.revision(spec) != dnsmasq.revision(fewer)


def test_the_gateway_lets_both_subnets_out_and_passes_on_what_they_say_to_each_other():
    rules = nat_rules.router_rules(BOTH)
    ranges = "{ 10.0.0.0/24, 10.9.0.0/22 }"
    assert f'iifname "gateway" oifname "outside" ip saddr {ranges} accept' in rules
    between = f'iifname "gateway" oifname "gateway" ip saddr {ranges} ip daddr {ranges} accept'
    assert between in rules
    assert between in nat_rules.router_rules(dataclasses.replace(BOTH, nat=False))
    assert 'oifname "gateway" ip saddr' not in nat_rules.router_rules(network(5))


ODD = {
    "no range": (subnet(cidr="10.3.0.0/33"), "'10.3.0.0/33' is no IPv4 network"),
    "IPv6": (subnet(cidr="fd00::/64"), "'fd00::/64' is no IPv4 network"),
    "a line in it": (subnet(cidr="10.3.0.0/24\n"), r"'10.3.0.0/24\n' is no IPv4 network"),
    "a gateway elsewhere": (
        subnet("10.3.0.0/24", gateway="10.4.0.1"),
        "'10.4.0.1' is no address of a host in 10.3.0.0/24",
    ),
    "DHCP at the broadcast address": (
        subnet("10.3.0.0/24", dhcp_address="10.3.0.255"),
        "'10.3.0.255' is no address of a host in 10.3.0.0/24",
    ),
    "one address for two": (
        subnet("10.3.0.0/24", dhcp_address="10.3.0.1"),
        "gateway and DHCP have the same address",
    ),
    "what an older one has": (
        subnet("10.0.0.128/25", gateway="10.0.0.129", dhcp_address="10.0.0.130"),
        "it overlaps 10.0.0.0/24",
    ),
}


@pytest.mark.parametrize("why", ODD)
@pytest.mark.parametrize("place", [1, 2])
def test_a_subnet_that_makes_no_sense_is_left_out_and_named_and_others_are_served(why, place):
    odd, problem = ODD[why]
    subnets = [*BOTH.subnets[:place], odd, *BOTH.subnets[place:]]
    leases = (lease("10.0.0.4"), lease("10.9.0.4", "db"))
    table, left_out = plan.readable(
        dataclasses.replace(BOTH, subnets=tuple(subnets), leases=leases)
    )
    assert table == dataclasses.replace(BOTH, leases=leases)
    assert left_out == (f"the subnet {odd.cidr!r}: {problem}",)


def test_a_lease_of_a_subnet_that_is_left_out_is_left_out_with_it():
    odd = subnet("10.3.0.0/24", gateway="10.4.0.1")
    far = NameSpec(hostname="far", address="10.3.0.5")
    spec = dataclasses.replace(BOTH, subnets=(odd, *BOTH.subnets), leases=(lease("10.3.0.4"),))
    table, left_out = plan.readable(dataclasses.replace(spec, names=(far,)))
    assert (table.subnets, table.leases, table.names) == (BOTH.subnets, (), ())
    ours = "10.0.0.0/24 or 10.9.0.0/22"
    assert left_out[1:] == (
        f"the lease of 'web' (10.3.0.4): '10.3.0.4' is no address of a host in {ours}",
        f"the name of 'far' (10.3.0.5): '10.3.0.5' is no address of a host in {ours}",
    )


@pytest.mark.parametrize("address", ["10.9.0.1", "10.9.0.2"])
def test_nobody_is_given_the_gateway_or_the_resolver_of_any_subnet(address):
    table, left_out = plan.readable(dataclasses.replace(BOTH, leases=(lease(address),)))
    assert table.leases == ()
    assert "another one has the same address" in left_out[0]


def test_a_network_none_of_whose_subnets_makes_sense_is_refused():
    odd = subnet("10.3.0.0/24", gateway="10.4.0.1")
    with pytest.raises(
        Permanent, match=r"the subnet '10\.3\.0\.0/24': '10\.4\.0\.1' is no address"
    ):
        plan.readable(dataclasses.replace(BOTH, subnets=(odd,)))
    with pytest.raises(Permanent, match="the network has no subnet"):
        plan.readable(dataclasses.replace(BOTH, subnets=()))


@pytest.fixture(scope="module")
def machine():
    with FilteredHost() as host:
        yield host


@pytest.fixture
def host(machine):
    yield machine
    machine.forget_guests()


@pytest.fixture
def shop(host):
    """A network with two subnets, and a guest of one group on each, which has asked for its
    address."""
    spec = serve(host, OLD, NEW)
    web = host.guest(spec, "10.0.0.11", configured=False)
    db = host.guest(spec, "10.9.1.12", configured=False)
    spec = serve(host, OLD, NEW, leases=(web.lease("web"), db.lease("db")))
    router = names.router_namespace(spec.id)
    run("ip", "-n", router, "neighbour", "flush", "all")  # other guests had these addresses
    host.apply([web.port(1, "default"), db.port(2, "default")], default(web, db))
    for guest in (web, db):
        assert guest.ask_dhcp()["ip"] == guest.address
    return spec, web, db


def serve(host, *cidrs, **changes):
    """The host's one network has these subnets from now on."""
    spec = dataclasses.replace(
        network(5, *cidrs, **changes), id=host.spec.id, generation=next(host.generations)
    )
    host.network.ensure_network(spec)
    assert host.network.observe_networks() == (held(spec),)
    return spec


def resolve(guest, name: str, server: str) -> str:
    return guest.run("busybox", "nslookup", "-type=a", name, server, check=False).stdout


@pytest.mark.real
def test_a_guest_on_the_second_subnet_is_told_of_its_own_subnet(host, shop):
    _, web, db = shop
    told = db.ask_dhcp()
    assert (told["ip"], told["mask"], told["hostname"]) == ("10.9.1.12", "22", "db")
    assert (told["router"], told["dns"]) == ("10.9.0.1", "10.9.0.2")
    assert told["staticroutes"] == "0.0.0.0/0 10.9.0.1"
    told = web.ask_dhcp()
    assert (told["ip"], told["mask"], told["router"]) == ("10.0.0.11", "24", "10.0.0.1")
    assert told["dns"] == "10.0.0.2"


@pytest.mark.real
def test_each_guest_resolves_the_names_of_both_subnets_and_of_the_world(host, shop):
    for guest, server in zip(shop[1:], ("10.0.0.2", "10.9.0.2"), strict=True):
        assert "10.0.0.11" in resolve(guest, "web.shop.internal", server)
        assert "10.9.1.12" in resolve(guest, "db", server)
        assert "198.51.100.7" in resolve(guest, "www.world.example", server)


@pytest.mark.real
def test_each_guest_reaches_its_gateway_and_the_world_by_nat(host, shop):
    for guest, gateway in zip(shop[1:], ("10.0.0.1", "10.9.0.1"), strict=True):
        assert guest.pings(gateway)
        assert guest.pings(WORLD_ADDRESS)


@pytest.mark.real
def test_guests_of_two_subnets_meet_by_way_of_the_gateway_as_their_groups_allow(host, shop):
    _, web, db = shop
    with web.listen(80), db.listen(80):
        assert web.reaches(db.address, 80)
        assert db.reaches(web.address, 80)
        assert web.pings(db.address)
        host.apply([web.port(1, "out"), db.port(2, "default")], group("out", OUT), default(web, db))
        assert not db.connects(web.address, 80), "no rule names it"
        assert web.reaches(db.address, 80)


@pytest.mark.real
@pytest.mark.parametrize("stays", [OLD, NEW], ids=["the first", "the second"])
def test_subnets_come_and_go_and_the_one_that_stays_loses_no_packet_and_no_lease(host, shop, stays):
    spec, web, db = shop
    guest = web if stays == OLD else db
    sets = [(stays,), (OLD, NEW), (stays, "10.30.0.0/24")]
    words = ["busybox", "ping", "-i", "0.005", "-c", "500", "-W", "1", "-q", WORLD_ADDRESS]
    started = ["ip", "netns", "exec", guest.namespace, *words]
    stream = subprocess.Popen(started, stdout=subprocess.PIPE, text=True)
    changes = 0
    while stream.poll() is None:
        serve(host, *sets[changes % 3], leases=(guest.lease("it"),))
        changes += 1
    said = stream.communicate()[0]
    assert changes > 5
    assert "500 packets transmitted, 500 packets received" in said, said
    assert guest.ask_dhcp()["ip"] == guest.address
    serve(host, OLD, NEW, leases=spec.leases)
    for each in (web, db):
        assert each.ask_dhcp()["ip"] == each.address
        assert each.pings(WORLD_ADDRESS)


@pytest.mark.real
def test_a_change_of_subnets_keeps_the_hooks_and_the_mac_of_the_gateway(host, shop):
    """Between an old hook and a new one packets would be lost, and guests know the MAC."""
    spec, *_ = shop
    router = names.router_namespace(spec.id)

    def stays():
        listed = inside(router, lambda: run("nft", "-a", "list", "ruleset").stdout)
        link = run("ip", "-n", router, "link", "show", "gateway").stdout
        return re.findall(r"chain (\w+) \{ (# handle \d+)", listed), link

    before = stays()
    assert [name for (name, _) in before[0]] == ["input", "forward", "postrouting"]
    serve(host, NEW, "10.30.0.0/24")
    assert stays() == before
    assert "10.0.0.0/24" not in inside(router, lambda: run("nft", "list", "ruleset").stdout)
