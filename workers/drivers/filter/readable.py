"""Which rows of a filter's table a host can act by. Touches nothing.

One row that is wrong must not keep the others of a whole host from being applied: it is left out
and named. That errs to the safe side, since what no row names does not pass.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Hashable

from workers.drivers import names
from workers.specs import FilteredPortSpec, FirewallSpec, GroupSpec

NAMED_MOST = 20  # of what is left out of one table


def readable(spec: FirewallSpec) -> tuple[FirewallSpec, tuple[str, ...]]:
    """The table without what contradicts itself or another row, or would not be what it seems as
    text; and what that was, in sentences. A port that is left out lets nothing pass."""
    left_out: list[str] = []
    groups = _kept(spec.groups, _name_of_group, {"id": lambda each: each.id}, left_out)
    known = {group.id for group in groups}
    ports = _kept(
        spec.ports,
        lambda port: f"port {port.id!r}",
        {"number": lambda each: each.number, "tap": lambda each: names.tap(each.id)},
        left_out,
    )
    cleaned = dataclasses.replace(
        spec,
        groups=tuple(_cleaned_group(each, known, left_out) for each in groups),
        ports=tuple(_cleaned_port(each, known, left_out) for each in ports),
    )
    return cleaned, shortened(left_out)


def shortened(sentences: list[str]) -> tuple[str, ...]:
    """The first NAMED_MOST of these, and how many more there are."""
    more = len(sentences) - NAMED_MOST
    return (*sentences[:NAMED_MOST], *([f"and {more} more"] if more > 0 else []))


def _kept(
    rows: tuple, name: Callable, unique: dict[str, Callable[..., Hashable]], left_out: list[str]
) -> list:
    """The rows that are sound and do not share what has to be their own: of two that do, nobody can
    say which is meant."""
    sound = []
    for row in rows:
        if row.problem:
            left_out.append(f"{name(row)}: {row.problem}")
        else:
            sound.append(row)
    counts = {what: Counter(map(value, sound)) for what, value in unique.items()}
    kept = []
    for row in sound:
        shared = next((what for what in unique if counts[what][unique[what](row)] > 1), None)
        if shared:
            left_out.append(f"{name(row)}: another one has the same {shared}")
        else:
            kept.append(row)
    return kept


def _name_of_group(group: GroupSpec) -> str:
    return f"group {group.id!r}"


def _cleaned_group(group: GroupSpec, known: set[str], left_out: list[str]) -> GroupSpec:
    rules, members = [], []
    for rule in group.rules:
        missing = rule.remote_group and rule.remote_group not in known
        problem = rule.problem or (f"no group {rule.remote_group!r} is there" if missing else "")
        if problem:
            left_out.append(f"a rule of {_name_of_group(group)}: {problem}")
        else:
            rules.append(rule)
    for member in group.members:
        if member.problem:
            left_out.append(f"a member of {_name_of_group(group)}: {member.problem}")
        else:
            members.append(member)
    return dataclasses.replace(group, rules=tuple(rules), members=tuple(members))


def _cleaned_port(port: FilteredPortSpec, known: set[str], left_out: list[str]) -> FilteredPortSpec:
    left_out += [
        f"port {port.id!r}: no group {each!r} is there" for each in port.groups if each not in known
    ]
    return dataclasses.replace(port, groups=tuple(each for each in port.groups if each in known))
