"""Patterns by which programs look for names: what they find, and what would take too long."""

import re

import pytest
from sqlalchemy import select

from portal.db import session, transaction
from portal.errors import Refused
from portal.models import Flavor
from portal.services.instances.patterns import bounded, matches

NAMES = ("web-1", "web-22", "Web.3", "db_1", "a+b", "50%")


@pytest.fixture
def found(any_cloud):
    """Which of some names match a pattern, by the database itself."""
    with transaction():
        size = {"vcpus": 1, "memory_mib": 64, "disk_gib": 1}
        session.add_all(Flavor(name=each, **size) for each in NAMES)

    def look(text: str) -> set[str]:
        query = select(Flavor.name).where(matches(Flavor.name, text), Flavor.memory_mib == 64)
        return set(session.scalars(query))

    return look


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web", {"web-1", "web-22", "Web.3"}),
        ("%", {"50%"}),
        ("_", {"db_1"}),
        (r"^.*\-[0-9]+$", {"web-1", "web-22"}),
        (r"^web-.$", {"web-1"}),
        ("^.*-.*$", {"web-1", "web-22"}),
        (r"a\+b", {"a+b"}),
        ("^(web|db)[-_]1$", {"web-1", "db_1"}),
        (r"[^a-z0-9+%-]", {"Web.3", "db_1"}),
        (r"\d{2}$", {"web-22"}),
        (r"^w.*b.*\d$", {"web-1", "web-22"}),
        ("nothing$", set()),
    ],
)
def test_a_pattern_finds_what_it_describes(found, text, expected):
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "(a+)+$",
        "(a|a)*",
        "(.*a){30}",
        "x*x*x*x*y",
        "a?a?a?a?a?aaaaa",
        "^.*.*.*.*.*$",
        "(a*)*b",
        "x" * 256 + "$",
    ],
)
def test_what_could_take_too_long_is_refused(text):
    with pytest.raises(Refused, match="too long"):
        bounded(text)


@pytest.mark.parametrize(
    "text", ["[", "(", "a)", "*a", "a**", "a{2", r"\b", r"\1", "(?=a)", "(?P<n>a)", "a\\", "[z-a]$"]
)
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(Refused, match="no pattern"):
        bounded(text)


@pytest.mark.parametrize("text", ["^.*web.*$", ".*web", "^.*[ab]+$", "web.*"])
def test_what_makes_no_difference_at_the_ends_is_left_out(text):
    for name in NAMES:
        assert bool(re.search(text, name)) == bool(re.search(bounded(text), name))
    assert ".*" not in bounded(text)
