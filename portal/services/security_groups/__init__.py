"""What may pass to and from instances: groups of rules, which ports bear."""

from portal.services.security_groups.changes import (
    NewRule,
    add_first,
    add_rules,
    create,
    delete,
    describe,
    remove_rule,
)
from portal.services.security_groups.looks import (
    DEFAULT,
    SSH,
    find,
    find_rule,
    listed,
    listed_rules,
    of_ids,
    of_project,
)
from portal.services.security_groups.rules import check_rule, plain_protocol, rule_spec

__all__ = [
    "DEFAULT",
    "SSH",
    "NewRule",
    "add_first",
    "add_rules",
    "check_rule",
    "create",
    "delete",
    "describe",
    "find",
    "find_rule",
    "listed",
    "listed_rules",
    "of_ids",
    "of_project",
    "plain_protocol",
    "remove_rule",
    "rule_spec",
]
