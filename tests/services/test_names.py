"""Whatever people type, guests get a DNS label, and a label stays one line."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Refused
from portal.services import names

ANYTHING = st.text(max_size=400)
HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, 2.1
FALLBACK = "instance-0123abcd"


@given(ANYTHING)
def test_every_name_gives_a_hostname(name):
    assert HOSTNAME.fullmatch(names.hostname(name, FALLBACK))


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("web", "web"),
        ("Web Server (1)", "web-server-1"),
        ("Größe_ÄÖ", "groe-ao"),
        ("--a--", "a"),
        ("a.b.c", "a-b-c"),
        ("x" * 255, "x" * 63),
        ("x" * 62 + " y", "x" * 62),
        ("дом", FALLBACK),
        ("🚀", FALLBACK),
        ("...", FALLBACK),
        ("1", "1"),
    ],
)
def test_hostnames_are_what_people_would_expect(name, hostname):
    assert names.hostname(name, FALLBACK) == hostname


@given(ANYTHING)
def test_a_label_is_one_line_or_refused(text):
    try:
        label = names.label(text)
    except Refused:
        return
    assert 1 <= len(label) <= names.LONGEST
    assert label == label.strip()
    assert label.splitlines() == [label]
    assert not any(unicodedata.category(character) == "Cc" for character in label)
    assert names.label(label) == label


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=100))
def test_what_is_written_in_letters_is_kept_as_it_is_seen(text):
    assert unicodedata.normalize("NFC", names.label(text)) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "a\nb", "a\0b", "a\tb", "\x1b[31m", "a\x7f", "a\u2028b", "\ud800", "x" * 256],
)
def test_what_is_no_label_is_refused(text):
    with pytest.raises(Refused):
        names.label(text)


@pytest.mark.parametrize("text", ["../etc", "-rf", ".", "..", "<b>", "'; DROP", "{{7*7}}", "%2e"])
def test_a_label_may_look_like_anything_since_it_is_only_a_label(text):
    assert names.label(text) == text


@given(st.text(max_size=20), st.integers(min_value=1, max_value=20))
def test_several_at_once_have_different_names(name, count):
    made = names.numbered(name, count)
    assert len(set(made)) == count
    assert made == ([name] if count == 1 else [f"{name}-{n + 1}" for n in range(count)])
