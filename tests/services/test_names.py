"""Whatever people type, guests get a DNS label, and a label stays one line."""

import re
import unicodedata
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Refused
from portal.models.named import reading
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
        ("1", "i-1"),
        ("2024", "i-2024"),
        ("5m", "i-5m"),
        ("2W", "i-2w"),
        ("0x10", "i-0x10"),
        ("ignore", "i-ignore"),
        ("Ignore!", "i-ignore"),
        ("infinite", "i-infinite"),
        ("localhost", "i-localhost"),
        ("9" * 63, "i-" + "9" * 61),
        ("5mm", "5mm"),
        ("10-1", "10-1"),
        ("infinite-1", "infinite-1"),
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


UNSEEN_LETTERS = "\u115f\u1160\u3164\uffa0"  # fillers of Hangul: letters that look like nothing


@given(
    st.text(
        st.characters(categories=["L", "N"], exclude_characters=UNSEEN_LETTERS),
        min_size=1,
        max_size=100,
    )
)
def test_what_is_written_in_letters_is_kept_as_it_is_seen(text):
    assert unicodedata.normalize("NFC", names.label(text)) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "a\nb",
        "a\0b",
        "a\tb",
        "\x1b[31m",
        "a\x7f",
        "a\u2028b",
        "\ud800",
        "a\ufffe",
        "\uffff",
        "x" * 256,
    ],
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


@pytest.mark.parametrize("name", ["w" * 62, "w" * 63, "a" * 60 + "-b", "n" * 255, "дом", "10"])
def test_twenty_at_once_differ_however_long_their_name_is(name):
    labels = names.numbered(name, 20)
    hostnames = names.hostnames(name, [uuid.uuid4() for _ in range(20)])
    assert len(set(labels)) == len(set(hostnames)) == 20
    assert all(label.endswith(f"-{number}") for number, label in enumerate(labels, start=1))
    assert all(names.label(label) == label for label in labels)
    assert all(HOSTNAME.fullmatch(each) for each in hostnames)
    if name.isascii():
        assert all(each.endswith(f"-{number}") for number, each in enumerate(hostnames, start=1))


@given(st.lists(st.sampled_from(["web", "web-2", "w" * 63, "5m", "дом"]), max_size=12))
def test_no_two_guests_of_a_network_have_one_host_name(wanted):
    borne: list[str] = []
    for name in wanted:
        borne += names.hostnames(name, [uuid.uuid4()], taken=borne)
    assert len(set(borne)) == len(wanted)
    assert all(HOSTNAME.fullmatch(each) for each in borne)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("my  server", "my server"),
        ("my\u00a0server", "my server"),
        ("my\u2003\u3000 server ", "my server"),
        ("cloud \u2601\ufe0f", "cloud \u2601"),
    ],
)
def test_blanks_of_every_kind_become_one(text, kept):
    assert names.label(text) == kept


@pytest.mark.parametrize("character", [chr(each) for each in (
    0x00AD, 0x034F, 0x061C, 0x115F, 0x180E, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x202A, 0x202E,
    0x2060, 0x2066, 0x2069, 0x2800, 0x3164, 0xFEFF, 0xFFA0, 0xE0041,
)])  # fmt: skip
def test_what_cannot_be_seen_or_turns_the_direction_is_refused_and_said_where(character):
    with pytest.raises(Refused, match=rf"Behind “web”.*U\+{ord(character):04X}"):
        names.label(f"web{character}1")
    with pytest.raises(Refused):
        names.label(character * 2)
    assert names.typed("web1", f"web{character}1")
    assert names.typed("unnamed", character * 2)


def test_what_was_typed_is_the_name_or_it_is_not():
    assert names.typed(" web-1 ", "web-1")
    assert names.typed("my server", "my  server")
    assert not names.typed("web-2", "web-1")
    assert not names.typed("Web-1", "web-1")
    assert not names.typed("", "web-1")
    assert not names.typed(" ", "\u200b")


def test_a_page_shows_no_character_that_turns_its_direction():
    assert names.shown("backup\u202egnp.1") == "backupgnp.1"
    assert names.shown("Größe") == "Größe"
    assert names.shown(5) == 5


@pytest.mark.parametrize("name", ["\u0430dmin", "ad\u043cin", "\u03b1dmin", "dev-\u0430dmin"])
def test_a_word_of_two_alphabets_is_no_name_of_a_person(name):
    with pytest.raises(Refused, match="which look alike"):
        names.distinct(name)


@pytest.mark.parametrize("name", ["Алиса", "alice-алиса", "アリス Alice", "Zoë", "李 lee", "bob2"])
def test_a_name_of_one_alphabet_a_word_is_one(name):
    assert names.distinct(name) == name


@pytest.mark.parametrize(
    "other",
    ["Alice", "ALICE", "\uff41lice", "a1ice", "\u0430\u04cf\u0456\u0441\u0435", "\U0001d41alice"],
)
def test_names_that_read_alike_are_known(other):
    assert reading(other) == reading("alice")


@pytest.mark.parametrize("other", ["alicia", "alíce", "alice2", "al ice"])
def test_names_that_only_resemble_are_others(other):
    assert reading(other) != reading("alice")
