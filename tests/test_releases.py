"""Where the scripts run: on two releases of Debian; elsewhere they say so in one sentence."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENSURE = """
set -euo pipefail
source scripts/install.bash
source scripts/packages.bash
os_release=$1
ensure_release up
"""


@pytest.fixture
def on(tmp_path):
    """What `scripts/up` says first on a machine that describes itself so, and its status."""

    def run(**described: str) -> tuple[str, int]:
        file = tmp_path / "os-release"
        file.write_text("".join(f'{name}="{value}"\n' for name, value in described.items()))
        done = subprocess.run(
            ["bash", "-c", ENSURE, "bash", file if described else tmp_path / "none"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr, done.returncode

    return run


@pytest.mark.parametrize("version", ["12", "13"])
def test_debian_12_and_13_are_met_without_a_word(on, version):
    assert on(ID="debian", VERSION_ID=version, PRETTY_NAME="Debian") == ("", 0)


@pytest.mark.parametrize(
    ("described", "name"),
    [
        ({"ID": "debian", "VERSION_ID": "11", "PRETTY_NAME": "Debian GNU/Linux 11"}, "11"),
        ({"ID": "debian", "PRETTY_NAME": "Debian GNU/Linux forky/sid"}, "forky/sid"),
        ({"ID": "fedora", "VERSION_ID": "43", "PRETTY_NAME": "Fedora Linux 43"}, "Linux 43"),
        ({}, "Linux"),
    ],
)
def test_any_other_system_gets_one_sentence_that_names_it(on, described, name):
    said, status = on(**described)
    assert said.startswith("up: Portico runs on Debian 12 and 13; this is ")
    assert said.endswith(f"{name}\n")
    assert said.count("\n") == status == 1


def test_ubuntu_is_tried_and_told_that_nobody_did_before(on):
    said, status = on(ID="ubuntu", VERSION_ID="24.04", PRETTY_NAME="Ubuntu 24.04.3 LTS")
    assert "it has never been tried on Ubuntu 24.04.3 LTS" in said
    assert status == 0


@pytest.mark.parametrize("script", ["up", "test", "chaos"])
def test_a_script_looks_at_the_release_before_it_installs_anything(script):
    text = (ROOT / "scripts" / script).read_text()
    assert f"\nensure_release {script}\n" in text
    assert text.index("\nensure_release") < text.index("\nensure_packages")
