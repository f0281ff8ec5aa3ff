"""What may pass: a rule that no host could filter by is never written."""

import uuid

import pytest

from portal.errors import Refused
from portal.models import SecurityGroupRule
from portal.services import security_groups

GROUP = uuid.UUID("11111111-1111-4111-8111-111111111111")
GOOD = (
    {"direction": "egress"},
    {"direction": "egress", "protocol": "tcp", "port_min": 80},
    {"direction": "ingress", "remote_cidr": "::/0"},
    {"direction": "ingress", "remote_group_id": GROUP},
    {"direction": "ingress", "protocol": "icmp", "port_min": 8, "port_max": 0},
)
BAD = (
    ({"direction": "sideways"}, "no direction"),
    ({"protocol": "tpc"}, "no protocol"),
    ({"protocol": "tcp", "port_min": 90, "port_max": 80}, "above its last"),
    ({"protocol": "udp", "port_max": 65_536}, "from 0 to 65535"),
    ({"protocol": "icmp", "port_min": 256}, "from 0 to 255"),
    ({"protocol": "icmp", "port_max": 1}, "needs an ICMP type"),
    ({"port_min": 1}, "only a protocol has ports"),
    ({"remote_cidr": "10.0.0.0/33"}, "no network"),
    ({"remote_cidr": "10.0.0.0/8", "remote_group_id": GROUP}, "and a remote group"),
)


@pytest.mark.parametrize("rule", GOOD, ids=str)
def test_a_rule_that_hosts_can_filter_by_is_taken(rule):
    security_groups.check_rule(SecurityGroupRule(group_id=GROUP, **rule))


@pytest.mark.parametrize(("rule", "sentence"), BAD, ids=str)
def test_a_rule_that_no_host_could_filter_by_is_refused(rule, sentence):
    rule = SecurityGroupRule(**{"group_id": GROUP, "direction": "ingress", **rule})
    with pytest.raises(Refused, match=sentence):
        security_groups.check_rule(rule)
