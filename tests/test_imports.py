"""What is installed suffices: every module can be imported with the locked packages alone."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUN_BY_ALEMBIC = "portal.migrations.env"  # tests/test_migrations.py
NEEDS_LIBVIRT = {
    "workers.drivers.libvirt.events",
    "workers.drivers.libvirt.guests",
    "workers.purge",
}

PROGRAM = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"


def modules() -> set[str]:
    """The dotted name of every module of the portal and of the hosts."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for folder in ("portal", "workers")
        for path in (ROOT / folder).rglob("*.py")
        if "versions" not in path.parts
    } - {RUN_BY_ALEMBIC}


def import_all(names: set[str], directory: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, *sorted(names)],
        cwd=ROOT,
        env={"PORTICO_DATA_DIRECTORY": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_can_be_imported_without_a_warning(tmp_path):
    done = import_all(modules() - NEEDS_LIBVIRT, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.real
def test_so_can_those_that_drive_libvirt(tmp_path):
    assert modules() >= NEEDS_LIBVIRT
    done = import_all(NEEDS_LIBVIRT, tmp_path)
    assert done.returncode == 0, done.stderr
