"""What the control plane takes while nothing happens."""

import time
from pathlib import Path

from tests.bench.figures import Figure

SECONDS = 20
GOAL_MIB, GOAL_CORE = 300, 0.01


def measure(pid: int) -> list[Figure]:
    """Memory (PSS) and processor time of a process manager and everything below it, but libvirt's
    daemons."""
    family = [each for each in _family(pid) if b"libvirtd" not in _command(each)]
    before = sum(_ticks(each) for each in family)
    time.sleep(SECONDS)
    used = (sum(_ticks(each) for each in family) - before) / 100 / SECONDS
    mib = sum(_pss_kib(each) for each in family) / 1024
    return [
        Figure("control plane idle, PSS", f"{mib:.0f} MiB", f"<= {GOAL_MIB} MiB", mib <= GOAL_MIB),
        Figure(
            "control plane idle, processor",
            f"{used:.1%} of a core",
            f"<= {GOAL_CORE:.0%}",
            used <= GOAL_CORE,
        ),
    ]


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
