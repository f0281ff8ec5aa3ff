"""Tempest, run by stestr: which of its tests, and how."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def required(*, now: bool) -> list[str]:
    """The tests of the interop list, a regex each; `now` without those that need what is not there
    yet."""
    left_out = later() if now else []
    return [each for each in entries("required.txt") if each not in left_out]


def later() -> list[str]:
    """Those of the list that need what is not there yet."""
    return entries("later.txt")


def entries(name: str) -> list[str]:
    """The regexes of a list, without its remarks."""
    lines = ((HERE / name).read_text()).splitlines()
    found = (line.partition(" #")[0].strip() for line in lines)
    return [line for line in found if line and not line.startswith("#")]


def run(directory: Path, regexes: list[str], *, workers: int) -> Path:
    """The tests that these regexes find have run, as `directory` describes it (`Ground`); what
    became of each, as subunit."""
    (directory / "wanted").write_text("".join(f"{each}\n" for each in regexes))
    ran = directory / "subunit"
    with open(ran, "wb") as output:
        done = subprocess.run(
            [
                *(f"{sys.prefix}/bin/stestr", "run", "--subunit", "--include-list", "wanted"),
                *("--concurrency", str(workers)),
            ],
            cwd=directory,
            env=os.environ
            | {
                "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
                "TEMPEST_CONFIG_DIR": str(directory),
            },
            stdout=output,
        )
    if not ran.stat().st_size:
        raise SystemExit(f"tempest: stestr ended with {done.returncode}, see {directory}")
    return ran
