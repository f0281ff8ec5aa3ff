"""Networks as people see them, without scripts."""

import dataclasses
import html
import re

import pytest
from sqlalchemy import select

from portal.db import session, transaction
from portal.models import FixedIp, Network, Port, Subnet
from portal.services import addresses, networks, ports, subnets
from portal.services.listing import Query


@pytest.fixture
def network(cloud):
    """The network that Alice's project was born with, 10.0.0.0/24."""
    return session.scalar(select(Network).where(Network.project_id == cloud.project("red").id))


def send(person, red, **fields):
    plain = {"name": "back", "cidr": "192.168.7.0/24", "nat": "y"}
    return person.send(f"{red}/networks", plain | fields, page=f"{red}/networks/new")


def test_the_form_offers_a_free_range_and_creates_it(alice, red, cloud):
    fields = alice.fields(f"{red}/networks/new") | {"name": ["back"]}
    assert fields["cidr"] == ["10.0.1.0/24"]
    answer = alice.send(f"{red}/networks", fields, page=f"{red}/networks/new")
    assert answer.status_code == 303
    page = alice.open(answer.location).text
    for words in ("10.0.1.0/24", "10.0.1.1", "10.0.1.254", "1450 bytes", "By source NAT"):
        assert words in page
    assert "No instance is on this network." in page
    assert "0 of 252" in alice.open(f"{red}/networks").text


def test_without_the_tick_there_is_no_way_out(alice, red):
    page = f"{red}/networks/new"
    answer = alice.send(f"{red}/networks", {"name": "a", "cidr": "10.9.0.0/29"}, page=page)
    assert re.search(r"<dt>Way out</dt>\s*<dd><span>None", alice.open(answer.location).text)


@pytest.mark.parametrize(
    ("cidr", "sentence"),
    [
        ("8.8.8.0/24", "8.8.8.0/24 is not private"),
        ("100.64.0.0/16", "is not private"),
        ("10.1.0.0/30", "10.1.0.0/30 is too small: the smallest is a /29"),
        ("10.0.0.0/8", "10.0.0.0/8 is too large: the largest is a /16"),
        ("10.1.0.5/24", "The range that holds it is 10.1.0.0/24."),
        (
            "10.0.0.128/25",
            "10.0.0.128/25 overlaps with another subnet: 10.0.0.0/24, which the",
        ),
        ("10.1.0.0/33", "That is no prefix length"),
        ("fd00::/64", "That is no IPv4 range"),
        ("<b>all</b>", "That is no IPv4 range"),
        ("", "That is no IPv4 range"),
    ],
)
def test_a_range_that_cannot_be_is_refused_beside_its_field(alice, red, cidr, sentence):
    answer = send(alice, red, cidr=cidr)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'value="back"' in answer.text
    assert "<b>all" not in answer.text


def test_the_quota_is_said_with_numbers(alice, red):
    for number in range(9):
        assert send(alice, red, cidr=f"192.168.{number}.0/24").status_code == 303
    answer = send(alice, red, cidr="192.168.99.0/24")
    assert answer.status_code == 403
    assert "10 of 10 are used" in answer.text


def facts(page: str) -> list[tuple[str, str]]:
    return re.findall(r"<dt>([^<]*)</dt>\s*<dd[^>]*><span>([^<]*)", page)


def test_all_subnets_of_a_network_are_shown_each_with_its_gateway(alice, red, network):
    place = f"{red}/networks/{network.id}"
    assert ("Gateway", "10.0.0.1") in facts(alice.open(place).text)
    with transaction():
        row = {"gateway": "10.6.0.1", "dhcp_address": "10.6.0.6"}
        session.add(Subnet(network_id=network.id, cidr="10.6.0.0/29", **row))
    assert facts(alice.open(place).text)[:6] == [
        ("Range", "10.0.0.0/24"),
        ("Gateway of 10.0.0.0/24", "10.0.0.1"),
        ("DHCP and DNS of 10.0.0.0/24", "10.0.0.254"),
        ("Range", "10.6.0.0/29"),
        ("Gateway of 10.6.0.0/29", "10.6.0.1"),
        ("DHCP and DNS of 10.6.0.0/29", "10.6.0.6"),
    ]
    assert ("Taken", "0 of 256") in facts(alice.open(place).text)
    listed = alice.open(f"{red}/networks").text
    assert "10.0.0.0/24, 10.6.0.0/29" in listed
    assert "10.0.0.1, 10.6.0.1" in listed
    for cidr in ("10.0.0.0/24", "10.6.0.0/29"):
        assert f"Its range {cidr} with its gateway" in alice.open(f"{place}/delete").text


def test_the_page_shows_who_is_on_it_a_page_at_a_time(alice, red, cloud, network):
    cloud.create("alone")
    page = alice.open(f"{red}/networks/{network.id}").text
    assert "alone" in page
    assert "10.0.0.2" in page
    assert "1 of 252" in page
    assert alice.open(f"{red}/networks/{network.id}?page=2").status_code == 200


def test_the_page_counts_instances_and_addresses_each_for_what_they_are(alice, red, cloud, network):
    """Seen: a port of something else was counted for an instance, and a port for an address."""
    cloud.create("alone")
    [subnet] = session.get(Network, network.id).subnets
    with transaction():
        port = Port(network_id=network.id, owner_type="routers", mac=addresses.new_mac())
        session.add(port)
        session.flush()
        for number in (77, 78):
            there = f"10.0.0.{number}"
            session.add(FixedIp(port_id=port.id, subnet_id=subnet.id, address=there, number=number))
    rows, total = networks.listed_ports(
        cloud.actor("alice"), network.project_id, network.id, Query(sort="created_at")
    )
    assert [(instance.name, total) for _, instance in rows] == [("alone", 1)]
    assert "3 of 252" in alice.open(f"{red}/networks/{network.id}").text


def test_a_network_in_use_stays_and_an_empty_one_goes_by_its_name(alice, red, cloud, network):
    cloud.create("web")
    place = f"{red}/networks/{network.id}"
    assert "One port is on it" in alice.open(f"{place}/delete").text
    answer = alice.send(f"{place}/delete", {"confirm": "default"})
    assert answer.status_code == 409
    assert "One port is on the network default. Delete it, or its instance, first." in answer.text
    spare = send(alice, red).location
    assert "Type back" in alice.send(f"{spare}/delete", {"confirm": "bac"}).text
    assert alice.send(f"{spare}/delete", {"confirm": "back"}).status_code == 303
    assert alice.open(spare).status_code == 404
    cloud.settle()
    assert (
        alice.send(f"{spare}/delete", {"confirm": "back"}, page=f"{place}/delete").status_code
        == 404
    )


def test_a_reader_looks_and_changes_nothing(sign_in, red, network):
    rita = sign_in("rita")
    place = f"{red}/networks/{network.id}"
    for page in (f"{red}/networks", place):
        assert "10.0.0.0/24" in rita.open(page).text
        assert "/delete" not in rita.open(page).text
        assert "/networks/new" not in rita.open(page).text
    assert rita.open(f"{red}/networks/new").status_code == 403
    assert rita.open(f"{place}/delete").status_code == 403
    form = {"name": "a", "cidr": "10.5.0.0/24", "confirm": "default"}
    for path in (f"{red}/networks", f"{place}/delete"):
        assert rita.send(path, form, page="/account/password").status_code == 403


def test_another_projects_network_does_not_exist(sign_in, red, cloud, network):
    charlie = sign_in("charlie")
    own = f"/projects/{cloud.project('blue').id}/networks"
    for path in (
        f"{own}/{network.id}",
        f"{own}/{network.id}/delete",
        f"{red}/networks/{network.id}",
    ):
        assert charlie.open(path).status_code == 404
        assert charlie.send(path, {"confirm": "default"}, page="/account/password").status_code in (
            404,
            405,
        )
    assert send(charlie, own.removesuffix("/networks"), cidr="10.0.0.0/25").status_code == 422


def test_a_port_that_hangs_on_nothing_is_told_of(cloud, alice, red, network):
    new = ports.NewPort(network_id=network.id)
    actor = dataclasses.replace(cloud.actor("alice"), project_id=network.project_id)
    ports.create(actor, [new])
    page = alice.open(f"{red}/networks/{network.id}").text
    assert "One port is kept for an instance to come: a program made it" in page


def test_the_page_says_all_that_programs_said_of_a_network(cloud, alice, red, network):
    [subnet] = network.subnets
    wish = subnets.Wish(
        gateway="",
        dhcp=False,
        pools=[("10.0.0.10", "10.0.0.99")],
        dns_nameservers=["9.9.9.9"],
        host_routes=[("192.168.7.0/24", "10.0.0.9")],
    )
    actor = dataclasses.replace(cloud.actor("alice"), project_id=network.project_id)
    subnets.change(actor, subnet.id, wish)
    page = alice.open(f"{red}/networks/{network.id}").text
    for words in ("10.0.0.10 to 10.0.0.99", "192.168.7.0/24 by 10.0.0.9", "9.9.9.9"):
        assert words in page
    block = re.search(r'aria-label="Terraform">([^<]*)</pre>', page)[1]
    told = re.findall(r"(\w+) += (.+)", html.unescape(block))
    assert {
        ("no_gateway", "true"),
        ("enable_dhcp", "false"),
        ("dns_nameservers", '["9.9.9.9"]'),
        ("start", '"10.0.0.10"'),
    } <= set(told)
