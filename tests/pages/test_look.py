"""The look's promises that need no browser: sizes, contrast, and nothing inline."""

import gzip
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATIC, TEMPLATES = ROOT / "static", ROOT / "templates"

BUDGETS = {  # bytes after gzip: together they leave 12 KB of the 60 KB of a first load for HTML
    ("vendor/htmx.min.js",): 13_500,
    ("vendor/pico.css",): 7_000,
    ("vendor/icons.svg",): 6_000,
    ("portal.css", "parts.css"): 8_000,
    ("portal.js",): 5_000,
    ("console.js", "console.css", "vendor/novnc.js"): 62_000,  # on the page of a console alone
}

TONES = ("ok", "busy", "warn", "bad", "off", "unknown")
TEXT = [  # what is written on what
    *(("ink", ground) for ground in ("page", "surface", "sunken", "hover", "accent-soft")),
    *(("muted", ground) for ground in ("page", "surface", "sunken", "hover", "accent-soft")),
    *(("accent", ground) for ground in ("page", "surface", "accent-soft")),
    *((tone, f"{tone}-soft") for tone in TONES),
    *(("ink", f"{tone}-soft") for tone in TONES),
    *((tone, "surface") for tone in TONES),
    *(("on-solid", ground) for ground in ("solid", "solid-hover", "bad-solid")),
]
SHAPES = [("edge", "surface"), ("accent", "page"), ("accent", "surface")]  # fields, focus rings


def colours():
    """Token to its light and its dark colour."""
    pairs = re.findall(
        r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\);", (STATIC / "portal.css").read_text()
    )
    return {name: colours for name, *colours in pairs}


def contrast(one, other):
    """The ratio that WCAG 2.2 defines, 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("above", "below"), TEXT)
def test_text_can_be_read(above, below, scheme):
    assert contrast(colours()[above][scheme], colours()[below][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("above", "below"), SHAPES)
def test_fields_and_focus_can_be_seen(above, below, scheme):
    assert contrast(colours()[above][scheme], colours()[below][scheme]) >= 3


@pytest.mark.parametrize("names", BUDGETS, ids=" ".join)
def test_static_files_stay_within_their_budget(names):
    sizes = [len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in names]
    assert sum(sizes) <= BUDGETS[names]


INLINE = {
    "a style attribute": r"\sstyle\s*=",
    "a style element": r"<style\b",
    "a script without a file": r"<script\b(?![^>]*\bsrc=)",
    "an event handler": r"\son[a-z]+\s*=",
    "an htmx handler": r"\shx-on\b",
    "an evaluated value": r"""=["']\s*(js|javascript):""",
    "unescaped output": r"\|\s*safe\b",
}


@pytest.mark.parametrize("what", INLINE)
def test_no_template_holds(what):
    for template in TEMPLATES.rglob("*.html"):
        assert not re.search(INLINE[what], template.read_text()), template


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("components/*.html")), ids=lambda p: p.name)
def test_every_component_says_how_each_of_its_macros_is_used(path):
    text = path.read_text()
    comment = re.match(r"\{#-(.*?)#\}", text, re.S).group(1)
    for macro in re.findall(r"macro ([a-z]\w*)\(", text):
        assert re.search(rf"\b{macro}\(", comment), macro


def test_every_class_in_the_components_has_a_style():
    styled = set(re.findall(r"\.([a-z][a-z-]*)", (STATIC / "portal.css").read_text()))
    styled |= set(re.findall(r"\.([a-z][a-z-]*)", (STATIC / "parts.css").read_text()))
    for template in TEMPLATES.glob("components/*.html"):
        for plain in re.findall(r'class="([a-z -]+)"', template.read_text()):
            assert set(plain.split()) <= styled, template.name
