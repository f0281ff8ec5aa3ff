"""What lies under static/vendor is what VENDOR.txt says, byte for byte."""

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "static" / "vendor"


def listed():
    """File name to (package, version, licence, sha256), as VENDOR.txt has it."""
    lines = (VENDOR / "VENDOR.txt").read_text().splitlines()
    rows = (line.split("  ") for line in lines if not line.startswith("#"))
    return {name: tuple(rest) for name, *rest in rows}


def test_every_vendored_file_has_the_sum_it_was_fetched_with():
    for name, (_, _, _, sha256) in listed().items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == sha256, name


def test_nothing_is_vendored_unlisted():
    assert {path.name for path in VENDOR.iterdir()} == {*listed(), "VENDOR.txt"}


def test_every_package_brings_its_licence():
    packages = {package for package, *_ in listed().values()}
    with_licence = {row[0] for name, row in listed().items() if name.startswith("LICENSE.")}
    assert with_licence == packages


def test_the_sprite_holds_our_marks_as_they_are_drawn_today():
    sprite = (VENDOR / "icons.svg").read_text()
    for symbol in re.findall(r"<symbol.*?</symbol>", (ROOT / "static/marks.svg").read_text()):
        assert symbol in sprite


def test_every_icon_that_a_template_names_is_in_the_sprite():
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (VENDOR / "icons.svg").read_text()))
    called = re.compile(r'\bicon\(\s*"([a-z0-9-]+)"\s*[,)]')
    for template in (ROOT / "templates").rglob("*.html"):
        assert set(called.findall(template.read_text())) <= drawn, template.name
