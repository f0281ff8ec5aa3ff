"""The other of the two Debian releases that Portico runs on, in a root of its own beside this one.

The empty root is made once and kept in .test/; each run copies it, and does there what a person
with a fresh machine does.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stack import PASSWORD

ROOT = Path(__file__).resolve().parents[1]
OTHER = {"bookworm": "trixie", "trixie": "bookworm"}
NOT_COPIED = (".git", ".test", ".dev", ".venv", "__pycache__")

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.xdist_group("other Debian"),
]


def on_machine(root: Path, *command: str, minutes: float) -> str:
    """What `command` printed on the machine in `root`; it ended well."""
    done = subprocess.run(
        [ROOT / "scripts/debian-root", "run", root, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=minutes * 60,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def fresh_machine():
    """A machine with the other release, on which nothing was ever installed, and this checkout."""
    if os.geteuid():
        pytest.skip("only root can make the root of another Debian")
    this = subprocess.run(
        ["bash", "-c", '. /etc/os-release && echo "$VERSION_CODENAME"'],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    if this not in OTHER:
        pytest.skip(f"this is neither Debian 12 nor 13 but {this}: there is no other of the two")
    empty = ROOT / ".test" / OTHER[this]
    subprocess.run(
        [ROOT / "scripts/debian-root", "make", OTHER[this], empty], check=True, timeout=1200
    )
    machine = empty.with_name(f"{empty.name}-run")
    shutil.rmtree(machine, ignore_errors=True)
    subprocess.run(["cp", "-a", empty, machine], check=True)
    shutil.copytree(ROOT, machine / "portico", ignore=shutil.ignore_patterns(*NOT_COPIED))
    yield machine
    shutil.rmtree(machine, ignore_errors=True)


def test_a_fresh_machine_with_the_other_release_runs_its_first_instance(fresh_machine):
    said = on_machine(
        fresh_machine,
        *("env", f"PORTICO_ADMIN_PASSWORD={PASSWORD}"),
        *("bash", "/portico/tests/fresh_machine.bash"),
        minutes=30,
    )
    assert "nothing is left" in said, said


def test_all_tests_pass_on_the_other_release(fresh_machine):
    said = on_machine(fresh_machine, "/portico/scripts/test", minutes=50)
    assert " passed" in said, said
