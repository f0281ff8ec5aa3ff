"""What may pass: a rule that no host could filter by is never written."""

import uuid

import pytest

from portal.errors import Refused
from portal.models import SecurityGroupRule
from portal.services import security_groups

GROUP = uuid.UUID("11111111-1111-4111-8111-111111111111")
GOOD = (
    {"direction": "egress"},
    {"direction": "egress", "protocol": "tcp", "port_min": 80, "port_max": 80},
    {"direction": "ingress", "remote_cidr": "::/0", "version": 6},
    {"direction": "ingress", "remote_group_id": GROUP},
    {"direction": "ingress", "protocol": "icmp", "port_min": 8, "port_max": 0},
)
BAD = (
    ({"protocol": "tcp", "port_min": 80}, "must be <="),
    ({"remote_cidr": "::/0"}, "Conflicting value ethertype IPv4"),
    ({"direction": "sideways"}, "no direction"),
    ({"protocol": "tpc"}, "not supported"),
    ({"protocol": "tcp", "port_min": 90, "port_max": 80}, "must be <="),
    ({"protocol": "udp", "port_max": 65_536}, "Invalid value for port 65536"),
    ({"protocol": "icmp", "port_min": 256}, "ICMP type 256. It must be 0 to 255"),
    ({"protocol": "icmp", "port_max": 1}, "is missing"),
    ({"port_min": 1}, "specify protocol"),
    ({"remote_cidr": "10.0.0.0/33"}, "is no network"),
    ({"remote_cidr": "10.0.0.0/8", "remote_group_id": GROUP}, "Only remote_ip_prefix or"),
)


@pytest.mark.parametrize("rule", GOOD, ids=str)
def test_a_rule_that_hosts_can_filter_by_is_taken(rule):
    security_groups.check_rule(SecurityGroupRule(**{"group_id": GROUP, "version": 4, **rule}))


@pytest.mark.parametrize(("rule", "sentence"), BAD, ids=str)
def test_a_rule_that_no_host_could_filter_by_is_refused(rule, sentence):
    rule = SecurityGroupRule(**{"group_id": GROUP, "direction": "ingress", "version": 4, **rule})
    with pytest.raises(Refused, match=sentence):
        security_groups.check_rule(rule)
