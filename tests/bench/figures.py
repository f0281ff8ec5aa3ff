"""Figures: what was measured, against which goal."""

import dataclasses
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Iterable
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table. Without a goal it only says where the time of another one goes."""

    what: str
    measured: str
    goal: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "missed", None: ""}[self.met]


def p95(values: Iterable[float]) -> float:
    """The value that 95 of 100 stay below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def machine() -> str:
    """What it was measured on, so that anyone can repeat it."""
    import redis
    import rq
    import sqlalchemy

    processors = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next(
        (line.partition(":")[2].strip() for line in processors if "model name" in line),
        platform.machine(),
    )
    cores = subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout.strip()
    memory = Path("/proc/meminfo").read_text().split()[1]
    return (
        f"{cores} x {cpu}, {int(memory) // 2**20} GiB; Linux {platform.release()}, "
        f"Python {platform.python_version()}, SQLAlchemy {sqlalchemy.__version__}, "
        f"RQ {rq.VERSION}, redis-py {redis.__version__}, SQLite {sqlite3.sqlite_version}, "
        f"{_first_line('redis-server', '--version')}, {_first_line('libvirtd', '--version')}, "
        f"{_first_line('qemu-img', '--version')}"
    )


def _first_line(*command: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0].strip()


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = ["| figure | measured | goal | |", "|---|---|---|---|"]
    lines += [
        f"| {each.what} | {each.measured} | {each.goal} | {each.verdict} |" for each in figures
    ]
    return "\n".join(lines)
