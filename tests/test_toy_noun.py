"""A new noun moves in: files of its own, four that exist, and a line in each table of names.

`tests/toy_noun` is the noun, laid out as the repository is; it moves into a copy of the
repository, and the copy's own tests judge it. Read it as an example.
"""

import os
import shutil
import subprocess
import sys

import pytest

from tests.test_architecture import ROOT

TOY = ROOT / "tests/toy_noun"
MOST_EDITED = 4

PROTOCOL = '''class Lamps(Protocol):
    """Lamps on a host."""

    def ensure_lamp(self, spec: LampSpec) -> None:
        """The lamp is lit in the colour of the spec."""

    def remove_lamp(self, lamp_id: str) -> None:
        """There is no such lamp."""

    def observe_lamps(self) -> tuple[tuple[str, str], ...]:
        """Id and colour of each lamp that is lit."""

'''

EDITED = {  # files that exist: beside which line comes what
    "workers/specs/hosts.py": [
        ("    images: tuple[str, ...] = ()", "    lamps: tuple[tuple[str, str], ...] = ()"),
    ],
    "workers/jobs/hosts.py": [
        ("        images=host.images.", "        lamps=host.lamps.observe_lamps(),"),
    ],
    "workers/drivers/__init__.py": [
        ("from workers.specs import", "    LampSpec,"),
        ("class Sequence", PROTOCOL),
        ("    console_address: str", "    lamps: Lamps | None = None  # no real host has any"),
    ],
    "workers/drivers/fake/drivers.py": [
        ("from workers.drivers.fake.state", "from workers.drivers.fake.lamps import FakeLamps"),
        ("        images=FakeImages(host),", "        lamps=FakeLamps(host),"),
    ],
}
NAMES = {  # tables of names
    "portal/models/__init__.py": [
        ("from portal.models.instance", "from portal.models.lamp import Lamp"),
    ],
    "portal/changes/__init__.py": [
        ("from portal.changes import", "from portal.changes import lamps"),
        ("        (hosts.NOUN, hosts.CHANGES),", "        (lamps.NOUN, lamps.CHANGES),"),
    ],
    "portal/policies.py": [
        ("PROJECT = {", '    "lamps:create": Role.MEMBER,\n    "lamps:delete": Role.MEMBER,'),
    ],
    "portal/services/finding.py": [
        ("from portal.models import", "    Lamp,"),
        ("KINDS = {", '    Lamp: Kind("lamps", "lamps:create", "There is no such lamp."),'),
    ],
    "portal/conductor/nouns/__init__.py": [
        ("from portal.conductor.nouns import", "from portal.conductor.nouns import lamps"),
        ("        hosts.NOUN,", "        lamps.NOUN,"),
    ],
    "workers/specs/__init__.py": [
        ("from workers.specs.images", "from workers.specs.lamps import LampSpec"),
    ],
    "workers/jobs/__init__.py": [
        ("from workers.jobs import", "from workers.jobs import lamps"),
        ("from workers.specs import", "    LampSpec,"),
        ("JOBS = {", '    "lamps.apply": (lamps.apply, LampSpec),'),
        ("JOBS = {", '    "lamps.remove": (lamps.remove, LampSpec),'),
    ],
    "tests/workers/test_jobs_converge.py": [
        ("SPECS = {", '    "lamps.apply": specs.LampSpec(id=LOST, generation=1, colour="red"),'),
        ("SPECS = {", '    "lamps.remove": specs.LampSpec(id=LOST, generation=2, colour=""),'),
    ],
}
JUDGED_BY = [  # of the copy: its own tests, and the laws
    "tests/test_lamps.py",
    *("tests/workers/test_jobs_converge.py", "-k", "lamp or every_job or engine or direction"),
    *("tests/test_nouns.py", "tests/test_architecture.py"),
]


@pytest.fixture
def copy(tmp_path):
    """A copy of the repository into which the noun has moved."""
    for folder in ("portal", "workers", "templates", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "toy_noun", "installations")
        shutil.copytree(ROOT / folder, tmp_path / "copy" / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "copy")
    for path in TOY.rglob("*.py"):
        there = tmp_path / "copy" / path.relative_to(TOY)
        assert not there.exists(), "a file of its own"
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, there)
    (tmp_path / "copy/tests/lamps.py").rename(tmp_path / "copy/tests/test_lamps.py")
    for path, additions in {**EDITED, **NAMES}.items():
        text = (tmp_path / "copy" / path).read_text()
        for beside, addition in additions:
            text = _add(text, beside, addition)
        (tmp_path / "copy" / path).write_text(text)
    return tmp_path / "copy"


def _add(text: str, beside: str, addition: str) -> str:
    """What stands at the left edge comes before the line that begins so, anything else after."""
    lines = text.splitlines()
    [number, *_] = [at for at, line in enumerate(lines) if line.startswith(beside)]
    lines.insert(number + addition.startswith(" "), addition)
    return "\n".join(lines) + "\n"


def test_a_machine_like_noun_edits_at_most_four_files_besides_tables_of_names(copy):
    assert len(EDITED) <= MOST_EDITED
    judged = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", *JUDGED_BY],
        cwd=copy,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-3000:]
