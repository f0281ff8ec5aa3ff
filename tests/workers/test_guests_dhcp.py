"""What a guest says to DHCP servers: to its network's own, and in its own name."""

import dataclasses

import pytest

from tests.workers.filtered_host import FilteredHost, default
from tests.workers.frames import DHCP_DECLINE, ETH_P_IP, EVERYBODY, dhcp, ethernet, udp
from tests.workers.network_host import OUT, group, opening
from workers.drivers.network import dnsmasq

pytestmark = pytest.mark.real


@pytest.fixture
def host():
    with FilteredHost() as host:
        yield host


def served(host):
    """Two guests that the network knows; db has to ask for its address."""
    web = host.guest(host.spec, "10.0.0.11")
    db = host.guest(host.spec, "10.0.0.12", configured=False)
    host.spec = dataclasses.replace(
        host.spec, generation=2, leases=(web.lease("web"), db.lease("db"))
    )
    host.network.ensure_network(host.spec)
    host.apply([web.port(1, "default"), db.port(2, "default")], default(web, db))
    return web, db


def forged_decline(web, db) -> bytes:
    """Says that somebody else has db's address, in db's name."""
    message = dhcp(DHCP_DECLINE, db.mac, db.address, "10.0.0.2")
    return ethernet(
        web.mac, EVERYBODY, ETH_P_IP, udp("0.0.0.0", "255.255.255.255", 68, 67, message)
    )


def test_nobody_gives_back_the_address_of_a_neighbour(host):
    """Seen: one frame, and the neighbour got no address for ten minutes."""
    web, db = served(host)
    assert db.ask_dhcp()
    web.send_frame(forged_decline(web, db))
    assert db.ask_dhcp().get("ip") == db.address
    with host.without_filter():
        web.send_frame(forged_decline(web, db))
        assert not db.ask_dhcp(tries=1), "the control: the attack works where nothing filters"


def test_a_guest_may_give_back_its_own(host):
    _web, db = served(host)
    assert db.ask_dhcp()
    db.run("ip", "address", "flush", "dev", "eth0")
    db.send_frame(forged_decline(db, db))
    assert not db.ask_dhcp(tries=1), "what is true reaches the server"


@pytest.mark.parametrize("groups", [(), ("open",)])
def test_no_other_dhcp_server_is_reached(host, groups):
    """Seen: with no group at all, whatever was sent from port 68 to 67 left the host."""
    web, db = served(host)
    host.apply([web.port(1, *groups), db.port(2, "open")], group("open", OUT, opening("udp")))
    gateway = host.spec.gateway_mac
    with host.world_ear() as outside, db.ear() as ear:
        for port in (68, 1068):
            for mac, address, heard in (
                (gateway, "198.51.100.7", outside),
                (db.mac, db.address, ear),
            ):
                attack = f"from {port} to {address}".encode()
                message = udp(web.address, address, port, 67, attack)
                frame = ethernet(web.mac, mac, ETH_P_IP, message)
                web.send_frame(frame)
                assert not heard.hears(attack, seconds=0.3)
                with host.without_filter():
                    web.send_frame(frame)
                    assert heard.hears(attack), "the control"


def test_two_guests_of_one_client_id_both_renew(host):
    """Seen: images with a machine-id inside send the same id, and once the second had asked, the
    renewals of the first were never answered."""
    web, db = served(host)
    assert "--dhcp-ignore-clid" in dnsmasq.arguments(host.directory, host.spec, ())
    same = ("-x", "0x3d:ff00000001")
    for guest in (web, db, web):
        guest.run("ip", "address", "flush", "dev", "eth0")
        assert guest.ask_dhcp(more=same).get("ip") == guest.address
