import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workers.network_host import WORLD_ADDRESS, NetworkHost, network, run
from workers import specs
from workers.drivers import names
from workers.drivers.network import dnsmasq, namespaces, plan, resolvers
from workers.specs import LeaseSpec, NameSpec

LEASES = (
    LeaseSpec(mac="fa:16:3e:00:00:02", address="10.0.0.12", hostname="db"),
    LeaseSpec(mac="fa:16:3e:00:00:01", address="10.0.0.11", hostname="web"),
)


def test_the_files_of_a_network_read_like_this():
    spec = network(5, leases=LEASES)
    assert dnsmasq.addresses(spec) == (
        "fa:16:3e:00:00:01,10.0.0.11,web.shop.internal\n"
        "fa:16:3e:00:00:02,10.0.0.12,db.shop.internal\n"
    )
    *lines, last = dnsmasq.host_names(spec).splitlines()
    assert lines == ["10.0.0.11 web.shop.internal web", "10.0.0.12 db.shop.internal db"]
    assert last == f"10.0.0.2 {dnsmasq.revision(spec)}"
    assert dnsmasq.revision(spec) != dnsmasq.revision(network(5))


def test_a_guest_on_another_host_has_a_name_and_no_lease():
    spec = network(5, leases=LEASES, names=(NameSpec(hostname="far", address="10.0.0.13"),))
    assert "10.0.0.13" not in dnsmasq.addresses(spec)
    assert "10.0.0.13 far.shop.internal far" in dnsmasq.host_names(spec).splitlines()
    assert dnsmasq.revision(spec) != dnsmasq.revision(dataclasses.replace(spec, names=()))


def lease(**changes) -> LeaseSpec:
    fields = {"mac": "fa:16:3e:00:00:03", "address": "10.0.0.13", "hostname": "odd"}
    return LeaseSpec(**(fields | changes))


BAD = {
    "a host name with a comma": [lease(hostname="a,b")],
    "a host name with a dot": [lease(hostname="a.b")],
    "a line in the MAC": [lease(mac="fa:16:3e:00:00:03\n")],
    "the MAC of a group": [lease(mac="01:00:00:00:00:01")],
    "an address elsewhere": [lease(address="10.0.1.13")],
    "an address of IPv6": [lease(address="fd00::1")],
    "the address of the gateway": [lease(address="10.0.0.1")],
    "the broadcast address": [lease(address="10.0.0.255")],
    "two with one address": [lease(), lease(mac="fa:16:3e:00:00:04")],
}


@pytest.mark.parametrize("why", BAD)
def test_a_lease_that_makes_no_sense_is_left_out_and_named(why):
    table, left_out = plan.readable(network(5, leases=(LEASES[0], *BAD[why], LEASES[1])))
    assert table.leases == LEASES
    assert len(left_out) == len(BAD[why])


BAD_NAMES = (
    NameSpec(hostname="a,b", address="10.0.0.13"),
    NameSpec(hostname="far", address="10.0.1.13"),
    NameSpec(hostname="far", address="10.0.0.1"),
    NameSpec(hostname="far\n", address="10.0.0.13"),
)


@pytest.mark.parametrize("name", BAD_NAMES, ids=str)
def test_a_name_that_makes_no_sense_is_left_out_and_named(name):
    good = NameSpec(hostname="near", address="10.0.0.14")
    table, left_out = plan.readable(network(5, leases=LEASES, names=(name, good)))
    assert (table.leases, table.names) == (LEASES, (good,))
    assert len(left_out) == 1


def test_the_default_route_is_in_both_options_that_can_carry_it():
    assert dnsmasq.options(network(5, mtu=1400)) == [
        "tag:subnet0,option:router,10.0.0.1",
        "tag:subnet0,option:dns-server,10.0.0.2",
        "tag:subnet0,option:classless-static-route,0.0.0.0/0,10.0.0.1",
        "option:domain-search,shop.internal",
        "option:mtu,1400",
    ]


def test_the_arguments_name_the_subnet_and_no_range_of_free_addresses():
    arguments = dnsmasq.arguments(Path("/run/p"), network(5, "10.8.0.0/22"), ("--no-resolv",))
    assert "--dhcp-range=set:subnet0,10.8.0.0,static,255.255.252.0,86400" in arguments
    assert "--dhcp-ignore=tag:!known" in arguments
    assert "--no-resolv" in arguments


@pytest.fixture
def resolver_files(tmp_path, monkeypatch):
    """The two files in which a host names its resolvers."""
    files = tmp_path / "resolv.conf", tmp_path / "systemd.conf"
    monkeypatch.setattr(resolvers, "FILES", files)
    return files


def test_guests_ask_the_resolvers_of_the_host(resolver_files):
    resolver_files[0].write_text("search example.org\nnameserver 192.0.2.53\n")
    assert resolvers.upstream(network(5)) == (f"--resolv-file={resolver_files[0]}",)
    assert resolvers.remote() == ("192.0.2.53",)
    assert resolvers.lent() == "192.0.2.53", "for networks in which that address is a guest's"


def test_a_stub_resolver_is_passed_over_for_those_it_asks(resolver_files):
    resolver_files[0].write_text("nameserver 127.0.0.53\noptions edns0\n")
    resolver_files[1].write_text("nameserver 192.0.2.53\n")
    assert resolvers.upstream(network(5)) == (f"--resolv-file={resolver_files[1]}",)


def test_a_resolver_on_loopback_is_asked_at_the_end_of_the_transit(resolver_files):
    resolver_files[0].write_text("nameserver 127.0.0.1\n")
    assert resolvers.upstream(network(5)) == ("--no-resolv", "--server=100.64.0.10")
    assert resolvers.lent() == "127.0.0.1"


def test_a_resolver_whose_address_is_a_guests_is_asked_by_the_host(resolver_files):
    """Seen: the question went to a guest, and names failed in that network alone."""
    resolver_files[0].write_text("nameserver 10.0.0.53\n")
    assert resolvers.upstream(network(5)) == ("--no-resolv", "--server=100.64.0.10")
    assert resolvers.upstream(network(5, "10.8.0.0/24")) == (f"--resolv-file={resolver_files[0]}",)


@pytest.mark.parametrize(
    "named", ["2001:db8::53", "fe80::1%eth0", "fec0:0:0:ffff::1"], ids=["global", "zone", "site"]
)
def test_a_host_with_ipv6_resolvers_alone_says_that_guests_have_none(resolver_files, named):
    """Seen: guests resolved nothing, and nobody was told."""
    assert resolvers.obstacle() is None
    resolver_files[0].write_text(f"nameserver {named}\n")
    what, _ = resolvers.obstacle()
    assert named in what
    resolver_files[1].write_text("nameserver 192.0.2.53\n")
    assert resolvers.obstacle() is None


def test_a_strange_byte_in_a_remark_breaks_nothing(resolver_files):
    resolver_files[0].write_bytes("# Büro\nnameserver 192.0.2.53\n".encode("latin-1"))
    assert resolvers.remote() == ("192.0.2.53",)


def test_a_network_without_a_way_out_has_no_resolvers(resolver_files):
    assert resolvers.upstream(network(5, nat=False)) == ("--no-resolv",)
    assert resolvers.upstream(network(5)) == ("--no-resolv",), "a host without any"


@pytest.fixture(scope="module")
def machine():
    with NetworkHost() as host:
        yield host


@pytest.fixture
def host(machine):
    yield machine
    machine.clear()


@pytest.fixture
def shop(host):
    """A network whose two guests have not asked for their addresses yet."""
    spec = network(5, leases=LEASES)
    host.network.ensure_network(spec)
    return spec


def pid(host, spec) -> int:
    return int((dnsmasq.directory(host.config, spec.id) / "pid").read_text())


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def resolve(guest, name: str) -> str:
    return guest.run("busybox", "nslookup", "-type=a", name, "10.0.0.2", check=False).stdout


@pytest.mark.real
def test_guests_have_names_before_they_have_leases(host, shop):
    guest = host.guest(shop, "10.0.0.50")
    assert "10.0.0.11" in resolve(guest, "web.shop.internal")
    assert "10.0.0.12" in resolve(guest, "db")
    assert "NXDOMAIN" in resolve(guest, "nobody.shop.internal")


@pytest.mark.real
def test_a_guest_on_another_host_is_found_by_its_name_until_it_is_gone(host, shop):
    guest = host.guest(shop, "10.0.0.50")
    far = (NameSpec(hostname="far", address="10.0.0.13"),)
    host.network.ensure_network(dataclasses.replace(shop, generation=2, names=far))
    assert "10.0.0.13" in resolve(guest, "far.shop.internal")
    assert "10.0.0.11" in resolve(guest, "web")
    host.network.ensure_network(dataclasses.replace(shop, generation=3))
    assert "NXDOMAIN" in resolve(guest, "far.shop.internal")


@pytest.mark.real
def test_a_guest_does_not_choose_its_name(host, shop):
    guest = host.guest(shop, "10.0.0.11", mac="fa:16:3e:00:00:01", configured=False)
    asked = ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "3", "-T", "1")
    guest.run(*asked, "-x", "hostname:db", "-s", "/bin/true")
    run("ip", "-n", guest.namespace, "address", "add", "10.0.0.11/24", "dev", "eth0")
    assert "10.0.0.11" not in resolve(guest, "db.shop.internal")


@pytest.mark.real
@pytest.mark.parametrize("word", ["web", "ignore", "infinite", "5m", "2w", "7", "2024"])
def test_a_guest_whose_name_is_a_word_of_dnsmasq_has_address_name_and_lease_like_any(host, word):
    spec = network(5)
    host.network.ensure_network(spec)
    guest = host.guest(spec, "10.0.0.11", configured=False)
    spec = dataclasses.replace(spec, generation=2, leases=(guest.lease(word),))
    host.network.ensure_network(spec)
    given = guest.ask_dhcp()
    assert (given["ip"], given["hostname"], given["lease"]) == ("10.0.0.11", word, "86400")
    asking = host.guest(spec, "10.0.0.50")
    assert "10.0.0.11" in resolve(asking, f"{word}.shop.internal")


@pytest.mark.real
def test_the_world_is_resolved_by_the_resolver_of_the_host(host, shop):
    guest = host.guest(shop, "10.0.0.50")
    assert "198.51.100.7" in resolve(guest, "www.world.example")


@pytest.mark.real
def test_the_world_is_resolved_by_a_resolver_on_the_hosts_loopback(host, resolver_files):
    resolver_files[0].write_text("nameserver 127.0.0.1\n")
    words = (
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-hosts",
        "--user=root",
    )
    local = subprocess.Popen(
        [
            *words,
            *("--no-resolv", f"--server={WORLD_ADDRESS}", "--pid-file="),
            *("--listen-address=127.0.0.1", "--bind-interfaces", "--log-facility=/dev/null"),
        ]
    )
    try:
        spec = network(5)
        host.network.ensure_network(spec)
        guest = host.guest(spec, "10.0.0.50")
        until(lambda: "198.51.100.7" in resolve(guest, "www.world.example"))
        assert not guest.connects("100.64.0.10", 80, seconds=0.3)
    finally:
        local.kill()
        local.wait()


@pytest.mark.real
def test_it_goes_on_when_everything_that_started_it_is_killed(host):
    spec = network(5, leases=LEASES)
    starts = (
        "import sys; from tests.workers.network_host import network; "
        "from workers.drivers.network.netlink import NetlinkNetwork; "
        "from workers import specs, config; "
        "from pathlib import Path; import json, time; "
        "spec = specs.load(specs.NetworkSpec, json.loads(sys.argv[1])); "
        "config = config.HostConfig(name='ptest', key='', redis_url='', "
        "state_directory=Path(sys.argv[2]), runtime_directory=Path(sys.argv[3])); "
        "NetlinkNetwork(config).ensure_network(spec); print('done', flush=True); time.sleep(60)"
    )
    arguments = [json.dumps(specs.dump(spec)), host.config.state_directory]
    worker = subprocess.Popen(
        [sys.executable, "-c", starts, *map(str, arguments), str(host.config.runtime_directory)],
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert worker.stdout.readline() == "done\n"
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    assert dnsmasq.alive(host.config, spec)
    assert os.getsid(pid(host, spec)) != worker.pid
    guest = host.guest(spec, "10.0.0.11", mac="fa:16:3e:00:00:01", configured=False)
    assert guest.ask_dhcp()["ip"] == "10.0.0.11"


@pytest.mark.real
def test_it_gives_up_root_and_inherits_no_secrets(host, shop):
    status = Path(f"/proc/{pid(host, shop)}/status").read_text()
    assert "\nUid:\t0\t" not in status
    assert Path(f"/proc/{pid(host, shop)}/environ").read_text() == f"PATH={os.environ['PATH']}\0"


@pytest.mark.real
def test_a_dead_one_is_started_again_and_a_living_one_left_alone(host, shop):
    other = network(6)
    host.network.ensure_network(other)
    alive = pid(host, other)
    assert dnsmasq.restart_dead(host.config) == ()
    os.kill(pid(host, shop), signal.SIGKILL)
    until(lambda: not dnsmasq.alive(host.config, shop))
    assert dnsmasq.restart_dead(host.config) == (shop.id,)
    assert dnsmasq.alive(host.config, shop)
    assert pid(host, other) == alive
    guest = host.guest(shop, "10.0.0.12", mac="fa:16:3e:00:00:02", configured=False)
    assert guest.ask_dhcp()["ip"] == "10.0.0.12"


@pytest.mark.real
def test_nothing_is_started_again_for_a_network_that_was_removed(host, shop):
    host.network.remove_network(shop.id)
    assert dnsmasq.restart_dead(host.config) == ()
    assert dnsmasq.running(host.config) == ()


@pytest.mark.real
def test_one_that_hangs_is_replaced(host, shop, monkeypatch):
    monkeypatch.setattr(dnsmasq, "STOP_SECONDS", 0.2)  # it will not end by itself
    hung = pid(host, shop)
    os.kill(hung, signal.SIGSTOP)
    host.network.ensure_network(dataclasses.replace(shop, generation=2, leases=LEASES[:1]))
    assert pid(host, shop) != hung
    until(lambda: not Path(f"/proc/{hung}").exists())


@pytest.mark.real
def test_a_recycled_pid_is_not_taken_for_ours_and_not_killed(host, shop):
    ours = pid(host, shop)
    innocent = subprocess.Popen(["sleep", "60"])
    try:
        (dnsmasq.directory(host.config, shop.id) / "pid").write_text(f"{innocent.pid}\n")
        assert not dnsmasq.alive(host.config, shop)
        host.network.ensure_network(shop)
        assert dnsmasq.alive(host.config, shop)
        until(lambda: not Path(f"/proc/{ours}").exists())
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


@pytest.mark.real
def test_a_changed_option_replaces_the_process_and_leases_live_on(host, shop):
    guest = host.guest(shop, "10.0.0.11", mac="fa:16:3e:00:00:01", configured=False)
    assert guest.ask_dhcp()["search"] == "shop.internal"
    moved = dataclasses.replace(shop, generation=2, dns_domain="store.internal")
    before = namespaces.identity(names.network_namespace(shop.id))
    host.network.ensure_network(moved)
    assert namespaces.identity(names.network_namespace(shop.id)) == before
    run("ip", "-n", guest.namespace, "address", "flush", "dev", "eth0")
    lease = guest.ask_dhcp()
    assert (lease["ip"], lease["search"]) == ("10.0.0.11", "store.internal")


@pytest.mark.real
@pytest.mark.parametrize("most", [dnsmasq.RELEASED_MOST, 0], ids=["few", "many"])
def test_the_address_of_a_guest_that_is_gone_is_given_to_the_next_one(host, monkeypatch, most):
    """Seen: nobody got it for a day, the time of the lease that the guest had not given back."""
    monkeypatch.setattr(dnsmasq, "RELEASED_MOST", most)
    spec, web, db = host.shop()
    for guest in (web, db):
        assert guest.ask_dhcp()["ip"] == guest.address
    before = pid(host, spec)
    kept = dataclasses.replace(spec, generation=3, leases=(db.lease("db"),))
    host.network.ensure_network(kept)
    web.run("ip", "link", "set", "eth0", "down")
    heir = host.guest(spec, web.address, configured=False)
    leases = (db.lease("db"), heir.lease("heir"))
    host.network.ensure_network(dataclasses.replace(kept, generation=4, leases=leases))
    assert heir.ask_dhcp()["ip"] == web.address
    assert (pid(host, spec) == before) is (most > 0)


@pytest.mark.real
def test_more_guests_than_dnsmasq_takes_by_default_get_their_addresses(host):
    many = tuple(
        LeaseSpec(
            mac=f"fa:16:3e:01:{n >> 8:02x}:{n & 255:02x}",
            address=f"10.0.{n >> 8}.{n & 255}",
            hostname=f"web-{n}",
        )
        for n in range(10, 3010)
    )
    spec = network(5, "10.0.0.0/16", leases=many)
    host.network.ensure_network(spec)
    guest = host.guest(spec, many[-1].address, mac=many[-1].mac, configured=False)
    assert guest.ask_dhcp()["ip"] == many[-1].address
