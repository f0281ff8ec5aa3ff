"""Places on a network: nobody is given what somebody has."""

import time

import pytest
from sqlalchemy import delete, insert, select

from portal.db import session, transaction
from portal.errors import Conflict, Refused
from portal.models import FixedIp, Network, Port, Subnet
from portal.services import addresses, instances, networks
from tests.crowd import at_once
from tests.test_flat import statements

WIDE = "10.64.0.0/16"
ROOM = 2**16 - 4
FULL = r"Every address of 10\.64\.0\.0/16 on the network wide is taken\. Choose another network"
MOST_SECONDS = 0.5  # measured: 0.02


@pytest.fixture
def wide(any_cloud) -> Network:
    """A network of the project `red` with 65,532 addresses for ports."""
    alice, red = any_cloud.actor("alice"), any_cloud.project().id
    return networks.create(alice, red, "wide", WIDE, nat=True)


def take(network: Network, numbers) -> None:
    """The addresses of these numbers are held by a port."""
    [subnet] = network.subnets
    with transaction():
        port = Port(network_id=network.id, mac=addresses.new_mac())
        session.add(port)
        session.flush()
        session.execute(
            insert(FixedIp),
            [
                {
                    "port_id": port.id,
                    "subnet_id": subnet.id,
                    "number": number,
                    "address": f"10.64.{number >> 8}.{number & 255}",
                }
                for number in numbers
            ],
        )


def found(network: Network, count: int) -> tuple[list[str], int, float]:
    """So many free addresses, and what it took to find them: statements and seconds."""
    network = session.get(Network, network.id, populate_existing=True)
    with statements() as sent:
        began = time.monotonic()
        free, _ = addresses.free(network, count)
        seconds = time.monotonic() - began
    assert len({place.mac for place in free}) == count
    return [place.address for place in free], len(sent), seconds


def test_a_mac_that_somebody_bears_is_not_given_again(cloud, monkeypatch):
    """Of 1,200 ports with 24 random bits, one time in twenty-five two are alike."""
    wish = cloud.new_instance(count=2)
    gateway = select(Network.gateway_mac).where(Network.id == wish.network_id)
    chance = iter(
        [session.scalar(gateway), "fa:16:3e:00:00:01", "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"]
    )
    monkeypatch.setattr(addresses, "new_mac", lambda: next(chance))
    instances.create(cloud.actor("alice"), wish)
    macs = session.scalars(select(Port.mac).order_by(Port.mac)).all()
    assert macs == ["fa:16:3e:00:00:01", "fa:16:3e:00:00:02"]


def test_sixty_thousand_neighbours_make_finding_an_address_no_slower(wide):
    take(wide, range(2, 12))
    few = [found(wide, count)[1] for count in (1, 20)]
    take(wide, range(12, 60_002))
    many = []
    for count in (1, 20):
        free, sent, seconds = found(wide, count)
        taken = set(session.scalars(select(FixedIp.address)))
        assert len(set(free) - taken) == count
        assert seconds < MOST_SECONDS
        many.append(sent)
    assert few == many == [1, 1]  # for addresses and MACs alike


def test_the_last_addresses_of_a_wide_network_are_found_and_then_it_is_full(wide):
    take(wide, [each for each in range(2, ROOM + 2) if each not in (77, 40_000, 40_001)])
    last = ["10.64.0.77", "10.64.156.64", "10.64.156.65"]
    free, sent, _ = found(wide, 3)
    assert free == last
    assert sent == 2
    with pytest.raises(Conflict, match=FULL):
        found(wide, 4)
    take(wide, [77, 40_000, 40_001])
    with pytest.raises(Conflict, match=FULL):
        found(wide, 1)


def test_neighbours_who_come_at_once_never_share_an_address(any_cloud):
    any_cloud.add_host("kvm-1")
    red = any_cloud.project().id
    narrow = networks.create(any_cloud.actor("alice"), red, "narrow", "10.65.0.0/29", nat=True)
    said = at_once(8, lambda number: any_cloud.create(f"web-{number}", network_id=narrow.id))
    assert said == {"done": 4, "Conflict": 4}
    held = session.scalars(select(FixedIp.address).join(Port).where(Port.network_id == narrow.id))
    assert sorted(held) == [f"10.65.0.{number}" for number in range(2, 6)]


def test_a_small_network_gives_its_lowest_free_address(any_cloud):
    any_cloud.add_host("kvm-1")
    rows = instances.create(any_cloud.actor("alice"), any_cloud.new_instance(count=3))
    ports = select(Port.id).where(Port.owner_id == rows[1].id)
    with transaction():
        session.execute(delete(FixedIp).where(FixedIp.port_id.in_(ports)))
    next_one = any_cloud.create("next")
    held = select(FixedIp.number).join(Port).where(Port.owner_id == next_one.id)
    assert session.scalar(held) == 3


def test_when_a_subnet_is_full_the_next_one_of_the_network_is_taken_from(any_cloud):
    any_cloud.add_host("kvm-1")
    alice, red = any_cloud.actor("alice"), any_cloud.project().id
    both = networks.create(alice, red, "both", "10.65.0.0/29", nat=True)
    with transaction():
        session.add(
            Subnet(
                network_id=both.id,
                cidr="10.66.0.0/29",
                gateway="10.66.0.1",
                dhcp_address="10.66.0.6",
            )
        )
    instances.create(alice, any_cloud.new_instance(network_id=both.id, count=3))
    instances.create(alice, any_cloud.new_instance(network_id=both.id, count=3))
    held = session.scalars(select(FixedIp.address).join(Port).where(Port.network_id == both.id))
    assert sorted(held) == [
        *(f"10.65.0.{number}" for number in range(2, 6)),
        *(f"10.66.0.{number}" for number in (2, 3)),
    ]
    full = r"Every address of 10\.65\.0\.0/29 and 10\.66\.0\.0/29 on the network both is taken\."
    with pytest.raises(Conflict, match=full):
        instances.create(alice, any_cloud.new_instance(network_id=both.id, count=3))


@pytest.fixture
def narrow(any_cloud) -> Subnet:
    """A subnet with four addresses for ports."""
    alice, red = any_cloud.actor("alice"), any_cloud.project().id
    return networks.create(alice, red, "narrow", "10.65.0.0/29", nat=True).subnets[0]


@pytest.mark.parametrize("address", ["10.0.0.256", "fd00::1", "203.0.113.9", "10.65.0.7"])
def test_an_address_that_no_host_could_give_is_refused_where_it_is_written(narrow, address):
    with pytest.raises(Refused) as refused:
        addresses.place(narrow, address, addresses.new_mac())
    assert refused.value.field == "address"


BAD_MACS = ["fa:16:3e:zz:00:01", "01:00:00:00:00:01", ""]


@pytest.mark.parametrize("mac", BAD_MACS)
def test_a_mac_that_no_host_could_give_is_refused_where_it_is_written(narrow, mac):
    with pytest.raises(Refused) as refused:
        addresses.place(narrow, "10.65.0.3", mac)
    assert refused.value.field == "mac"


@pytest.mark.parametrize("mac", BAD_MACS)
def test_a_create_judges_the_macs_that_it_gives(any_cloud, monkeypatch, mac):
    any_cloud.add_host("kvm-1")
    monkeypatch.setattr(addresses, "new_mac", lambda: mac)
    with pytest.raises(Refused, match="is no MAC address of one device"):
        any_cloud.create()
    assert session.scalars(select(Port)).all() == []
