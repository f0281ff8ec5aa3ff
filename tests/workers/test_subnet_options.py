"""What DHCP tells guests of a subnet, as its project has it."""

import dataclasses

import pytest

from tests.workers.network_host import network
from workers.drivers.network import dnsmasq, plan
from workers.specs import LeaseSpec, RouteSpec

LEASES = (LeaseSpec(mac="fa:16:3e:00:00:01", address="10.0.0.11", hostname="web"),)


def told(**said) -> list[str]:
    """What guests of a subnet are told of which this is said."""
    plain = network(5)
    (subnet,) = plain.subnets
    other = dataclasses.replace(subnet, **said)
    return dnsmasq.options(dataclasses.replace(plain, subnets=(other,)))


def test_guests_are_told_of_routes_and_resolvers_and_of_no_gateway_that_is_none():
    routes = (RouteSpec(cidr="10.20.0.0/32", gateway="10.0.0.7"),)
    said = told(routes=routes, resolvers=("8.8.8.8", "8.8.4.4"))
    assert "tag:subnet0,option:dns-server,8.8.8.8,8.8.4.4" in said
    assert (
        "tag:subnet0,option:classless-static-route,10.20.0.0/32,10.0.0.7,0.0.0.0/0,10.0.0.1" in said
    )
    said = told(routed=False)
    assert "tag:subnet0,option:router" in said  # nothing instead of the default, which is us
    assert not any("classless" in each for each in said)


def test_where_dhcp_is_off_nobody_is_told_anything():
    plain = network(5, leases=LEASES)
    (subnet,) = plain.subnets
    silent = dataclasses.replace(plain, subnets=(dataclasses.replace(subnet, dhcp=False),))
    assert dnsmasq.ranges(silent) == []
    assert dnsmasq.addresses(silent) == ""
    assert not any("subnet0" in each for each in dnsmasq.options(silent))
    assert LEASES[0].hostname in dnsmasq.host_names(silent)


@pytest.mark.parametrize(
    "said",
    [
        {"resolvers": ("8.8.8.8,option:tftp",)},
        {"routes": (RouteSpec(cidr="x", gateway="10.0.0.1"),)},
        {"routes": (RouteSpec(cidr="10.0.0.0/24", gateway="-x"),)},
    ],
)
def test_what_dnsmasq_would_read_otherwise_is_left_out(said):
    plain = network(5)
    (subnet,) = plain.subnets
    bad = dataclasses.replace(subnet, cidr="10.9.0.0/24", gateway="10.9.0.1")
    bad = dataclasses.replace(bad, dhcp_address="10.9.0.2", **said)
    table, left_out = plan.readable(dataclasses.replace(plain, subnets=(subnet, bad)))
    assert (table.subnets, len(left_out)) == ((subnet,), 1)
