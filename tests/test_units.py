"""Sizes and durations are said alike, wherever they are read."""

import re
from datetime import timedelta

import pytest

from portal import words
from tests.test_architecture import ROOT, name, sources

OWN_UNIT = re.compile(r"\} ?(KiB|MiB|GiB)\b|\} (s|min|seconds)\b|~ \" (KiB|MiB|GiB)|%\.\df")
ALLOWED = {
    "portal/services/images/inspection.py",  # rounded up, so that no limit seems to be kept
    "templates/errors/error.html",  # what the header says, in its unit
    "templates/help/security.html",  # settings, in the units in which they are set
}


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (512, "512 bytes"),
        (16_986_931, "16.2 MiB"),
        (640 * 2**20, "640 MiB"),
        (1280 * 2**20, "1.25 GiB"),
        (8192 * 2**20, "8 GiB"),
        (4000 * 2**30, "4000 GiB"),
        (2**30 + 1, "1 GiB"),
    ],
)
def test_a_size_is_said_in_its_unit(count, said):
    assert words.size(count) == said


def test_memory_and_disk_stand_side_by_side_in_alike_units():
    assert (words.memory(8192), words.disk(80)) == ("8 GiB", "80 GiB")
    assert words.memory(0) == "0 MiB"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.44, "0.4 s"),
        (42.4, "42 s"),
        (59.7, "1 min"),
        (60, "1 min"),
        (654.5, "10 min 54 s"),
        (7200, "2 h"),
        (7260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
        (86_430, "1 d"),
        (timedelta(minutes=5), "5 min"),
    ],
)
def test_a_duration_is_said_in_at_most_two_units(seconds, said):
    assert words.duration(seconds) == said


def test_no_page_and_no_sentence_has_units_of_its_own():
    texts = [*sources("portal/pages", "portal/services", "portal/conductor")]
    texts += sorted((ROOT / "templates").rglob("*.html"))
    wrong = [
        f"{name(path)}: {line.strip()}"
        for path in texts
        if name(path) not in ALLOWED
        for line in path.read_text().splitlines()
        if OWN_UNIT.search(line)
    ]
    assert not wrong
